"""A plot of costs by the size of the log, both on scales of powers of ten, as SVG."""

from html import escape
from math import ceil, floor, log10
from typing import Final

from msgspec import Struct, field

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 80, 200, 30, 50
FONT: Final = 'font-family="sans-serif" font-size="12"'
COLOURS: Final = ("#1b6ca8", "#c0392b", "#27864f", "#8e44ad", "#b9770e", "#34495e")


class Line(Struct):
    """What is measured on a database: (events, microseconds)."""

    what: str
    database: str
    points: list[tuple[float, float]] = field(default_factory=list)


def plot(lines: list[Line]) -> str:
    """The picture. A colour for each work; PostgreSQL is dashed."""
    sizes = [x for line in lines for x, _ in line.points]
    costs = [y for line in lines for _, y in line.points]
    scale = _Scale(_decades(sizes), _decades(costs))
    colours = dict(zip(dict.fromkeys(line.what for line in lines), COLOURS, strict=False))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *scale.grid(),
    ]
    for line in lines:
        dash = ' stroke-dasharray="6 4"' if line.database == "PostgreSQL" else ""
        points = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in line.points)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colours[line.what]}"'
            f' stroke-width="2"{dash}/>'
        )
    left = WIDTH - RIGHT + 20
    for n, (what, colour) in enumerate(colours.items()):
        y = TOP + 20 * n + 10
        parts.append(f'<rect x="{left}" y="{y - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(_text(left + 22, y, what))
    parts.append(_text(left, TOP + 20 * len(colours) + 20, "dashed: PostgreSQL"))
    return "\n".join([*parts, "</svg>", ""])


def _decades(values: list[float]) -> tuple[int, int]:
    """The powers of ten that hold all values."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


class _Scale:
    """From figures to places in the picture."""

    def __init__(self, sizes: tuple[int, int], costs: tuple[int, int]) -> None:
        self._sizes, self._costs = sizes, costs

    def x(self, value: float) -> float:
        """From the left, by events."""
        low, high = self._sizes
        return LEFT + (log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """From above, by cost."""
        low, high = self._costs
        return HEIGHT - BOTTOM - (log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        """A line for each power of ten, and what it stands for."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = [_text((LEFT + right) / 2, HEIGHT - 10, "events in the ledger", "middle")]
        for power in range(self._sizes[0], self._sizes[1] + 1):
            x = self.x(10**power)
            parts.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#ddd"/>')
            parts.append(_text(x, bottom + 18, f"{10**power:,}", "middle"))
        for power in range(self._costs[0], self._costs[1] + 1):
            y = self.y(10.0**power)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
            parts.append(_text(LEFT - 8, y + 4, f"{10.0**power:,g} µs", "end"))
        return parts


def _text(x: float, y: float, said: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
