"""The writer in a process of its own: the same answers and the same log, whatever becomes of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from ledger import apart as far
from ledger import application, wire
from ledger.apart import WriterApart
from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import Command, IssueKey, OpenLedger, RegisterMember
from ledger.domain.errors import AlreadyExists, IdempotencyMismatch, InvalidCommand, Unavailable
from ledger.settings import Settings
from ledger.store.requests import Answered
from tests.desk import check_rows
from tests.http_service import NEVER

pytestmark = pytest.mark.timeout(100)
ROOT: Final = Path(__file__).parents[2]
OPERATOR: Final = operator("boss")
PATIENCE_S: Final = 60
#: More than a narrow line takes at once.
MANY: Final = 2_000
#: A program that says which process writes for it, then waits to be killed.
PARENT: Final = """
import sys, time
from ledger.application import Ledger
from ledger.settings import Settings
ledger = Ledger(Settings(database_url=sys.argv[1]), apart=True)
print(ledger.apart.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this runs; and a line that is full soon."""
    monkeypatch.setattr(application, "cores", lambda: 2)
    monkeypatch.setattr(wire, "BUFFER_BYTES", 1 << 14)


@pytest.fixture
def ledger(settings: Settings, two_cores: None) -> Iterator[Ledger]:
    """An open ledger that stands ready."""
    with Ledger(settings, create=True, apart=True) as ledger:
        ledger.execute(OpenLedger(origin="t.example"), OPERATOR)
        yield ledger


def register(number: int) -> RegisterMember:
    return RegisterMember(member=f"V{number:06}", region="330424")


def apart_of(ledger: Ledger) -> WriterApart:
    assert ledger.apart is not None
    return ledger.apart


def process_of(ledger: Ledger) -> int:
    pid = apart_of(ledger).pid
    assert pid is not None
    return pid


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether there is such a process, and not only what its parent has still to bury."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def kept(ledger: Ledger) -> list[str]:
    """The streams of the log, which is whole."""
    rows = ledger.store.select_rows(0, 10**6)
    check_rows(rows)
    return [row.originator_id for row in rows]


def test_answers_refusals_and_keys_are_those_of_a_writer_here(ledger: Ledger) -> None:
    first = ledger.execute(register(1), OPERATOR, command_id="c1")
    assert (first.first_position, first.count, first.replayed) == (2, 1, False)
    assert ledger.execute(register(1), OPERATOR, command_id="c1").replayed
    with pytest.raises(IdempotencyMismatch):
        ledger.execute(register(2), OPERATOR, command_id="c1")
    with pytest.raises(AlreadyExists) as exists:
        ledger.execute_many([register(2), register(1)], OPERATOR)
    assert (exists.value.index, exists.value.at) == (1, "member")
    with pytest.raises(InvalidCommand) as invalid:
        ledger.execute(RegisterMember(member="V 1", region="33"), OPERATOR)
    assert invalid.value.at == "member"
    issue = IssueKey(holder="clerk", roles=("auditor",), expires_on=NEVER)
    _, secret = ledger.issue_key(issue, OPERATOR)
    assert secret is not None
    assert ledger.caller_for(secret).holder == "clerk"
    assert ledger.execute(register(3), OPERATOR, dry_run=True).count == 1
    assert len(kept(ledger)) == 3
    assert process_of(ledger) != os.getpid()


def test_a_few_events_come_with_the_answer_and_many_do_not(ledger: Ledger) -> None:
    """So a receipt can be made of them at once."""
    one = ledger.execute_many([register(1)], OPERATOR)
    assert [event.originator_id for event in one.events] == ["member/V000001"]
    assert one.recorded is not None
    assert ledger.execute_many([register(n) for n in range(2, 200)], OPERATOR).events == ()


def test_what_was_submitted_is_finished_before_it_is_closed(
    settings: Settings, two_cores: None
) -> None:
    with Ledger(settings, create=True, apart=True) as ledger:
        opened = ledger.submit([OpenLedger(origin="t.example")], OPERATOR)
        sent = [ledger.submit([register(n)], OPERATOR) for n in range(300)]
        writer, pid = apart_of(ledger), process_of(ledger)
    assert [future.result(0).first_position for future in (opened, *sent)] == [*range(1, 302)]
    assert not lives(pid)
    with pytest.raises(Unavailable):
        ledger.submit([register(1)], OPERATOR)
    assert not writer.is_ready


def test_bulk_loads_are_kept_once_and_in_order_while_the_process_is_killed(
    ledger: Ledger,
) -> None:
    """Each of them needs the one before; two kills find some of them under way."""
    sent = []
    for block in range(12):
        commands: list[Command] = [register(block * 400 + n) for n in range(400)]
        sent.append(ledger.submit(commands, OPERATOR, command_id=f"b{block}"))
        if block in (3, 8):
            sent[-3].result(PATIENCE_S)
            os.kill(process_of(ledger), signal.SIGKILL)
    answers = [future.result(PATIENCE_S) for future in sent]
    assert [answer.first_position for answer in answers] == [2 + 400 * n for n in range(12)]
    assert kept(ledger)[1:] == [f"member/V{n:06}" for n in range(12 * 400)]
    assert not apart_of(ledger).is_here


def test_what_a_killed_process_left_is_asked_of_the_next(ledger: Ledger) -> None:
    """It is held still, so that what is asked meanwhile is certainly not answered by it."""
    writer, pid = apart_of(ledger), process_of(ledger)
    os.kill(pid, signal.SIGSTOP)
    sent = [ledger.submit([register(n)], OPERATOR) for n in range(9)]
    os.kill(pid, signal.SIGKILL)
    assert [future.result(PATIENCE_S).first_position for future in sent] == [*range(2, 11)]
    wait_until(lambda: writer.is_ready)
    assert writer.pid != pid


def test_what_ends_one_process_after_the_other_is_told_to_who_asked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far, "TRIES_MAX", 1)
    pid = process_of(ledger)
    os.kill(pid, signal.SIGSTOP)
    lost = ledger.submit([register(1)], OPERATOR)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        lost.result(PATIENCE_S)
    assert ledger.execute(register(2), OPERATOR).first_position == 2
    assert not apart_of(ledger).is_here


def test_a_process_that_stands_still_is_ended_in_bounded_time(
    settings: Settings, two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even while someone waits for room on the line to it."""
    monkeypatch.setattr(far, "ANSWER_WAIT_S", 4.0)
    monkeypatch.setattr(far, "LOOK_EVERY_S", 0.1)
    with Ledger(settings, create=True, apart=True) as ledger:
        ledger.execute(OpenLedger(origin="t.example"), OPERATOR)
        still = process_of(ledger)
        os.kill(still, signal.SIGSTOP)
        sent = ledger.submit([register(n) for n in range(MANY)], OPERATOR)
    assert sent.result(0).count == MANY
    assert not lives(still)


def test_where_no_process_starts_this_one_writes(
    settings: Settings, two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Ledger(settings, create=True, apart=True) as ledger:
        assert apart_of(ledger).is_here
        ledger.execute(OpenLedger(origin="t.example"), OPERATOR)
        with pytest.raises(InvalidCommand):
            ledger.execute(RegisterMember(member="V 1", region="33"), OPERATOR)
        assert ledger.execute(register(1), OPERATOR).first_position == 2


def test_where_no_process_stays_this_one_goes_on_with_what_was_asked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = process_of(ledger)
    os.kill(pid, signal.SIGSTOP)
    sent = [ledger.submit([register(n)], OPERATOR) for n in range(9)]
    monkeypatch.setattr(sys, "executable", "/bin/false")
    os.kill(pid, signal.SIGKILL)
    assert [future.result(PATIENCE_S).first_position for future in sent] == [*range(2, 11)]
    assert apart_of(ledger).is_here
    assert ledger.execute(register(99), OPERATOR).first_position == 11


def test_the_process_ends_with_the_one_it_writes_for(settings: Settings, ledger: Ledger) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, settings.database_url], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    wait_until(lambda: not lives(pid))


def test_it_is_not_started_unasked_nor_against_the_settings_nor_with_one_core(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "cores", lambda: 2)
    forbidden = Settings(database_url=settings.database_url, writer_process=False)
    with Ledger(settings, create=True) as unasked, Ledger(forbidden, apart=True) as against:
        assert (unasked.apart, against.apart) == (None, None)
    monkeypatch.setattr(application, "cores", lambda: 1)
    with Ledger(settings, apart=True) as alone:
        assert alone.apart is None


def test_a_loop_looks_at_the_answers_itself_and_writes_without_waiting(ledger: Ledger) -> None:
    """Requests of the loop, of a thread beside it, and one that does not fit the line at once."""
    writer = apart_of(ledger)

    async def ask(command: RegisterMember) -> Answered:
        return await asyncio.wrap_future(ledger.submit([command], OPERATOR))

    async def all_at_once() -> list[int]:
        writer.attach(asyncio.get_running_loop())
        beside = asyncio.to_thread(ledger.execute, register(1), OPERATOR)
        large = [register(n) for n in range(1000, 1000 + MANY)]
        whole = asyncio.wrap_future(ledger.submit(large, OPERATOR))
        singly = await asyncio.gather(*(ask(register(n)) for n in range(100, 200)))
        counts = [(await beside).count, (await whole).count, *(each.count for each in singly)]
        os.kill(process_of(ledger), signal.SIGKILL)
        counts.append((await ask(register(2))).count)
        late = ledger.submit([register(4)], OPERATOR)  # to be sent at a turn that does not come
        writer.detach()
        return [*counts, late.result(PATIENCE_S).count]

    counts = asyncio.run(all_at_once())
    assert counts == [1, MANY, *[1] * 100, 1, 1]
    assert ledger.execute(register(3), OPERATOR).count == 1
    assert len(kept(ledger)) == 1 + MANY + 104


def test_what_a_loop_was_about_to_send_to_a_process_that_is_gone_goes_to_the_next(
    ledger: Ledger,
) -> None:
    """Its end is seen in the very turn of the loop in which something is asked."""
    writer, pid = apart_of(ledger), process_of(ledger)

    async def ask() -> int:
        writer.attach(asyncio.get_running_loop())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not lives(pid))
        asked = ledger.submit([register(1)], OPERATOR)
        writer._come()
        answered = await asyncio.wait_for(asyncio.wrap_future(asked), PATIENCE_S)
        writer.detach()
        return answered.first_position

    assert asyncio.run(ask()) == 2
