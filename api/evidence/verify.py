"""Prove or refute the figures in this folder, with Python 3.11 alone, no library and no network.

    python3 -I verify.py --key 'haiyan.example/hours+85d2b1f0+AbO…'

Give the operator's public key as you know it from elsewhere: whoever can change a folder can change
what is written in it, this program too, so take it from a release or compare its SHA-256. Lines are
right when each is canonical JSON at its place and the Merkle tree over them has the signed root;
figures, when they are what the lines move by the posting table. Exit code: 0 proved, 1 refuted.
"""

# fmt: off
import argparse
import base64
import gc
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import reduce
from hashlib import sha256, sha512
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any

#: SHA-256 of `postings.json` as published: no operator has a table of their own.
POSTINGS = "357481ecc013f70ef8a7827051b518b1928c11df83b1b115220d296f506a78e9"
MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
Row = dict[str, Any]
class Refuted(Exception):  # noqa: N818 (named for what it is)
    """Where something is not as it should be, and what."""

# Ed25519, RFC 8032 section 5.1: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
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
def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature holds (section 5.1.7). Raises ValueError when it is none."""
    r, s = point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    base = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    a, b = times(s, base), add(r, times(k, point_of(public)))
    same = (a[0] * b[2] - b[0] * a[2]) % P == 0 == (a[1] * b[2] - b[1] * a[2]) % P
    return same and s < ORDER and len(signature) == 64

# Signed notes (C2SP signed-note): a text, a blank line, signatures.
def read_key(text: str) -> tuple[str, bytes, bytes]:
    """Name, id, key of `name+id+base64(1 ‖ key)`; the id is SHA-256(name ‖ 0x0A ‖ 1 ‖ key)[:4]."""
    found = re.fullmatch(r"([^\s+\0-\x1f]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", text)
    name, key_id, encoded = found.groups() if found else ("", "", "")
    material = base64.b64decode(encoded)
    if material[:1] != b"\1" or sha256(f"{name}\n".encode() + material).hexdigest()[:8] != key_id:
        raise Refuted(f"key: {text!r} is no public key: name+8 hex digits+44 characters of base64")
    return name, bytes.fromhex(key_id), material[1:]
def read_note(path: Path, key: tuple[str, bytes, bytes]) -> list[str]:
    """The lines of the text that this key signed, once; all lines below it are signatures."""
    text, _, under = path.read_bytes().decode().rpartition("\n\n")
    lines = re.findall(r"— ([^\s+\0-\x1f]+) ([A-Za-z0-9+/]{7,}=*)\n", under)
    found = [(name, base64.b64decode(encoded + "==")) for name, encoded in lines]
    if under != "".join(f"— {name} {base64.b64encode(own).decode()}\n" for name, own in found):
        raise Refuted(f"{path.name}: below the text stands what is no signature")
    own = [material[4:] for name, material in found if (name, material[:4]) == key[:2]]
    if len(own) != 1:
        raise Refuted(f"{path.name}: not signed with this key of {key[0]}")
    if not is_signed(key[2], f"{text}\n".encode(), own[0]):
        raise Refuted(f"{path.name}: the signature of {key[0]} does not hold")
    return text.split("\n")

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
    return reduce(lambda right, left: node_hash(left, right), reversed(frontier or [b""]))
def root_by(proof: list[str], node: bytes, place: int, size: int) -> bytes | None:
    """The root an inclusion proof leads to (RFC 9162, 2.1.3.2), None if it is of another place."""
    last = size - 1
    for text in proof:
        step = bytes.fromhex(text)
        if last <= 0 or len(step) != 32 or step.hex() != text:
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
#: Numbers are integers: `int` refuses `1.0`, `1e3` and NaN.
scan = json.JSONDecoder(parse_float=int, parse_constant=int).decode
write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False,
                         check_circular=False).encode
#: Of what is no text: null, true, false and -0; and integers that may not be exact elsewhere.
ODD, TEXT = re.compile(r':(?:[^"{[\d-]|-0|-?(\d{16,}))'), re.compile(r'"(?:[^"\\]|\\.)*"')
class Lines:
    """The lines of a file, each judged by those in front of it."""
    def __init__(self, *, gapless: bool) -> None:
        self.gapless, self.position, self.versions = gapless, 0, defaultdict[str, int](int)
        self._stamp, self._recorded = "", datetime.min.replace(tzinfo=UTC)
    def take(self, text: str) -> Any:
        """The next line with its end, read. Raises ValueError and the like."""
        state = (row := scan(text))["state"]
        # Without spaces, escapes and inner objects, keys in order and none twice are all it takes.
        spaced = " " in text or "\\" in text or "\t" in text or "\r" in text or text[-1:] != "\n"
        right = not spaced and text.count('":') == len(row) + len(state)
        if not (right and list(row) == sorted(row) and list(state) == sorted(state)):
            right = write(row) + "\n" == text
        plain = TEXT.sub('""', text) if ODD.search(text) or "null" in text else ""
        if not right or "null" in plain or len(row) != 5 or any(
                int(number or 2**53) >= 2**53 for number in ODD.findall(plain)):
            raise ValueError("not canonical")
        position, stream, stamp = row["position"], row["originator_id"], state["timestamp"]
        if position != self.position + 1 if self.gapless else position <= self.position:
            raise ValueError(f"position {position} behind {self.position}")
        version = self.versions[stream] + 1
        if row["originator_version"] != version:
            raise ValueError(f"{stream} goes on with {row['originator_version']}, not {version}")
        if stamp != self._stamp:
            recorded = datetime.fromisoformat(stamp)
            if recorded.isoformat() != f"{stamp[:-1]}+00:00" or recorded < self._recorded:
                raise ValueError(f"recorded {stamp}, behind {self._stamp}")
            self._stamp, self._recorded = stamp, recorded
        self.position, self.versions[stream] = position, version
        return row

# Figures: sums of what the posting table moves.
DIMENSIONS = ("region", "organisation", "project", "kind", "category", "evidence")
OF_HOURS = itemgetter(*DIMENSIONS)
Sums = defaultdict[Any, int]
def sums(lines: Iterable[tuple[Any, int]], of: Callable[[Any], Any]) -> dict[Any, int]:
    """Quantities by what `of` says of their keys, in order."""
    found = Sums(int)
    for key, quantity in lines:
        found[of(key)] += quantity
    return dict(sorted(found.items()))
def dimensions_of(state: Row) -> tuple[str, ...]:
    """What totals are by, where it is not hours; a target of money stands for its project."""
    project = state.get("target", "").removeprefix("project/")
    found = {"project": "" if "/" in project else project} | state
    return tuple([found.get(name, "") for name in DIMENSIONS])
def account_of(template: str, stream: str, state: Row) -> str:
    """An account's name: `{field}` is the event's or its stream's, with `?` perhaps the world."""
    (kind, owner), names = stream.split("/", 1), re.findall("{(.*?)}", template)
    if any(name[-1] == "?" and name[:-1] not in state for name in names):
        return "world"
    values = iter([state.get(each.rstrip("?"), owner if each == kind else "-") for each in names])
    return re.sub("{.*?}", lambda _: v if type(v := next(values)) is str else "+".join(v), template)
