"""The small parts of the service, each alone: routes, spool, cursors, keys, arrivals, looks."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match

from api import cursors, rates
from api.app import create_app
from api.arrivals import Arrivals
from api.auth import Keys
from api.batch_lines import Line, read_lines
from api.bounds import Bounds
from api.call import Call
from api.errors import Behind, RateLimited
from api.freshness import Freshness
from api.rates import Rates, Windows
from api.spool import Spool
from ledger.domain.access import Caller
from ledger.domain.errors import (
    CommandInFlight,
    InvalidCommand,
    MemberNotFound,
    Unauthenticated,
    Unavailable,
)
from ledger.store.place import SqliteFile
from ledger.store.requests import Answered, new_seed
from projections.database import open_engine
from projections.looks import Looks

# routes


@pytest.mark.parametrize("root", ["", "/ledger"])
def test_routes_are_found_by_path_wherever_the_service_is_mounted(root: str) -> None:
    for path, name in {
        "/v1/totals": "/v1/totals",
        "/v1/members/V1/balance": "/v1/members/{member}/balance",
        "/v1/hours/V1-1/verify": "/v1/hours/{entry}/verify",
    }.items():
        scope = {"type": "http", "method": "GET", "path": root + path, "root_path": root}
        found = [r for r in create_app().router.routes if r.matches(scope)[0] != Match.NONE]
        assert [getattr(route, "path", "") for route in found] == [name]


# spool


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=30), st.integers(1, 64), st.integers(0, 5)
)
def test_a_spool_gives_what_was_put_in(pieces: list[bytes], memory: int, rest: int) -> None:
    """Whoever is faster, and whether it fits into memory or not."""

    async def pass_on() -> bytes:
        spool, got = Spool(memory), b""

        async def write() -> None:
            for number, piece in enumerate(pieces, 1):
                spool.write(piece)
                if rest and number % rest == 0:
                    await asyncio.sleep(0)
            spool.end()

        task = asyncio.ensure_future(write())
        async for piece in spool.read():
            got += piece
        await task
        return got

    assert asyncio.run(pass_on()) == b"".join(pieces)


def test_a_spool_nobody_reads_any_more_takes_what_comes() -> None:
    async def leave() -> None:
        spool = Spool(10)
        spool.write(b"one")
        reading = spool.read()
        assert await anext(reading) == b"one"
        await reading.aclose()  # type: ignore[attr-defined]  # it is a generator
        spool.write(b"two")

    asyncio.run(leave())


# lines


@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(1, 20), st.integers(5, 60))
def test_lines_do_not_depend_on_how_they_come(texts: list[bytes], size: int, longest: int) -> None:
    body = b"\n".join(texts)

    async def numbers(step: int) -> list[tuple[int, str]]:
        async def pieces() -> Any:
            for n in range(0, len(body), step):
                yield body[n : n + step]

        found = [line async for some in read_lines(pieces(), longest) for line in some]
        return [(line.number, str(line.refused and line.refused.facts)) for line in found]

    whole = asyncio.run(numbers(len(body) or 1))
    assert asyncio.run(numbers(size)) == whole
    filled = [n for n, text in enumerate(body.split(b"\n"), 1) if text.strip(b" \t\r")]
    assert [n for n, _ in whole] == filled


@pytest.mark.parametrize("space", [b" ", b"\t", b"\r", b"\x0b", b"\x0c", b"\xef\xbb\xbf"])
def test_a_line_is_what_it_is_whatever_stands_beside_it(space: bytes) -> None:
    """Lines that are plain are read together, so that others must not be judged otherwise."""
    line = b'{"op":"register_member","member":"V1","region":"33"}'

    async def first_of(*lines: bytes) -> Line:
        async def pieces() -> Any:
            yield b"\n".join([*lines, b""])

        found = [each async for some in read_lines(pieces(), 1000) for each in some]
        return found[0]

    alone = asyncio.run(first_of(space + line))
    beside = asyncio.run(first_of(space + line, b"{"))
    assert (alone.command, alone.refused) == (beside.command, beside.refused)


# cursors


@given(
    st.one_of(
        st.integers(0, cursors.PLACE_MAX),
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    )
)
def test_a_cursor_is_what_it_was_made_of(place: int | str) -> None:
    assert cursors.unpack(cursors.pack(place), type(place)) == place


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    place = None
    with suppress(InvalidCommand):
        place = cursors.unpack(text, int)
    assert place is None or cursors.unpack(cursors.pack(place), int) == place


# rates


def call() -> Call:
    return Call({"headers": []})


def test_windows_end_and_are_tidied(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(rates, "WINDOWS_MAX", 3)
    windows = Windows()
    assert [windows.incr("a", 10) for _ in range(3)] == [1, 2, 3]
    assert (windows.get("a"), windows.get_expiry("a")) == (3, 1010)
    now = 1010.0
    assert (windows.get("a"), windows.incr("a", 10)) == (0, 1)
    for name in "bcdefgh":
        assert windows.incr(name, 10) == 1
        assert windows.check()
    assert windows.reset() <= 3


def test_each_key_has_its_own_window() -> None:
    counted = Rates(Bounds(rate_max=2, stranger_rate_max=1))
    for _ in range(2):
        counted.count(call(), "a")
        counted.count(call(), "b")
    with pytest.raises(RateLimited):
        counted.count(call(), "a")
    counted.count_stranger("10.0.0.1")
    with pytest.raises(RateLimited):
        counted.count_stranger("10.0.0.1")
    counted.count_stranger("10.0.0.2")
    free = Rates(Bounds(rate_max=0, stranger_rate_max=0))
    for _ in range(10):
        free.count(call(), "a")
        free.count_stranger("10.0.0.1")


def test_a_window_ends_in_time_though_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(time=lambda: 10_000.0, monotonic=lambda: 100.0)
    monkeypatch.setattr(rates, "time", clock)
    counted = Rates(Bounds(rate_max=1, rate_window_s=60))
    counted.count(call(), "a")
    clock.time, clock.monotonic = (lambda: 6_400.0), (lambda: 101.0)  # an hour back
    with pytest.raises(RateLimited) as refused:
        counted.count(call(), "a")
    assert refused.value.facts["retry_after"] == 59
    clock.time, clock.monotonic = (lambda: 6_460.0), (lambda: 161.0)
    counted.count(call(), "a")


# keys


def caller(holder: str) -> Caller:
    return Caller(holder=holder, key="k", roles=frozenset({"auditor"}))


def test_a_caller_is_looked_up_once_and_forgotten() -> None:
    looked: list[str] = []

    def look(secret: str) -> Caller:
        looked.append(secret)
        if secret == "wrong":
            raise Unauthenticated
        return caller(secret)

    async def ask() -> None:
        keys = Keys(look, 60)
        found = await asyncio.gather(*(keys.caller("right") for _ in range(20)))
        assert {each.holder for each in found} == {"right"}
        assert looked == ["right"]
        refused = await asyncio.gather(
            *(keys.caller("wrong") for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(each, Unauthenticated) for each in refused)
        with pytest.raises(Unauthenticated):
            await keys.caller("wrong")
        assert looked == ["right", "wrong", "wrong"]
        keys.forget()
        await keys.caller("right")
        assert looked[-1] == "right"
        brief = Keys(look, 0)
        await brief.caller("right")
        await brief.caller("right")
        assert looked.count("right") == 4

    asyncio.run(ask())


# arrivals


def test_answers_arrive_whoever_gives_them_and_whenever() -> None:
    async def ask() -> None:
        arrivals = Arrivals(1)
        futures: list[Future[Answered]] = [Future() for _ in range(200)]

        def answer() -> None:
            for number, future in enumerate(futures):
                if number % 10 == 0:
                    future.set_exception(MemberNotFound("member"))
                elif number % 10 < 9:
                    future.set_result(Answered(command_id=str(number), outcomes=[]))

        thread = threading.Thread(target=answer)
        waiting = [asyncio.ensure_future(arrivals.wait(future)) for future in futures]
        await asyncio.sleep(0)
        thread.start()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        thread.join()
        for number, each in enumerate(told):
            if number % 10 == 0:
                assert isinstance(each, MemberNotFound)
            elif number % 10 == 9:
                assert isinstance(each, CommandInFlight)
            else:
                assert isinstance(each, Answered)
                assert each.command_id == str(number)
        futures[9].set_result(Answered(command_id="late", outcomes=[]))
        assert (await arrivals.wait(futures[9])).command_id == "late"
        await asyncio.sleep(0.01)

    asyncio.run(ask())


# freshness


def test_who_waits_is_told_when_it_is_time() -> None:
    position = 0
    looks = 0

    def look() -> int:
        nonlocal position, looks
        looks += 1
        position += looks > 3
        return position

    async def ask() -> None:
        fresh = Freshness(look, lambda: 9)
        await asyncio.gather(*(fresh.reach(n, 5) for n in range(4)))
        assert position == 3
        counted = looks
        await fresh.reach(2, 0)
        assert looks == counted
        with pytest.raises(Behind):
            await Freshness(lambda: 1, lambda: 9).reach(9, 0.05)
        with pytest.raises(InvalidCommand):
            await fresh.reach(10, 5)

    asyncio.run(ask())


def test_who_waits_is_told_of_an_outage() -> None:
    def look() -> int:
        raise Unavailable

    async def ask() -> None:
        with pytest.raises(Unavailable):
            await Freshness(look, lambda: 9).reach(1, 5)

    asyncio.run(ask())


# looks


def test_looks_are_kept_in_order_and_counted_when_lost(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "reads.db")
    looks = Looks(open_engine(place))
    for number in range(1200):
        looks.add("h", "k", f"member/V{number % 2}", "GET /x", str(number))
    assert looks.flush()
    found = looks.looks_at("member/V1", 1000)
    assert [each.request for each in found] == [str(n) for n in range(1199, 0, -2)]
    older = looks.looks_at("member/V1", 5, before=found[9].at)
    assert [each.request for each in older] == [each.request for each in found[10:15]]
    assert looks.dropped == 0
    looks.close()
    again = Looks(open_engine(place))
    assert len(again.looks_at("member/V0", 1000)) == 600
    again.close()


def test_seeds_are_nobody_elses() -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.extend(new_seed() for _ in range(2_000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 8_000
    assert {len(seed) for seed in found} == {16}
