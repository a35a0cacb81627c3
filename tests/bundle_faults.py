"""Hands that tamper with bundles, each fault by its name, and what the auditor is told of it.

Those who tamper without the operator's key change any file; an operator who lies has the key, and
signs what they like.
"""

# The table of faults: a fault, a line.
# ruff: noqa: E501

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.log import checkpoint
from ledger.log.checkpoint import Checkpoint
from tests.bundles import LOG_KEY, change, edit_json, lines_of, put_lines, sign_again
from tests.signed_log import OTHER_KEY, signer
from tests.terminal import EVENTS


class Bundles(NamedTuple):
    """Clean bundles of one log, and one of the fund from before the last line."""

    log: Path
    fund: Path
    member: Path
    earlier: Path


HOURS: Final = b'"minutes":150'


# Faults. Each changes a copy; `others` are the clean bundles.

Fault = Callable[[Path, Bundles], object]


def put(folder: Path, edit: Callable[[list[bytes]], object], name: str = "lines.jsonl") -> None:
    """Change the lines of a file, as a list in place."""
    lines = lines_of(folder, name)
    edit(lines)
    put_lines(folder, lines, name)


def of_lines(edit: Callable[[list[bytes]], object], name: str = "lines.jsonl") -> Fault:
    return lambda folder, _: put(folder, edit, name)


def replaced(name: str, old: bytes, new: bytes) -> Fault:
    return lambda folder, _: change(folder, name, old, new)


def edited(name: str, edit: Callable[[Any], Any]) -> Fault:
    return lambda folder, _: edit_json(folder, name, edit)


def signed_with(old: bytes, new: bytes) -> Fault:
    """The operator changes a line and signs the log again."""

    def fault(folder: Path, _: Bundles) -> None:
        change(folder, "lines.jsonl", old, new)
        sign_again(folder, lines_of(folder))

    return fault


def cut(name: str, size: int = -1) -> Fault:
    return lambda folder, _: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def taken_from(bundle_name: str, *names: str) -> Fault:
    """Files of another bundle of the same log."""

    def fault(folder: Path, others: Bundles) -> None:
        for name in names:
            shutil.copy(getattr(others, bundle_name) / name, folder / name)

    return fault


def swap(lines: list[bytes], one: int, other: int) -> None:
    lines[one], lines[other] = lines[other], lines[one]


def stream_cut(folder: Path, _: Bundles) -> None:
    """The last line of the stream is left out, with its proof."""
    put(folder, list.pop)
    edit_json(folder, "proofs.json", lambda proofs: proofs[:-1])


def first_cut(folder: Path, _: Bundles) -> None:
    put(folder, lambda lines: lines.pop(0))
    edit_json(folder, "proofs.json", lambda proofs: proofs[1:])


def foreign_line(folder: Path, others: Bundles) -> None:
    """A line of a member with its true proof, among those of the fund."""
    put(folder, lambda lines: lines.insert(1, lines_of(others.member)[1]))
    proof = json.loads((others.member / "proofs.json").read_bytes())[1]
    edit_json(folder, "proofs.json", lambda proofs: proofs.insert(1, proof))


def signed_by_another(folder: Path, _: Bundles) -> None:
    """Everything is right, but for whose key it is."""
    sign_again(folder, lines_of(folder), OTHER_KEY)
    edit_json(folder, "bundle.json", lambda told: told | {"key": str(OTHER_KEY.verifier)})


def signed_by_another_unnamed(folder: Path, _: Bundles) -> None:
    sign_again(folder, lines_of(folder), OTHER_KEY)


def of_another_log(folder: Path, _: Bundles) -> None:
    """The right key signs a checkpoint of another name."""
    body = (folder / "checkpoint").read_bytes().partition(b"\n\n")[0] + b"\n"
    other = body.replace(b"haiyan.example/hours", b"huli.example/hours")
    (folder / "checkpoint").write_bytes(LOG_KEY.sign(other))