def money(lines: Iterable[tuple[Any, int]]) -> Row:
    """Fen by where they are; what `source/…` and `transferred/…` lack was received."""
    found = Sums(int)
    for account, fen in sums(lines, itemgetter(0)).items():
        kind = account.partition("/")[0]
        came_in = fen < 0 and kind in {"source", "transferred"}
        found["received" if came_in else kind] += -fen if came_in else fen
    return {name: fen for name, fen in found.items() if fen}
def fund_page(lines: list[tuple[Any, int]], minutes: dict[str, int]) -> Row:
    """The money of a fund in all, and by target, category, receipt and source; hours beside it."""
    page: Row = {"all": money(lines)}
    for column, part in enumerate(("targets", "categories", "receipts", "sources"), 1):
        for name in filter(None, sums(lines, itemgetter(column))):
            page.setdefault(part, {})[name] = money(one for one in lines if one[0][column] == name)
    projects = [name[8:] for name in page.get("targets", ()) if name.startswith("project/")]
    return page | {"verified_minutes": {name: minutes.get(name, 0) for name in projects}}
class Figures:
    """All sums, taken event by event."""
    def __init__(self, table: Row) -> None:
        self.table = table
        self.members = {(c, account): (name, sign) for name, c, account, sign in table["member"]}
        #: Number, commodity, accounts, their classes, fields of quantity, day; by shape of line.
        self.legs, self.plans = list[tuple[Any, ...]](), dict[tuple[str | None, ...], list[Any]]()
        #: By (stream, leg), (leg, month, dimensions), rows of figures; by fund and (account, …).
        self.flows, self.cube, self.others = Sums(int), Sums(int), Sums(int)
        self.fen: defaultdict[str, Sums] = defaultdict(lambda: Sums(int))
    def take(self, row: Row) -> None:
        """One more event."""
        topic, state, stream = row["topic"], row["state"], row["originator_id"]
        shape = topic, stream.partition("/")[0], state.get("kind"), *state
        plan = self.plans[shape] if shape in self.plans else self.plan(*shape)
        dimensions = OF_HOURS(state) if topic.startswith("Hours") else dimensions_of(state)
        for number, commodity, accounts, classes, name, day in plan:
            quantity = (state[name] if name in state else 1 if name == "1" else
                        sum(lot["fen"] for lot in state["lots"]))
            if quantity:
                month = state[day][:7]
                self.flows[stream, number] += quantity
                self.cube[number, month, dimensions] += quantity
                if commodity == "MIN" and "verified" in classes:
                    gained = quantity if classes[1] == "verified" else -quantity
                    self.others["active", stream[7:], state["member_region"], month] += gained
                elif commodity in {"FEN", "HED"}:
                    self.move(accounts, stream, state)
        if topic.startswith("Incentive"):
            credit = state["credit"] if topic == "IncentiveGranted" else -state["credit"]
            self.others["grants", state["policy"], topic] += 1
            self.others["grants", state["policy"], "credit"] += credit
    def plan(self, topic: str, of: str, kind: str | None, *names: str) -> list[Any]:
        """The legs of a topic in a stream `of` a type. Raises ValueError where it has no place."""
        stream, needed, optional = self.table["topics"].get(topic, ("", (), ()))
        if stream != of:
            raise ValueError(f"unknown topic {topic} in a stream of type {of}")
        for name in set(names).difference(needed, optional) | set(needed).difference(names):
            raise ValueError(f"{topic}: {'no' if name in needed else 'unknown'} field {name}")
        rows = [row for row in self.table["postings"] if row[0] == topic]
        for _, commodity, source, target, quantity, day in rows:
            named = self.table["M"][kind] if commodity == "M" else commodity
            classes = source.partition("/")[0], target.partition("/")[0]
            self.legs.append((len(self.legs), named, (source, target), classes, quantity, day))
        plan = self.legs[len(self.legs) - len(rows) :]
        return self.plans.setdefault((topic, of, kind, *names), plan)
    def move(self, accounts: tuple[str, str], stream: str, state: Row) -> None:
        """Keep the accounts themselves: of heads, and of money lot by lot."""
        for sign, template in zip((-1, 1), accounts, strict=True):
            for lot in state.get("lots", ({},)):
                fields = state | {f"lots.{name}": value for name, value in lot.items()}
                kind, _, rest = (account := account_of(template, stream, fields)).partition("/")
                if not lot:
                    region = rest.partition("/")[0] if kind == "registered" else state["region"]
                    self.others["heads", account, region] += sign * (account != "world")
                    continue
                target = rest.partition("/")[2] if kind in {"allocated", "spent"} else ""
                category = state["category"] if kind == "spent" else ""
                source, own = f"{lot['source_kind']}/{lot['source_id']}", self.fen[stream[5:]]
                own[account, target, category, lot["receipt"], source] += sign * lot["fen"]
    def rows(self, stated: dict[str, int], *, of_log: bool) -> Iterator[list[Any]]:
        """All figures; `stated` are verified minutes of projects that no lines here have."""
        members, totals = defaultdict[str, Sums](lambda: Sums(int)), Sums(int)
        for (stream, number), quantity in self.flows.items():
            _, commodity, _, classes, *_ = self.legs[number]
            for account, gained in zip(classes, (-quantity, quantity), strict=True):
                name, sign = self.members.get((commodity, account), ("", 0))
                members[stream][name] += sign * gained
        for (number, month, dimensions), quantity in self.cube.items():
            _, commodity, _, classes, *_ = self.legs[number]
            for account, gained in zip(classes, (-quantity, quantity), strict=True):
                totals[commodity, account, month, *dimensions] += gained
        minutes = ((k[5], q) for k, q in totals.items() if k[:2] == ("MIN", "verified"))
        verified = sums(minutes, str) | stated
        for stream, own in members.items():
            if stream.startswith("member/"):
                yield ["member", stream[7:], {name: q for name, q in own.items() if q}]
        for fund, fen in self.fen.items():
            yield ["fund", fund, fund_page(list(fen.items()), verified)]
        if of_log:
            yield from (["total", *key, q] for key, q in totals.items() if q and key[0] != "HED")
            yield from ([*key, q] for key, q in self.others.items() if q)
