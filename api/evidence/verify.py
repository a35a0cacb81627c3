"""Prove or refute the figures in this folder. Needs Python 3.11, no library and no network:

    python3 -I verify.py --key 'haiyan.example/hours+85d2b1f0+AbO…'

Give the operator's public key as you know it from elsewhere: whoever can change a folder can change
what is written beside it, this program too, so take it from a release or compare its SHA-256.

The lines are right when each is canonical JSON at its place, and the Merkle tree over them has the
root that the operator signed. The figures are right when they are the sums of what the lines move
by the posting table. Exit code: 0 proved, 1 refuted, 2 not understood.
"""

import argparse
import base64
import gc
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from hashlib import sha256, sha512
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any

#: SHA-256 of `postings.json` as published: no operator has a table of their own.
POSTINGS = "PIN"
Row = dict[str, Any]


class Refuted(Exception):  # noqa: N818 (named for what it is)
    """Where something is not as it should be, and what."""


# Ed25519, RFC 8032 section 5.1: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def add(p: Point, q: Point) -> Point:
    """The sum of two points (section 5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor: int, point: Point) -> Point:
    """A multiple of a point."""
    total = (0, 1, 1, 0)
    while factor:
        total = add(total, point) if factor & 1 else total
        point, factor = add(point, point), factor >> 1
    return total


def point_of(data: bytes) -> Point:
    """The point of 32 bytes (section 5.1.3). Raises ValueError when there is none."""
    number = int.from_bytes(data, "little")
    y, odd = number & ((1 << 255) - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if len(data) != 32 or y >= P or (x * x - square) % P or (x == 0 and odd):
        raise ValueError("no point")
    x = x if x & 1 == odd else P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature holds (section 5.1.7). Raises ValueError when it is none."""
    r, s = point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    a, b = times(s, BASE), add(r, times(k, point_of(public)))
    same = (a[0] * b[2] - b[0] * a[2]) % P == 0 == (a[1] * b[2] - b[1] * a[2]) % P
    return same and s < ORDER and len(signature) == 64


# Signed notes (C2SP signed-note): a text, a blank line, signatures.


def read_key(text: str) -> tuple[str, bytes, bytes]:
    """Name, id and key of `name+id+base64(1 ‖ key)`; the id is SHA-256(name ‖ \n ‖ 1 ‖ key)[:4]."""
    name, _, encoded = text.split("+", 2)
    material = base64.b64decode(encoded, validate=True)
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4]
    as_text = f"{name}+{key_id.hex()}+{base64.b64encode(material).decode()}"
    if text != as_text or len(material) != 33 or material[0] != 1:
        raise Refuted("key", "not a public key `name+id+base64`")
    return name, key_id, material[1:]


def read_note(path: Path, key: tuple[str, bytes, bytes]) -> list[str]:
    """The lines of the text that this key signed."""
    text, _, signatures = path.read_bytes().rpartition(b"\n\n")
    for line in signatures.decode().split("\n"):
        material = base64.b64decode(line.rpartition(" ")[2])
        if line == f"— {key[0]} {base64.b64encode(key[1] + material[4:]).decode()}":
            if not is_signed(key[2], text + b"\n", material[4:]):
                raise Refuted(path.name, f"the signature of {key[0]} does not hold")
            return text.decode().split("\n")
    raise Refuted(path.name, f"not signed with this key of {key[0]}")


# The Merkle tree, RFC 6962 section 2.1.


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\1" + left + right).digest()


def grow(frontier: list[bytes], size: int, node: bytes) -> None:
    """Add a leaf to the perfect subtrees, largest first, of a tree of `size`."""
    while size & 1:
        node, size = node_hash(frontier.pop(), node), size >> 1
    frontier.append(node)


def root_of(frontier: list[bytes]) -> bytes:
    """The root: the subtrees folded from the smallest."""
    node = frontier[-1] if frontier else sha256(b"").digest()
    for left in reversed(frontier[:-1]):
        node = node_hash(left, node)
    return node


def root_by(proof: list[bytes], node: bytes, place: int, size: int) -> bytes | None:
    """The root an inclusion proof leads to (RFC 9162, 2.1.3.2), None when it is of another place."""
    last = size - 1
    for step in proof:
        if last <= 0 or len(step) != 32:
            return None
        if place & 1 or place == last:
            node = node_hash(step, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, step)
        place, last = place >> 1, last >> 1
    return node if last == 0 else None


# Lines: canonical JSON (RFC 8785; exact integers, absent fields omitted), numbered without a gap.


#: Numbers are integers: `write` refuses a Decimal.
scan = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal).decode
write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
#: What may be, or hide, a null or an integer that is not exact everywhere.
SUSPICIOUS = re.compile(r"null|true|false|\d{16}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(?!0{6})\d{6})?Z")


