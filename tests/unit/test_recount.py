"""The recount and the audit bite: each kind of fault in a log is named by them."""

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import audit, exported, figures, recount
from tests.audit import Audit
from tests.exported import is_canonical
from tests.recount import Recount
from tests.story import lines_of, tell

LINES = lines_of(tell())
Change = Callable[[dict[str, Any]], None]


def position_of(topic: str, nth: int = 0) -> int:
    """Where the nth event of a topic stands, from 0."""
    return [n for n, line in enumerate(LINES) if b'"topic":"%b"' % topic.encode() in line][nth]


def changed(topic: str, nth: int = 0, **changes: Any) -> list[bytes]:
    """The lines with some fields of one event's state changed."""
    at = position_of(topic, nth)
    row = json.loads(LINES[at])
    row["state"] |= changes
    line = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return [*LINES[:at], line, *LINES[at + 1 :]]


@pytest.mark.parametrize("module", [audit, exported, figures, recount])
def test_the_recount_knows_nothing_of_the_product(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom)
            else []
        )
    }  # fmt: skip
    assert names <= set(sys.stdlib_module_names) | {"tests"}
    assert not any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("tests")
        and (node.module or "") not in {"tests.exported", "tests.recount"}
        for node in ast.walk(tree)
    )


def test_an_honest_log_has_no_faults() -> None:
    assert Recount(LINES).faults == []
    assert Audit(LINES).faults == []


def test_every_beginning_of_an_honest_log_has_no_faults_but_what_is_still_owed() -> None:
    for size in range(0, len(LINES), 7):
        found = Recount(LINES[:size]).faults
        assert [
            fault for fault in found if "not paid" not in fault and "granted" not in fault
        ] == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (LINES[1:], "stands at 1"),
        ([*LINES[:9], *LINES[10:]], "stands at 10"),
        ([*LINES[:9], LINES[10], LINES[9], *LINES[11:]], "stands at 10"),
        ([*LINES, LINES[-1]], "stands at"),
        ([*LINES[:5], LINES[5].replace(b'":', b'": ', 1), *LINES[6:]], "not canonical"),
        ([*LINES[:5], LINES[5][:-1] + b',"zz":null}', *LINES[6:]], "not canonical"),
        (changed("LedgerOpened", origin="elsewhere"), "another name"),
        (changed("HoursLogged", timestamp="2025-06-16T01:00:00Z"), "backwards"),
        (changed("HoursLogged", timestamp="2025-06-17T01:07:00.000000Z"), "not as written"),
        (changed("HoursLogged", command_id="C1"), "had an effect before"),
        (changed("PolicyQuotaTaken", timestamp="2026-01-01T00:00:00Z"), "two transactions"),
        (changed("HoursLogged", minutes=149), "stands at -1"),
        (changed("HoursLogged", 1, entry="V0001-1"), "V0001-2 is next"),
        (changed("HoursLogged", entry="V0002-1"), "another member"),
        (changed("HoursVerified", minutes=151), "stands at -1"),
        (changed("HoursVerified", declined=1), "stands at -1"),
        (changed("HoursVerified", 2, credit=5), "training earns no credit"),
        (changed("HoursCorrected", before=470), "corrected from"),
        (changed("HoursCorrected", 2, deficit=1), "deficit 1 said"),
        (changed("HoursVoided", credit=0), "voided at"),
        (changed("HoursRejected", minutes=44), "not all of it"),
        (changed("IncentiveGranted", credit=10_000), "stands at -"),
        (changed("PolicyQuotaTaken", taken_after=2), "2 said"),
        (changed("PolicyQuotaTaken", grant="V0009-G1"), "PolicyQuotaTaken of V0009-G1"),
        (changed("PolicyDefined", quota_total=1), "granted of 1"),
        (changed("PolicyAmended", version=1), "a version is missing"),
        (changed("FundsSpent", 1, lots=[]), "not as granted"),
        (changed("FundsSpent", expense="F1-E2"), "F1-E1 is next"),
        (changed("TransferSent", 1, transfer="F1-T1"), "F1-T2 is next"),
        (changed("IncentiveGranted", grant="V0001-G2"), "V0001-G1 is next"),
        (changed("TransferAccepted", lots=[]), "other lots than were sent"),
        (changed("TransferDeclined", transfer="F1-T1"), "stands at -"),
        (changed("ActivityWithdrawn", registered=21), "stands at -1"),
        (changed("MemberLeft", residency="native"), "stands at -1"),
        (changed("CredentialWithdrawn", level_before="other"), "stands at -1"),
    ],
)  # fmt: skip
def test_faults_are_found(lines: list[bytes], says: str) -> None:
    found = Recount(lines).faults
    assert any(says in fault for fault in found), found


