"""What the writer's process has settled and sends: all of it once, or the line ends."""

import socket
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from ledger.crossing import decode_told
from ledger.domain.errors import InvalidCommand
from ledger.frames import Incoming
from ledger.store.requests import Answered
from ledger.writing import Answers

Line = tuple[socket.socket, socket.socket]


@pytest.fixture
def line() -> Iterator[Line]:
    near, far = socket.socketpair()
    with near, far:
        for end in (near, far):
            end.settimeout(5)
        yield near, far


def settled(command_id: str) -> "Future[Answered]":
    future: Future[Answered] = Future()
    future.set_result(Answered(command_id=command_id, outcomes=[]))
    return future


def test_all_that_is_settled_goes_once(line: Line) -> None:
    near, far = line
    answers = Answers(near)
    answers.add(1, settled("c1"))
    answers.add(2, InvalidCommand("minutes"))
    answers.send()
    answers.send()
    near.shutdown(socket.SHUT_WR)
    told = [decode_told(content) for content in Incoming().take(far.recv(1 << 16))]
    assert [(each.number, each.failed and each.failed.at) for each in told] == [
        (1, None),
        (2, "minutes"),
    ]
    assert far.recv(1) == b""


def test_a_line_that_lost_an_answer_ends_for_both(line: Line) -> None:
    """Or whoever asked would wait for it as long as others are answered."""
    near, far = line
    answers = Answers(near)
    near.shutdown(socket.SHUT_WR)
    answers.add(1, settled("c1"))
    answers.send()
    assert near.recv(1) == b""
    assert far.recv(1) == b""