def checkpoint_of_another_log(folder: Path, _: Bundles) -> None:
    key = signer("huli.example/hours")
    found = Checkpoint(key.name, EVENTS, bytes(32))
    (folder / "checkpoint").write_bytes(key.sign_checkpoint(found))


def statement_as_checkpoint(folder: Path, _: Bundles) -> None:
    shutil.copy(folder / "statement", folder / "checkpoint")


def stated(**changes: Any) -> Fault:
    """The operator states something else, and signs it."""

    def fault(folder: Path, _: Bundles) -> None:
        head, origin, text = (
            checkpoint.parse_note((folder / "statement").read_bytes()).body.decode().splitlines()
        )
        facts = json.dumps(json.loads(text) | changes, sort_keys=True, separators=(",", ":"))
        (folder / "statement").write_bytes(LOG_KEY.sign(f"{head}\n{origin}\n{facts}\n".encode()))

    return fault


def without(name: str) -> Fault:
    return lambda folder, _: (folder / name).unlink()


def relate(folder: Path) -> None:
    """Make the leaves those of the lines as they stand."""
    signed = (folder / "checkpoint").read_bytes()
    sign_again(folder, lines_of(folder))
    (folder / "checkpoint").write_bytes(signed)


def of_another_stream(folder: Path, _: Bundles) -> None:
    """The operator lets the fund serve hours, and signs the log again."""
    lines = lines_of(folder)
    hours = json.loads(next(line for line in lines if b"HoursVerified" in line))
    last = json.loads(lines[-1])
    hours |= {name: last[name] for name in ("originator_id", "originator_version", "position")}
    hours["state"]["timestamp"] = last["state"]["timestamp"]
    text = json.dumps(hours, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sign_again(folder, [*lines[:-1], text.encode()])


def line_with_its_leaf(folder: Path, _: Bundles) -> None:
    change(folder, "lines.jsonl", HOURS, b'"minutes":151')
    relate(folder)


def resalted(line: bytes) -> bytes:
    note = json.loads(line)
    return line.replace(note["salt"].encode(), bytes(16).hex().encode())


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file over."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


# fmt: off
FAULTS: Final[dict[str, tuple[str, Fault, str]]] = {
    # lines of the whole log
    "minutes of a line": ("log", replaced("lines.jsonl", HOURS, b'"minutes":151'), "line 9: not the line that was signed"),
    "a line, and its leaf": ("log", line_with_its_leaf, "19 lines, root"),
    "two lines swapped": ("log", of_lines(lambda lines: swap(lines, 4, 5)), "line 5: position 6 behind 4"),
    "a line moved to the end": ("log", of_lines(lambda lines: lines.append(lines.pop(3))), "line 4: position 5 behind 3"),
    "a line deleted": ("log", of_lines(lambda lines: lines.pop(7)), "line 8: position 9 behind 7"),
    "the first line deleted": ("log", of_lines(lambda lines: lines.pop(0)), "line 1: position 2 behind 0"),
    "a line twice": ("log", of_lines(lambda lines: lines.insert(7, lines[7])), "line 9: position 8 behind 8"),
    "a line inserted": ("log", of_lines(lambda lines: lines.insert(2, b"{}")), "line 3: 'state'"),
    "an empty line inserted": ("log", of_lines(lambda lines: lines.insert(2, b"")), "line 3: Expecting value"),
    "the tail cut by a line": ("log", of_lines(list.pop), "18 lines, root"),
    "all lines cut": ("log", of_lines(list.clear), "lines.jsonl"),
    "the tail cut within a line": ("log", cut("lines.jsonl", -9), "line 19: "),
    "the last newline cut": ("log", cut("lines.jsonl"), "line 19: not canonical"),
    "a line added": ("log", of_lines(lambda lines: lines.append(lines[-1].replace(b'"position":19', b'"position":20').replace(b'_version":5', b'_version":6'))), "line 20: not the line that was signed"),
    "a line that paints over the verdict": ("log", replaced("lines.jsonl", b'"policy/Y1","originator_version":2', rb'"\u001b[2K\rPROVED.","originator_version":2'), "?[2K?PROVED. goes on with 2, not 1"),
    "bytes that are no text": ("log", replaced("lines.jsonl", b"P1", b"P\xff"), "'utf-8' codec can't decode"),
    # lines that the operator signed although they are not as they must be
    "a space": ("log", signed_with(b'"minutes":150', b'"minutes": 150'), "not canonical"),
    "keys unsorted": ("log", signed_with(b'"kind":"service","member', b'"member_kindz":"x","kind":"service","member'), "not canonical"),
    "a key twice": ("log", signed_with(HOURS, b'"minutes":150,"minutes":150'), "not canonical"),
    "a fraction": ("log", signed_with(HOURS, b'"minutes":150.0'), "line 9: "),
    "an exponent": ("log", signed_with(HOURS, b'"minutes":15e1'), "line 9: "),
    "no number": ("log", signed_with(HOURS, b'"minutes":NaN'), "line 9: "),
    "an integer that is not exact": ("log", signed_with(HOURS, b'"minutes":9007199254740993'), "not canonical"),
    "null": ("log", signed_with(HOURS, b'"minutes":150,"note":null'), "not canonical"),
    "true": ("log", signed_with(HOURS, b'"minutes":true'), "not canonical"),
    "a needless escape": ("log", signed_with(b'"project":"P1"', rb'"project":"\u00501"'), "not canonical"),
    "no end of nesting": ("log", signed_with(HOURS, b'"minutes":' + b"[" * 100_000 + b"]" * 100_000), "line 9: "),
    "a version skipped": ("log", signed_with(b'"originator_version":2', b'"originator_version":3'), "goes on with 3, not 2"),
    "a time before the line in front": ("log", signed_with(b'"timestamp":"20', b'"timestamp":"29'), "behind"),
    "a time that is none": ("log", signed_with(b'Z","utc', b'","utc'), "recorded"),
    "an unknown topic": ("log", signed_with(b'"topic":"HoursVerified"', b'"topic":"HoursDoubled"'), "unknown topic HoursDoubled"),
    "minutes without a line to say so": ("log", signed_with(HOURS, b'"minutez":150'), "line 9: HoursLogged: "),
    "minutes that are signed anew": ("log", signed_with(b'"minutes":61', b'"minutes":62'), "figures.jsonl, line "),
    "null in a list": ("log", signed_with(b'"member_kinds":["volunteer"]', b'"member_kinds":["volunteer",null]'), "not canonical"),
    "a field that the topic has not": ("log", signed_with(HOURS, b'"minutes":150,"mood":1'), "line 9: HoursLogged: unknown field mood"),
    "a field that the line has not": ("log", signed_with(HOURS + b",", b""), "line 9: HoursLogged: no field minutes"),
    "a word beside those of a line": ("log", signed_with(b'"position":9,', b'"position":9,"seen":1,'), "line 9: not canonical"),
    "hours in the stream of a fund": ("log", of_another_stream, "line 19: unknown topic HoursVerified in a stream of type fund"),
    # checkpoint and key
    "words among the signatures": ("log", replaced("checkpoint", b"\n\n", b"\n\nAUDITED\n"), "checkpoint: below the text stands what is no signature"),
    "words behind the signatures": ("log", lambda f, _: (f / "checkpoint").write_bytes((f / "checkpoint").read_bytes() + b"AUDITED"), "checkpoint: below the text stands what is no signature"),
    "a signature of no key": ("fund", lambda f, _: (f / "statement").write_bytes((f / "statement").read_bytes() + "— x AA==\n".encode()), "statement: below the text stands what is no signature"),
    "the signature twice": ("log", lambda f, _: (f / "checkpoint").write_bytes((f / "checkpoint").read_bytes() + b"".join((f / "checkpoint").read_bytes().splitlines(keepends=True)[-1:])), "checkpoint: not signed with this key"),
    "another key, named in the folder": ("log", signed_by_another, "bundle.json: it names another key"),
    "another key": ("log", signed_by_another_unnamed, "checkpoint: not signed with this key of haiyan.example/hours"),
    "another name under the right key": ("log", of_another_log, "checkpoint: of huli.example/hours"),
    "a checkpoint of another log": ("log", checkpoint_of_another_log, "checkpoint: not signed with this key"),
    "an older checkpoint": ("log", taken_from("earlier", "checkpoint"), "19 lines, root"),
    "another size": ("log", replaced("checkpoint", b"\n19\n", b"\n18\n"), "the signature of haiyan.example/hours does not hold"),
    "a signature cut off": ("log", cut("checkpoint", -8), "checkpoint: below the text stands what is no signature"),
    "the end of the signature": ("log", cut("checkpoint"), "checkpoint: below the text stands what is no signature"),
    "no checkpoint": ("log", without("checkpoint"), "checkpoint"),
    "a statement for a checkpoint": ("fund", statement_as_checkpoint, "REFUTED."),
    # figures and table
    "a figure": ("log", replaced("figures.jsonl", b'"verified_minutes":150', b'"verified_minutes":151'), "figures.jsonl, line "),
    "a figure left out": ("log", of_lines(lambda lines: lines.pop(3), "figures.jsonl"), "figures.jsonl, line 4: "),
    "a figure made up": ("log", of_lines(lambda lines: lines.append(b'["total"]'), "figures.jsonl"), "figures.jsonl, line "),
    "figures in another order": ("log", of_lines(lambda lines: swap(lines, 0, 1), "figures.jsonl"), "figures.jsonl, line 1: "),
    "figures of another bundle": ("log", taken_from("fund", "figures.jsonl"), "figures.jsonl, line 1: "),
    "a posting": ("log", replaced("postings.json", b'"refused/{project}","declined"', b'"refused/{project}","minutes"'), "postings.json: not the posting table as published"),
    "a posting left out": ("log", edited("postings.json", lambda table: table["postings"].pop() and None), "postings.json: not the posting table"),
    "a posting table with spaces": ("log", replaced("postings.json", b":", b": "), "postings.json: not canonical"),
    "the sign of a figure": ("log", edited("postings.json", lambda table: table["member"][7].__setitem__(3, 1)), "postings.json: not the posting table"),
    # leaves, folder
    "a leaf": ("log", lambda f, _: flip(f / "leaves", 8 * 32 * 3), "line 4: not the line that was signed"),
    "a leaf too few": ("log", cut("leaves", -32), "line 19: not the line that was signed"),
    "a leaf too many": ("log", lambda f, _: (f / "leaves").write_bytes((f / "leaves").read_bytes() + bytes(32)), "19 lines, root"),
    "no lines": ("log", without("lines.jsonl"), "No such file"),
    "no figures": ("log", without("figures.jsonl"), "No such file"),
    "a fund for the log": ("fund", edited("bundle.json", lambda told: told | {"stream": ""}), "proofs.json: not of a bundle of the whole log"),
    "a log for a fund": ("log", edited("bundle.json", lambda told: told | {"stream": "fund/F1"}), "leaves: not of a bundle of fund/F1"),
    "a statement about the log": ("log", taken_from("fund", "statement"), "statement: not of a bundle of the whole log"),
    "a word beside key and stream": ("fund", edited("bundle.json", lambda told: told | {"audited": "KPMG"}), "bundle.json: more than a key and a stream"),
    "no stream": ("fund", edited("bundle.json", lambda told: told | {"stream": None}), "no such stream: None"),
    "the stream of a policy": ("fund", edited("bundle.json", lambda told: told | {"stream": "policy/Y1"}), "no such stream: 'policy/Y1'"),
    "the folder's words malformed": ("log", edited("bundle.json", lambda told: [1]), "REFUTED."),
    # one stream
    "a line of the fund": ("fund", replaced("lines.jsonl", b'"fen":35020', b'"fen":35021'), "its proof does not lead to the signed root"),
    "the end of the stream cut": ("fund", stream_cut, "4 lines of fund/F1, signed is 5"),
    "the beginning of the log cut": ("fund", first_cut, "line 1: neither the first of the log"),
    "a line within the stream left out": ("fund", of_lines(lambda lines: lines.pop(3)), "fund/F1 goes on with 4, not 3"),
    "a line of a member": ("fund", foreign_line, "line 2: neither the first of the log nor of fund/F1"),
    "two lines of the fund swapped": ("fund", of_lines(lambda lines: swap(lines, 2, 3)), "line 3: fund/F1 goes on with 3, not 2"),
    "a step of a proof": ("fund", edited("proofs.json", lambda proofs: proofs[2].__setitem__(0, "00" * 32)), "line 3: its proof does not lead"),
    "a step too few": ("fund", edited("proofs.json", lambda proofs: proofs[2].pop() and None), "line 3: its proof does not lead"),
    "a step too many": ("fund", edited("proofs.json", lambda proofs: proofs[2].append("00" * 32)), "line 3: its proof does not lead"),
    "a short step": ("fund", edited("proofs.json", lambda proofs: proofs[2].__setitem__(0, "00")), "line 3: its proof does not lead"),
    "a step in capitals": ("fund", edited("proofs.json", lambda proofs: [[s.upper() for s in p] for p in proofs]), "line 1: its proof does not lead"),
    "proofs swapped": ("fund", edited("proofs.json", lambda proofs: swap(proofs, 2, 3)), "line 3: its proof does not lead"),
    "a proof too few": ("fund", edited("proofs.json", lambda proofs: proofs[:-1]), "line 6: list index out of range"),
    "a proof too many": ("fund", edited("proofs.json", lambda proofs: [*proofs, []]), "proofs.json: of no line"),
    "an older statement": ("fund", taken_from("earlier", "statement"), "statement: of"),
    "all of an older bundle but the checkpoint": ("fund", taken_from("earlier", "statement", "lines.jsonl", "figures.jsonl", "proofs.json"), "statement: of"),
    "a statement of another stream": ("fund", taken_from("member", "statement"), "statement: of"),
    "the minutes that are stated": ("fund", replaced("statement", b'"P1":150', b'"P1":151'), "statement: the signature of haiyan.example/hours does not hold"),
    "other minutes, signed": ("fund", stated(verified_minutes={"P1": 151}), "figures.jsonl, line 1: "),
    "fewer versions, signed": ("fund", stated(versions=4), "5 lines of fund/F1, signed is 4"),
    "a checkpoint for the statement": ("fund", lambda f, _: shutil.copy(f / "checkpoint", f / "statement"), "REFUTED."),
    "money of a fund": ("fund", replaced("figures.jsonl", b'"spent":35020', b'"spent":35019'), "figures.jsonl, line 1: "),
    "figures of a member": ("member", replaced("figures.jsonl", b'"credit_spent":60', b'"credit_spent":0'), "figures.jsonl, line 1: "),
    # texts
    "a text": ("fund", replaced("notes.jsonl", "收据1".encode(), "收据2".encode()), "notes.jsonl, line 1: not the text of this digest"),
    "a salt": ("fund", lambda f, _: put(f, lambda lines: lines.__setitem__(0, resalted(lines[0])), "notes.jsonl"), "notes.jsonl, line 1: not the text of this digest"),
    "a text of no line": ("member", taken_from("fund", "notes.jsonl"), "notes.jsonl, line 1: of no line"),
}
# fmt: on