def lots(fen: int, **changes: str) -> list[dict[str, Any]]:
    lot = {"receipt": "F1-R1", "source_kind": "welfare_lottery", "source_id": "FC2025", "fen": fen}
    return [lot | changes]


@pytest.mark.parametrize(
    ("topic", "wrong"),
    [
        ("FundsAllocated", lots(100_001)),
        ("FundsAllocated", lots(1, receipt="F1-R9")),
        ("FundsAllocated", lots(1, source_id="other")),
        ("FundsAllocated", lots(0)),
        ("FundsReleased", lots(100_001)),
        ("FundsSpent", lots(100_001)),
        ("SpendReversed", lots(95_001)),
        ("FundsReturned", lots(50_001)),
        ("TransferSent", lots(100_001)),
    ],
)
def test_wrong_lots_are_found(topic: str, wrong: list[dict[str, Any]]) -> None:
    assert Recount(changed(topic, lots=wrong)).faults != []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (changed("HoursLogged", service_on="2024-12-31"), "project not running"),
        (changed("HoursLogged", service_on="2025-07-01"), "future"),
        (changed("HoursLogged", service_on="2025-04-01"), "too old"),
        (changed("HoursLogged", 1, minutes=61), "minutes"),
        (changed("HoursLogged", 2, minutes=800), "day overfull"),
        (changed("HoursLogged", 1, start="11:00"), "overlap"),
        (changed("HoursLogged", 1, source="signin", source_ref="2025/17"), "row twice"),
        (changed("HoursLogged", category="other"), "category"),
        (changed("HoursVerified", actor="association"), "four eyes"),
        (changed("HoursVerified", credit=199), "credit"),
        (changed("HoursVerified", rule="R1"), "rule"),
        (changed("HoursVerified", category="child_care"), "other facts"),
        (changed("HoursCorrected", 1, actor="street-office"), "four eyes"),
        (changed("IncentiveGranted", credit=59), "cost"),
        (changed("PolicyDefined", closes_on="2025-01-01"), "closed"),
        (changed("PolicyDefined", region="64"), "region"),
        (changed("PolicyDefined", threshold={"minutes": 9_999, "months": 12}), "threshold"),
        (changed("PolicyDefined", threshold={"minutes": 120, "months": 11}), "window"),
        (changed("FundsSpent", category="banquet"), "category"),
        (changed("FundsAllocated", region="11"), "region"),
        (changed("FundsSpent", effective_on="2027-01-01"), "window"),
        (changed("TransferSent", effective_on="2028-01-01"), "window"),
    ],
)  # fmt: skip
def test_broken_rules_are_found(lines: list[bytes], says: str) -> None:
    found = Audit(lines).faults
    assert any(fault.endswith(says) for fault in found), found


def test_duplicate_keys_floats_and_nulls_are_not_canonical() -> None:
    assert is_canonical(b'{"a":"x:null","b":[1,{"c":"\xe4\xb8\xad"}]}')
    for line in (b'{"b":1,"a":1}', b'{"a":null}', b'{"a":[null]}', b'{"a": 1}', b'{"a":"\\u0041"}'):
        assert not is_canonical(line)
    for line in (b'{"a":1,"a":1}', b'{"a":1.0}', b'{"a":NaN}', b'{"a":1e3}'):
        with pytest.raises(ValueError, match=r"twice|integer"):
            is_canonical(line)


def test_figures_within_bounds() -> None:
    """As of a day, known at a position, since a day, where a key is so."""
    told = Recount(LINES)
    within = figures.Slice
    assert figures.amount(told, "MIN", "verified") == 435
    assert figures.amount(told, "MIN", "verified", within(as_of="2025-05-31")) == 240
    assert figures.amount(told, "MIN", "verified", within(since="2025-06-01")) == 195
    assert figures.amount(told, "MIN", "verified", within(known_at=20)) == 0
    assert figures.cube(told, "MIN", "verified", ["month", "member"]) == {
        ("2025-05", "V0002"): 240,
        ("2025-06", "V0001"): 195,
    }
    assert figures.distinct_members(told) == {"V0001", "V0002"}
    assert figures.registered(told, within().narrowed(region="330424")) == 3
    assert figures.registered(told, within().narrowed(region="330424001")) == 1
    assert figures.certified(told) == {("social_worker", "intermediate", "t2"): 1}
    assert figures.memberships(told) == {("O2", "native"): 1}
    assert figures.population(told, "330424") == 460_000
    assert [figures.stars(told, "330424001", m, "2025-06-17") for m in (119, 120, 300)] == [0, 1, 2]