def is_plain(value: object) -> bool:
    """Whether a value holds nothing but texts and exact integers."""
    if isinstance(value, dict | list):
        return all(map(is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) or (type(value) is int and abs(value) < 2**53)


class Lines:
    """The lines of a file, each judged by those in front of it."""

    def __init__(self, *, gapless: bool) -> None:
        self.gapless, self.position = gapless, 0
        self.versions: defaultdict[str, int] = defaultdict(int)
        self._stamp = self._recorded = ""

    def take(self, text: str) -> Row:
        """The next line, read. Raises ValueError and the like."""
        row: Row = scan(text)
        if write(row) != text or (SUSPICIOUS.search(text) and not is_plain(row)):
            raise ValueError("not canonical")
        position, stream, stamp = row["position"], row["originator_id"], row["state"]["timestamp"]
        if position != self.position + 1 if self.gapless else position <= self.position:
            raise ValueError(f"position {position} behind {self.position}")
        version = self.versions[stream] + 1
        if row["originator_version"] != version:
            raise ValueError(f"{stream} goes on with {row['originator_version']}, not {version}")
        if stamp != self._stamp:
            recorded = stamp if len(stamp) == 27 else stamp[:-1] + ".000000Z"
            if not TIME.fullmatch(stamp) or recorded < self._recorded:
                raise ValueError(f"recorded {stamp}, behind {self._stamp}")
            self._stamp, self._recorded = stamp, recorded
        self.position, self.versions[stream] = position, version
        return row


# Figures: sums of what the posting table moves.

DIMENSIONS = ("region", "organisation", "project", "kind", "category", "evidence")
OF_HOURS = itemgetter(*DIMENSIONS)
Sums = defaultdict[tuple[Any, ...], int]


def sums(lines: Iterable[tuple[Any, int]], of: Callable[[Any], Any]) -> dict[Any, int]:
    """Quantities by what `of` says of their keys, in order."""
    found: defaultdict[Any, int] = defaultdict(int)
    for key, quantity in lines:
        found[of(key)] += quantity
    return dict(sorted(found.items()))


def account_of(template: str, stream: str, state: Row) -> str:
    """An account's name: `{field}` is the event's or its stream's, with `?` perhaps the world."""
    kind, _, account = *stream.split("/", 1), template
    for name in re.findall(r"{([^}]*)}", template):
        value = state.get(name.rstrip("?"), stream.partition("/")[2] if name == kind else "-")
        if value == "-" and name.endswith("?"):
            return "world"
        account = account.replace(f"{{{name}}}", "+".join(value) if type(value) is list else value)
    return account


def money(lines: Iterable[tuple[Any, int]]) -> Row:
    """Fen by where they are; what `source/…` and `transferred/…` lack was received."""
    found: Sums = defaultdict(int)
    for account, fen in sums(lines, itemgetter(0)).items():
        found["received" if fen < 0 else account.partition("/")[0]] += abs(fen)
    return {f"{name}_fen": fen for name, fen in found.items() if fen}


def fund_page(lines: list[tuple[Any, int]], minutes: dict[str, int]) -> Row:
    """The money of a fund in all, and by target, category, receipt and source; hours beside it."""
    page: Row = {"all": money(lines)}
    for column, part in enumerate(("targets", "categories", "receipts", "sources"), 1):
        for name in filter(None, sums(lines, itemgetter(column))):
            own = money(line for line in lines if line[0][column] == name)
            page.setdefault(part, {})[name] = own
    projects = [name[8:] for name in page.get("targets", ()) if name.startswith("project/")]
    return page | {"verified_minutes": {name: minutes.get(name, 0) for name in projects}}


def dimensions_of(state: Row) -> tuple[str, ...]:
    """What totals are by; a target of money stands for its project."""
    kind, _, target = state.get("target", "").partition("/")
    found = {"project": target if kind == "project" else ""} | state
    return tuple([found.get(name, "") for name in DIMENSIONS])


class Figures:
    """All sums, taken event by event."""

    def __init__(self, table: Row) -> None:
        self.table = table
        self.members = {(c, account): (name, sign) for name, c, account, sign in table["member"]}
        #: Commodity, accounts, their classes, fields of quantity and day; by topic and kind.
        self.legs: list[tuple[str, tuple[str, str], tuple[str, str], str, str]] = []
        self.plans: dict[tuple[str, str | None], range] = {}
        #: By (stream, leg) · (leg, month, dimensions) · (member, region, month): verified minutes.
        self.flows, self.cube, self.active = Sums(int), Sums(int), Sums(int)
        #: By (account, region) · (policy, topic) · fund, then (account, target, category, …).
        self.heads, self.grants = Sums(int), Sums(int)
        self.fen: defaultdict[str, Sums] = defaultdict(lambda: Sums(int))

    def take(self, row: Row) -> None:
        """One more event."""
        topic, state, stream = row["topic"], row["state"], row["originator_id"]
        plan = self.plans.get((topic, state.get("kind")))
        plan = self.plan(topic, state.get("kind")) if plan is None else plan
        dimensions = OF_HOURS(state) if topic[:5] == "Hours" else dimensions_of(state)
        for number in plan:
            commodity, accounts, classes, name, day = self.legs[number]
            lots = state["lots"] if name == "lots.fen" else ()
            quantity = (
                sum(lot["fen"] for lot in lots) if lots else 1 if name == "1" else state[name]
            )
            if not quantity:
                continue
            month = state[day][:7]
            self.flows[stream, number] += quantity
            self.cube[number, month, dimensions] += quantity
            if commodity == "MIN" and "verified" in classes:
                gained = quantity if classes[1] == "verified" else -quantity
                self.active[stream, state["member_region"], month] += gained
            elif commodity in {"FEN", "HED"}:
                self.move(accounts, stream, state, lots or ({},))
        if topic.startswith("Incentive"):
            self.grants[state["policy"], topic] += 1

    def plan(self, topic: str, kind: str | None) -> range:
        """The legs of a topic, as numbers. Raises ValueError for one that is not in the table."""
        rows = [row for row in self.table["postings"] if row[0] == topic]
        if not rows and topic not in self.table["moves_nothing"]:
            raise ValueError(f"unknown topic {topic}")
        for _, commodity, source, target, quantity, day in rows:
            named = self.table["M"][kind] if commodity == "M" else commodity
            classes = source.partition("/")[0], target.partition("/")[0]
            self.legs.append((named, (source, target), classes, quantity, day))
        self.plans[topic, kind] = range(len(self.legs) - len(rows), len(self.legs))
        return self.plans[topic, kind]

    def move(self, accounts: tuple[str, str], stream: str, state: Row, lots: Iterable[Row]) -> None:
        """Keep the accounts themselves: of heads, and of money lot by lot."""
        for lot in lots:
            fields = state | {f"lots.{name}": value for name, value in lot.items()}
            for sign, template in zip((-1, 1), accounts, strict=True):
                account = account_of(template, stream, fields)
                kind, _, rest = account.partition("/")
                if not lot:
                    region = rest.partition("/")[0] if kind == "registered" else state["region"]
                    self.heads[account, region] += sign
                    continue
                target = rest.partition("/")[2] if kind in {"allocated", "spent"} else ""
                category = state["category"] if kind == "spent" else ""
                source = f"{lot['source_kind']}/{lot['source_id']}"
                key = account, target, category, lot["receipt"], source
                self.fen[stream.partition("/")[2]][key] += sign * lot["fen"]

    def sides(self, flows: Sums, place: int) -> Iterator[tuple[Any, str, str, int]]:
        """Each flow as what it takes from a class of accounts and adds to another."""
        for key, quantity in flows.items():
            commodity, _, classes, *_ = self.legs[key[place]]
            yield key, commodity, classes[0], -quantity
            yield key, commodity, classes[1], quantity

    def rows(self, stated: dict[str, int] | None) -> Iterator[list[Any]]:
        """All figures; `stated` are verified minutes of projects of which there are no lines."""
        members: defaultdict[str, Sums] = defaultdict(lambda: Sums(int))
        totals: Sums = defaultdict(int)
        for (stream, _), commodity, account, quantity in self.sides(self.flows, 1):
            name, sign = self.members.get((commodity, account), ("", 0))
            members[stream][name] += sign * quantity
        for (_, month, dimensions), commodity, account, quantity in self.sides(self.cube, 0):
            totals[commodity, account, month, *dimensions] += quantity
        for stream, own in members.items():
            if stream.startswith("member/"):
                yield ["member", stream[7:], {name: q for name, q in own.items() if q}]
        verified = stated
        if verified is None:
            of_projects = ((k[5], q) for k, q in totals.items() if k[:2] == ("MIN", "verified"))
            verified = sums(of_projects, str)
            yield from (["total", *key, q] for key, q in totals.items() if q and key[0] != "HED")
            yield from (
                ["heads", *key, q] for key, q in self.heads.items() if q and key[0] != "world"
            )
            yield from (["grants", *key, q] for key, q in self.grants.items())
            yield from (["active", key[0][7:], *key[1:], q] for key, q in self.active.items() if q)
        for fund, own in self.fen.items():
            yield ["fund", fund, fund_page(list(own.items()), verified)]


# The folder.


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """The lines of a file, each with its place."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                raise Refuted(f"{path.name}, line {number}", "cut off")
            yield f"{path.name}, line {number}", line[:-1]


def rows_of(folder: Path, of: str, size: int, root: bytes) -> Iterator[Row]:
    """The rows: of the whole log, which has this root at its end; or of one stream, each proved."""
    lines, frontier, leaves = Lines(gapless=of == "log"), [], b""
    if of == "log":
        leaves = (folder / "leaves").read_bytes()
    else:
        proofs = scan((folder / "proofs.json").read_text())
    for place, line in lines_of(folder / "lines.jsonl"):
        leaf, count = sha256(b"\0" + line).digest(), lines.position
        try:
            row = lines.take(line.decode())
        except MALFORMED as fault:
            raise Refuted(place, f"{fault}") from None
        if of == "log":
            if leaf != leaves[32 * count : 32 * count + 32]:
                raise Refuted(place, "not the line that was signed")
            grow(frontier, count, leaf)
