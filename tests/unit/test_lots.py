"""The arithmetic of lots: first in first out, merged, nothing lost."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.errors import CorruptLog
from ledger.domain.lots import Queue, Stock, merge, take
from ledger.domain.values import Lot, Terms, lots_sum
from tests.money import in_short, lot

ANYTHING: tuple[Terms, ...] = ()
STRICT = (
    Terms(
        purpose="x",
        forbidden=("banquet",),
        opens_on=date(2025, 1, 1),
        closes_on=date(2025, 12, 31),
    ),
)

lots = st.lists(
    st.builds(lot, st.sampled_from(["F1-R1", "F1-R2", "F1-R3"]), st.integers(1, 50)), max_size=8
).map(tuple)


def stock_of(*arrivals: Lot, terms: tuple[Terms, ...] = ANYTHING) -> Stock:
    stock = Stock()
    for each in arrivals:
        stock.arrive(each, terms)
    return stock


def test_a_receipt_stands_in_one_lot_after_merging() -> None:
    merged = merge([lot("F1-R2", 5), lot("F1-R1", 3), lot("F1-R2", 4)])
    assert list(in_short(merged).items()) == [("F1-R2", 9), ("F1-R1", 3)]


def test_what_is_first_is_taken_first() -> None:
    there = [lot("F1-R1", 10), lot("F1-R2", 10), lot("F1-R1", 10)]
    assert in_short(take(4, there)) == {"F1-R1": 4}
    assert in_short(take(10, there)) == {"F1-R1": 10}
    assert in_short(take(25, there)) == {"F1-R1": 15, "F1-R2": 10}
    assert in_short(take(99, there)) == {"F1-R1": 20, "F1-R2": 10}


def test_what_is_taken_keeps_its_source() -> None:
    (taken,) = take(4, [lot("F1-R1", 10, "FC9", source_kind="welfare_lottery")])
    assert taken == lot("F1-R1", 4, "FC9", source_kind="welfare_lottery")


@given(lots, st.integers(1, 500))
def test_taking_gives_what_was_asked_or_all_there_is(there: tuple[Lot, ...], fen: int) -> None:
    taken = take(fen, there)
    assert lots_sum(taken) == min(fen, lots_sum(there))
    whole = in_short(merge(there))
    assert all(part <= whole[receipt] for receipt, part in in_short(taken).items())


@given(lots, st.integers(1, 500))
def test_a_queue_gives_what_it_shows_first_and_takes_it_back(
    there: tuple[Lot, ...], fen: int
) -> None:
    queue = Queue()
    queue.put(there)
    taken = take(fen, queue.lots)
    queue.remove(taken)
    assert queue.fen == lots_sum(tuple(queue.lots)) == lots_sum(there) - lots_sum(taken)
    queue.put_back(taken)
    assert in_short(take(fen, queue.lots)) == in_short(taken)
    assert sorted(in_short(merge(queue.lots)).items()) == sorted(in_short(merge(there)).items())


def test_a_queue_gives_up_what_stands_behind_and_keeps_the_order() -> None:
    queue = Queue()
    queue.put([lot("F1-R1", 10), lot("F1-R2", 10), lot("F1-R3", 10), lot("F1-R2", 5)])
    queue.remove([lot("F1-R2", 12)])
    assert [(each.receipt, each.fen) for each in queue.lots] == [
        ("F1-R1", 10), ("F1-R3", 10), ("F1-R2", 3),
    ]  # fmt: skip


@pytest.mark.parametrize("wanted", [lot("F1-R1", 11), lot("F1-R9", 1)])
def test_a_queue_has_no_more_than_was_put_in(wanted: Lot) -> None:
    queue = Queue()
    queue.put([lot("F1-R1", 10)])
    with pytest.raises(CorruptLog):
        queue.remove([wanted])


def test_a_stock_keeps_the_order_of_arrival_whatever_leaves_and_comes_back() -> None:
    stock = stock_of(lot("F1-R1", 10), lot("F1-R2", 10), lot("F1-R3", 10))
    stock.remove([lot("F1-R2", 10), lot("F1-R1", 10)])
    assert in_short(tuple(stock.free_lots(stock.by_terms.values()))) == {"F1-R3": 10}
    stock.put([lot("F1-R2", 4), lot("F1-R1", 6)])
    free = in_short(tuple(stock.free_lots(stock.by_terms.values())))
    assert list(free.items()) == [("F1-R1", 6), ("F1-R2", 4), ("F1-R3", 10)]
    assert (stock.fen, stock.receipts["F1-R1"].held) == (20, 10)


def test_a_stock_is_shelved_by_terms_and_by_source() -> None:
    stock = stock_of(lot("F1-R1", 10), lot("F1-R2", 10, "CF2"))
    stock.arrive(lot("F1-R3", 7), STRICT)
    assert {terms: shelf.fen for terms, shelf in stock.by_terms.items()} == {
        ANYTHING: 20, STRICT: 7,
    }  # fmt: skip
    assert {source: shelf.fen for source, shelf in stock.by_source.items()} == {
        ("charity", "CF1"): 17, ("charity", "CF2"): 10,
    }  # fmt: skip
    stock.remove([lot("F1-R3", 7), lot("F1-R2", 10, "CF2")])
    assert list(stock.by_terms) == [ANYTHING]
    assert list(stock.by_source) == [("charity", "CF1")]


def test_shelves_are_walked_together_in_the_order_of_arrival() -> None:
    stock = Stock()
    for number in range(1, 7):
        stock.arrive(lot(f"F1-R{number}", 1), STRICT if number % 2 else ANYTHING)
    receipts = [each.receipt for each in stock.free_lots(stock.by_terms.values())]
    assert receipts == [f"F1-R{number}" for number in range(1, 7)]


def test_further_terms_of_a_receipt_hold_for_all_of_it() -> None:
    stock = stock_of(lot("F1-R1", 10))
    stock.arrive(lot("F1-R1", 5), STRICT)
    assert (stock.receipts["F1-R1"].terms, stock.receipts["F1-R1"].held) == (STRICT, 15)
    assert {terms: shelf.fen for terms, shelf in stock.by_terms.items()} == {STRICT: 15}
    stock.arrive(lot("F1-R1", 1), ANYTHING)
    assert stock.receipts["F1-R1"].terms == STRICT


def test_further_terms_hold_also_when_nothing_of_the_receipt_is_free() -> None:
    stock = stock_of(lot("F1-R1", 10))
    stock.remove([lot("F1-R1", 10)])
    stock.arrive(lot("F1-R1", 5), STRICT)
    assert {terms: shelf.fen for terms, shelf in stock.by_terms.items()} == {STRICT: 5}


@pytest.mark.parametrize("wanted", [lot("F1-R1", 11), lot("F1-R9", 1)])
def test_a_stock_has_no_more_than_arrived(wanted: Lot) -> None:
    with pytest.raises(CorruptLog):
        stock_of(lot("F1-R1", 10)).remove([wanted])


def test_what_leaves_the_fund_is_no_longer_held() -> None:
    stock = stock_of(lot("F1-R1", 10))
    stock.remove([lot("F1-R1", 4)])
    stock.leave([lot("F1-R1", 4)])
    assert (stock.receipts["F1-R1"].held, stock.receipts["F1-R1"].free) == (6, 6)
