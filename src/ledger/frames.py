"""Messages between two processes of ours: frames of bytes behind their length."""

import os
import select
from typing import IO, Final

LENGTH_BYTES: Final = 8


def write_frame(output: IO[bytes], content: bytes) -> None:
    """Write one frame. Raises OSError."""
    output.write(len(content).to_bytes(LENGTH_BYTES, "big"))
    output.write(content)
    output.flush()


def read_frame(source: IO[bytes]) -> bytes:
    """Read one frame. Raises OSError, and EOFError where there is no more or only a part."""
    length = source.read(LENGTH_BYTES)
    content = source.read(int.from_bytes(length, "big")) if length else b""
    if len(length) < LENGTH_BYTES or len(content) < int.from_bytes(length, "big"):
        raise EOFError
    return content


def send_frame(descriptor: int, content: bytes, wait_s: float) -> None:
    """Write one frame to a pipe that does not block.

    Raises OSError, TimeoutError among them when nothing is taken for `wait_s` seconds.
    """
    rest = memoryview(len(content).to_bytes(LENGTH_BYTES, "big") + content)
    while rest:
        _wait(descriptor, select.POLLOUT, wait_s)
        rest = rest[os.write(descriptor, rest) :]


def receive_frame(descriptor: int, wait_s: float) -> bytes:
    """Read one frame of a pipe. Raises as `send_frame`, and EOFError as `read_frame`."""
    length = _receive(descriptor, LENGTH_BYTES, wait_s)
    return _receive(descriptor, int.from_bytes(length, "big"), wait_s)


def has_arrived(descriptor: int) -> bool:
    """Whether there is something to read, or the end."""
    try:
        _wait(descriptor, select.POLLIN, 0)
    except TimeoutError:
        return False
    return True


def _receive(descriptor: int, count: int, wait_s: float) -> bytes:
    content = b""
    while len(content) < count:
        _wait(descriptor, select.POLLIN, wait_s)
        part = os.read(descriptor, count - len(content))
        if not part:
            raise EOFError
        content += part
    return content


def _wait(descriptor: int, event: int, wait_s: float) -> None:
    """Raises TimeoutError."""
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(wait_s * 1000):
        raise TimeoutError
