"""Frames through a pipe, however they are cut."""

import os
import threading
from collections.abc import Iterator

import pytest

from ledger.frames import LENGTH_BYTES, Receiver, read_frame, send_frame, widen, write_frame

#: More than a pipe holds.
LARGE = os.urandom(3 << 20)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that does not block whoever writes."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    yield out, into
    for descriptor in (out, into):
        try:
            os.close(descriptor)
        except OSError:
            continue


@pytest.mark.parametrize("is_wide", [False, True])
def test_what_is_sent_is_received_whole_and_in_order(pipe: tuple[int, int], is_wide: bool) -> None:
    out, into = pipe
    if is_wide:
        widen(into)
    sent = [b"", b"a", LARGE, b"b" * 100, b""]

    def send() -> None:
        for frame in sent:
            send_frame(into, frame, 30)

    thread = threading.Thread(target=send)
    thread.start()
    receiver = Receiver(out)
    assert [receiver.frame(30) for _ in sent] == sent
    thread.join(30)
    assert not receiver.has_arrived()


def test_a_frame_that_comes_in_pieces_is_put_together(pipe: tuple[int, int]) -> None:
    out, into = pipe
    receiver = Receiver(out)
    for byte in (3).to_bytes(LENGTH_BYTES, "big") + b"ab":
        os.write(into, bytes([byte]))
        with pytest.raises(TimeoutError):
            receiver.frame(0)
    os.write(into, b"c")
    assert receiver.frame(0) == b"abc"


def test_nobody_waits_for_ever_for_who_does_not_read_or_write(pipe: tuple[int, int]) -> None:
    out, into = pipe
    with pytest.raises(TimeoutError):
        Receiver(out).frame(0.01)
    with pytest.raises(TimeoutError):
        send_frame(into, LARGE, 0.01)


@pytest.mark.parametrize("part", [b"", b"\0\0", (3).to_bytes(LENGTH_BYTES, "big") + b"ab"])
def test_a_part_of_a_frame_is_none(pipe: tuple[int, int], part: bytes) -> None:
    out, into = pipe
    os.write(into, part)
    os.close(into)
    receiver = Receiver(out)
    assert receiver.has_arrived()
    with pytest.raises(EOFError):
        receiver.frame(1)


def test_whoever_reads_no_more_is_found_out(pipe: tuple[int, int]) -> None:
    out, into = pipe
    os.close(out)
    with pytest.raises(BrokenPipeError):
        send_frame(into, b"a", 1)


def test_both_ways_of_sending_and_receiving_speak_alike(pipe: tuple[int, int]) -> None:
    out, into = pipe
    with os.fdopen(os.dup(out), "rb") as source, os.fdopen(os.dup(into), "wb") as output:
        send_frame(into, b"abc", 1)
        assert read_frame(source) == b"abc"
        write_frame(output, b"defg")
        assert Receiver(out).frame(1) == b"defg"
