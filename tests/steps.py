"""How much work something is, counted in lines of Python run: no clock, so no noise."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps_of(work: Callable[[], object]) -> int:
    """Lines of Python that are run."""
    lines = 0

    def trace(_: FrameType, what: str, __: object) -> Any:
        nonlocal lines
        lines += what == "line"
        return trace

    before = sys.gettrace()
    gc.collect()
    gc.disable()  # what another test left to finalise is not a step of this one
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return lines
