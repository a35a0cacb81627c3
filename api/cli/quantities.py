"""Quantities as people write and read them: hours and yuan, exactly, never through a float.

The ledger counts whole minutes, credit-minutes and fen. A person writes `2.5`
hours or `1900.50` yuan and reads `2.50` and `1,900.50`.
"""

import re
from decimal import Decimal
from typing import Final

MINUTES_PER_HOUR: Final = 60
FEN_PER_YUAN: Final = 100

_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", re.ASCII)

#: Unit written after a quantity → how many of the ledger's unit it is, and that one's name.
UNITS: Final = {
    "h": (MINUTES_PER_HOUR, "minutes"),
    "min": (1, "minutes"),
    "yuan": (FEN_PER_YUAN, "fen"),
    "fen": (1, "fen"),
}


def parse_exact(text: str, unit: str) -> int:
    """`2.5` of unit `h` → 150 (minutes). Raises ValueError when it is no number, or not whole."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a number such as 2 or 2.5")
    factor, whole = UNITS[unit]
    product = Decimal(text) * factor
    if product != product.to_integral_value():
        raise ValueError(f"{text} {unit} is {product.normalize():f} {whole}, not a whole number")
    return int(product)


def parse_with_unit(text: str, units: tuple[str, ...]) -> int:
    """`100h` or `6000min` → 6000; `5yuan` or `500fen` → 500. Raises ValueError."""
    for unit in units:
        if text.endswith(unit):
            return parse_exact(text.removesuffix(unit), unit)
    raise ValueError(f"{text!r} lacks its unit: {' or '.join(units)}")


def _hundredths(count: int, per_unit: int) -> str:
    """`count` / `per_unit` with two decimals (half away from zero) and thousands separators."""
    whole = (abs(count) * 200 + per_unit) // (2 * per_unit)
    sign = "-" if count < 0 and whole else ""
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"


def hours(minutes: int) -> str:
    """Minutes as hours: 150 → `2.50`, 90_000 → `1,500.00`."""
    return _hundredths(minutes, MINUTES_PER_HOUR)


def yuan(fen: int) -> str:
    """Fen as yuan: 190050 → `1,900.50`."""
    return _hundredths(fen, FEN_PER_YUAN)