def shown(count: int, name: str) -> str:
    """A quantity with its name: minutes in hours, fen in yuan, rounded."""
    per, unit = (60, "h") if re.search("minutes|credit", name) else (100, "yuan")
    whole = (abs(count) * 200 + per) // (2 * per)
    text = f"{'-' if count < 0 < whole else ''}{whole // 100:,}.{whole % 100:02} {unit}"
    return f"{name} {count if name == 'registered' else text}".replace("_minutes", "")
def read_out(kind: str, owner: str, page: Any) -> Iterator[str]:
    """The figures of a member or a fund, a line for each name."""
    for part, own in ({kind: {owner: page.pop("all", page)}} | page).items():
        for name, counts in own.items() if type(own) is dict else ():
            told: Row = counts if type(counts) is dict else {part: counts}
            where = f"  {part} {name}" if told is counts else f"Signed, but in no line here: {name}"
            yield f"{where}: {', '.join(shown(n, w) for w, n in sorted(told.items())) or 'nothing'}"

# The folder.
def read_json(path: Path) -> Any:
    """A file with one canonical value."""
    text = path.read_bytes().decode()
    if write(scan(text)) != text:
        raise Refuted(f"{path.name}: not canonical")
    return scan(text)
def read_lines(folder: Path, stream: str, size: int, root: bytes, figures: Figures) -> int:
    """Judge and sum up the lines, of the whole log or of a stream; the stream's last version."""
    lines, frontier, number = Lines(gapless=not stream), list[bytes](), 0
    proofs = read_json(folder / "proofs.json") if stream else []
    notes = dict(notes_of(folder / "notes.jsonl"))
    hashes = (folder / ("proofs.json" if stream else "leaves")).open("rb")
    with hashes, (folder / "lines.jsonl").open("rb") as file:
        try:
            for number, line in enumerate(file, 1):
                leaf = sha256(b"\0" + line[:-1]).digest()
                row = lines.take(line.decode())
                if not stream:
                    grow(frontier, number - 1, leaf)
                    if leaf != hashes.read(32):
                        raise ValueError("not the line that was signed")
                elif row["originator_id"] != stream if number > 1 else row["position"] != 1:
                    raise ValueError(f"neither the first of the log nor of {stream}")
                elif root_by(proofs[number - 1], leaf, row["position"] - 1, size) != root:
                    raise ValueError("its proof does not lead to the signed root")
                figures.take(row)
                for digest in notes.keys() & set(map(str, row["state"].values())) if notes else ():
                    del notes[digest]
        except MALFORMED as fault:
            raise Refuted(f"lines.jsonl, line {number}: {fault}") from None
        if not stream and (number, root_of(frontier), hashes.read(1)) != (size, root, b""):
            raise Refuted(f"lines.jsonl: {number} lines, root {root_of(frontier).hex()}")
    if notes or (stream and len(proofs) != number):
        raise Refuted(f"{min(notes.values(), default='proofs.json')}: of no line")
    return lines.versions[stream]
