"""The moves of the log as a journal that hledger reads: a recount by a program that is not ours.

Accounts are the posting table's, with `:` between their parts; quantities stay exact: whole minutes
(`150 MIN`, `150 TRN`), credit-minutes (`150 CRD`), yuan with two decimals (`¥1.50`), heads,
person-times and activities. A transaction is what one event moves on one day; it is coded with the
event's position.
"""

from datetime import date
from itertools import groupby
from typing import Final

from ledger.log.codec import decode
from ledger.store.log import Row
from projections.moves import Move, moves
from projections.postings import COMMODITIES

FEN_PER_YUAN: Final = 100
YUAN: Final = "¥"

#: How quantities are written; nothing is ever rounded.
HEAD: Final = "".join(
    f"commodity {YUAN}1000.00\n" if commodity == "FEN" else f"commodity 1000. {commodity}\n"
    for commodity in COMMODITIES
)


def transactions(row: Row) -> str:
    """What an event moves, empty for one that moves nothing. Raises CorruptLog."""
    found = moves(decode(row.topic, row.state), row.originator_id)
    days = groupby(sorted(found, key=_day), _day)
    return "".join(_transaction(row, day, list(own)) for day, own in days)


def _day(move: Move) -> date:
    return move.day


def _transaction(row: Row, day: date, own: list[Move]) -> str:
    """One transaction; every commodity in it sums to zero."""
    lines = [f"\n{day} ({row.position}) {row.topic}  ; stream:{row.originator_id}\n"]
    for move in own:
        for account, quantity in ((move.source, -move.quantity), (move.target, move.quantity)):
            amount = amount_of(move.commodity, quantity)
            lines.append(f"    {account.replace('/', ':')}  {amount}\n")
    return "".join(lines)


def amount_of(commodity: str, quantity: int) -> str:
    """A quantity as hledger reads it: `-150 MIN`, `¥-19.05`."""
    if commodity != "FEN":
        return f"{quantity} {commodity}"
    yuan, fen = divmod(abs(quantity), FEN_PER_YUAN)
    return f"{YUAN}{'-' if quantity < 0 else ''}{yuan}.{fen:02}"
