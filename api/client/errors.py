"""What a call may raise: the service refused, or there was no answer."""

from typing import Final

import httpx
import msgspec

from api.answers import Problem

PROBLEM: Final = "application/problem+json"
#: Statuses that say "ask again"; the same key makes that safe whatever became of the first.
PASSING: Final = (429, 502, 503, 504)


class ServiceError(Exception):
    """A call was not carried out, as far as is known."""

    #: The key to repeat a write under; empty for reads.
    idempotency_key: str = ""
    #: Whether asking again may help.
    is_passing: bool = True
    #: Seconds the service asks to be left alone, None when it does not say.
    retry_after_s: float | None = None


class UnreachableError(ServiceError):
    """No answer came. Whether a write was done is not known: repeat it under the same key."""


class ProblemError(ServiceError):
    """The service refused. Match on `code`; `at` names the field, `facts` are the figures."""

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.is_passing = problem.status in PASSING or problem.code == "command_in_flight"

    @property
    def code(self) -> str:
        """Why, as a word such as `four_eyes` or `insufficient_funds`."""
        return self.problem.code

    @property
    def at(self) -> str:
        """The field that is wrong, empty when it is none."""
        return self.problem.at

    @property
    def facts(self) -> dict[str, str | int]:
        """The figures behind it, by name."""
        return self.problem.facts

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status


def problem_in(answer: httpx.Response) -> ProblemError | None:
    """The problem an answer is, None when it is none. Its body has been read."""
    if answer.is_success:
        return None
    after = answer.headers.get("retry-after", "")
    return ProblemError(_problem(answer), float(after) if after.isdecimal() else None)


def _problem(answer: httpx.Response) -> Problem:
    """What the service says, or in its words what something between us and it says."""
    if answer.headers.get("content-type") == PROBLEM:
        try:
            return msgspec.json.decode(answer.content, type=Problem)
        except msgspec.MsgspecError:
            pass
    return Problem(
        type="about:blank",
        title=answer.reason_phrase,
        status=answer.status_code,
        detail=answer.reason_phrase,
        instance=answer.request.url.path,
        code=f"http_{answer.status_code}",
        at="",
        facts={},
        errors=[],
        request_id=answer.headers.get("x-request-id", ""),
    )