def notes_of(path: Path) -> Iterator[tuple[str, str]]:
    """The digests of the texts that came along, if any did, with their places."""
    for number, line in enumerate(path.open("rb") if path.exists() else (), 1):
        note = scan(line.decode())
        salt, text = bytes.fromhex(note["salt"]), note["text"]
        digest = sha256(salt + text.encode()).hexdigest()
        if write({"digest": digest, "salt": salt.hex(), "text": text}) + "\n" != line.decode():
            raise Refuted(f"notes.jsonl, line {number}: not the text of this digest")
        yield digest, f"notes.jsonl, line {number}"
def opened(folder: Path, given: str | None) -> tuple[str, str]:
    """The key and the stream of a folder. Raises Refuted for what does not go with them."""
    manifest = read_json(folder / "bundle.json")
    key, stream = manifest["key"], manifest["stream"]
    if given is not None and read_key(given) != read_key(key):
        raise Refuted("bundle.json: it names another key than you do")
    if len(manifest) != 2 or not re.fullmatch("|(member|fund)/.+", str(stream)):
        raise Refuted(f"bundle.json: more than a key and a stream, or no such stream: {stream!r}")
    for stray in ("leaves",) if stream else ("proofs.json", "statement"):
        if (folder / stray).exists():
            raise Refuted(f"{stray}: not of a bundle of {stream or 'the whole log'}")
    return key, stream
