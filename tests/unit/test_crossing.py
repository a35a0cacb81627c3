"""What goes to a writer in another process arrives as it was sent, and so does what comes back."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from ledger.crossing import (
    EVENTS_TOLD_MAX,
    WriterFailed,
    answer_of,
    decode_asked,
    decode_told,
    encode_answer,
    encode_error,
    encode_request,
    error_of,
    request_of,
)
from ledger.domain.access import Caller, operator
from ledger.domain.commands import COMMANDS, Command, EntryCommand, LogHours, VerifyHours
from ledger.domain.errors import InvalidCommand, LedgerError, QuotaExhausted
from ledger.domain.unbounded import KIND_OF
from ledger.frames import Incoming, frame
from ledger.log.codec import Sealed
from ledger.store.requests import Answered, Refused, Request, encode_bodies
from tests.test_architecture import MODULES
from tests.wishes import commands_of

CALLER = Caller(
    holder="clerk", key="k1", roles=frozenset({"recorder", "admin"}), members=frozenset({"V1"}),
    regions=("33",), expires_on=date(2027, 1, 1),
)  # fmt: skip
RIGHT = LogHours(
    member="V1", project="P1", service_on=date(2025, 6, 1), minutes=1, category="x",
    evidence="manual",
)  # fmt: skip


def crossed(request: Request) -> Request:
    """A request on the other side."""
    return request_of(decode_asked(encode_request(7, request)))


def kinds_of(request: Request) -> list[type[Command]]:
    """What kinds of commands a request has."""
    return [KIND_OF[type(command)] for command in request.commands]


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_a_command_of_every_kind_arrives_under_the_same_hash(kind: type[Command]) -> None:
    @settings(max_examples=15)
    @given(commands_of(kind, date(2025, 6, 1)))
    def arrives(command: Any) -> None:
        sent = Request(
            commands=[command], caller=CALLER, command_id="c1", on_error="stop", dry_run=True
        )
        found = crossed(sent)
        assert kinds_of(found) == [kind]
        assert encode_bodies(found.commands) == encode_bodies([command])
        assert found.body_hash == sent.body_hash
        assert (found.caller, found.command_id, found.seed) == (CALLER, "c1", sent.seed)
        assert (found.on_error, found.dry_run) == ("stop", True)

    arrives()


def test_several_commands_arrive_in_order_and_none_is_none() -> None:
    commands = [RIGHT, VerifyHours(entry="V1-1"), replace(RIGHT, minutes=2)]
    found = crossed(Request(commands=commands, caller=CALLER, command_id="c"))
    assert kinds_of(found) == [LogHours, VerifyHours, LogHours]
    assert encode_bodies(found.commands) == encode_bodies(commands)
    assert crossed(Request(commands=[], caller=CALLER, command_id="c")).commands == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("project", 1),
        ("minutes", "1"),
        ("minutes", True),
        ("service_on", "2025-06-31"),
        ("category", ["x"]),
        ("member", None),
        ("effective_on", 1),
    ],
)
def test_what_is_malformed_is_refused_there_as_it_would_be_here(field: str, value: Any) -> None:
    commands = [RIGHT, VerifyHours(entry="V1-1"), replace(RIGHT, **{field: value}), RIGHT]
    with pytest.raises(InvalidCommand) as here:
        Request(commands=commands, caller=CALLER, command_id="c")
    unchecked = Request(commands=commands, caller=CALLER, command_id="c", is_decoded=True)
    with pytest.raises(InvalidCommand) as there:
        crossed(unchecked)
    assert told(there.value) == told(here.value)
    assert there.value.index == 2


def test_what_is_no_command_is_refused_there() -> None:
    wrong = EntryCommand(entry="V1-1")
    with pytest.raises(InvalidCommand) as refused:
        crossed(Request(commands=[RIGHT, wrong], caller=CALLER, command_id="c", is_decoded=True))
    assert refused.value.index == 1


def told(error: LedgerError) -> tuple[object, ...]:
    """All that an error says."""
    return type(error), error.code, error.message, str(error), error.at, error.facts, error.index


def every_error() -> list[type[LedgerError]]:
    """Whatever there is in the project, once all of it is imported."""
    for name, path in MODULES.items():
        if "LedgerError" in Path(path).read_text(encoding="utf-8"):
            __import__(name.removesuffix(".__init__"))

    def below(kind: type[LedgerError]) -> list[type[LedgerError]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in below(sub))]

    return [kind for kind in below(LedgerError) if not kind.__module__.startswith("tests")]


def test_every_error_comes_back_as_it_was_raised() -> None:
    kinds = every_error()
    assert len(kinds) > 60
    for index, kind in enumerate(kinds):
        error = kind("some.field", member="V1", minutes=3)
        error.index = index or None
        back = decode_told(encode_error(9, error))
        assert back.number == 9
        assert back.failed is not None
        found = error_of(back.failed)
        assert isinstance(found, LedgerError)
        assert told(found) == told(error)


def test_what_is_no_error_of_the_ledger_says_at_least_what_it_was() -> None:
    failed = decode_told(encode_error(1, ZeroDivisionError("no halves of nothing"))).failed
    assert failed is not None
    with pytest.raises(WriterFailed, match="ZeroDivisionError: no halves of nothing"):
        raise error_of(failed)


def answered(count: int) -> Answered:
    """An answer with so many events, and one refusal."""
    return Answered(
        command_id="c1",
        outcomes=[{"entry": "V1-1", "minutes": 3, "already": True},
                  Refused.by(QuotaExhausted("policy", quota=3))],
        first_position=5,
        count=count,
        position=4 + count,
        events=[Sealed("member/V1", n, "HoursLogged", b"{}") for n in range(count)],
        recorded=datetime(2025, 6, 1, 8, 30, 0, 123456, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, EVENTS_TOLD_MAX])
def test_an_answer_comes_back_whole(count: int) -> None:
    sent = answered(count)
    assert answer_of(decode_told(encode_answer(1, sent)), "c1") == replace(
        sent, events=list(sent.events) or ()
    )


def test_an_answer_with_many_events_leaves_them_in_the_log() -> None:
    """Who needs a receipt of them looks there, as for a repeated one."""
    sent = answered(EVENTS_TOLD_MAX + 1)
    assert answer_of(decode_told(encode_answer(1, sent)), "c1") == replace(sent, events=())


def test_frames_come_out_whole_however_they_come_in() -> None:
    contents = [b"", b"a", b"b" * 1000, operator("x").holder.encode()]
    stream = b"".join(map(frame, contents))
    for size in (1, 7, 8, 9, 500, len(stream)):
        incoming = Incoming()
        pieces = [stream[n : n + size] for n in range(0, len(stream), size)]
        assert [each for piece in pieces for each in incoming.take(piece)] == contents