def check(folder: Path, given: str | None) -> Iterator[str]:
    """Check all there is in a folder; say what was found right. Raises Refuted."""
    public, stream = opened(folder, given)
    key = read_key(public)
    yield f"Key: {public}, {'as you gave it' if given else 'TAKEN FROM THE FOLDER: compare it'}."
    signed = read_note(folder / "checkpoint", key)
    size, root = int(signed[1]), base64.b64decode(signed[2])
    if signed != [key[0], str(size), base64.b64encode(root).decode()]:
        raise Refuted(f"checkpoint: of {signed[0]}")
    yield f"Checkpoint: {size:,} lines, root {root.hex()}; signed."
    table = read_json(folder / "postings.json")
    if sha256(write(table).encode()).hexdigest() != POSTINGS:
        raise Refuted("postings.json: not the posting table as published")
    stated: Row = {"verified_minutes": {}, "versions": 0}
    if stream:
        *of, text = read_note(folder / "statement", key)
        stated = scan(text)
        of += stated["stream"], *stated["checkpoint"]
        if of != ["hourledger.statement/v1", key[0], stream, size, signed[2]]:
            raise Refuted(f"statement: of {of}")
    count = read_lines(folder, stream, size, root, figures := Figures(table))
    if stated["versions"] != count:
        raise Refuted(f"lines.jsonl: {count} lines of {stream}, signed is {stated['versions']}")
    yield (f"Lines: all {count:,} of {stream}, each proved to be in the log." if stream else
           f"Lines: all {size:,}, canonical, without a gap, with this root.")
    rows = list(figures.rows(stated["verified_minutes"], of_log=not stream))
    right = [*sorted(write(row).encode() for row in rows), b""]
    told = (folder / "figures.jsonl").read_bytes().split(b"\n")
    for number, (should_be, said) in enumerate(zip_longest(right, told), 1):
        if should_be != said:
            raise Refuted(f"figures.jsonl, line {number}: {said!r} should be {should_be!r}")
    yield f"Figures: {len(right) - 1:,}, each what the posting table makes of the lines."
    for row in rows if stream else ():
        yield from read_out(*row)
def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description="Prove or refute what this folder says.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--key", help="the operator's public key, as you know it from elsewhere")
    asked = parser.parse_args()
    gc.disable()
    try:
        for sentence in check(asked.folder, asked.key):
            print(re.sub("[^ -~]", "?", sentence))
    except (Refuted, OSError, *MALFORMED) as fault:
        sys.exit(re.sub("[^ -~]", "?", f"REFUTED. {fault}."))
    print("PROVED." if asked.key else "PROVED, if the key is the operator's.")
if __name__ == "__main__":
    main()
