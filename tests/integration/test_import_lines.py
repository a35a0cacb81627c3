"""Commands of any sort as JSON lines: done once, whatever becomes of the file they came in."""

import json
from pathlib import Path
from typing import Any, Final

from api.cli.import_summary import Summary
from api.cli.importing import run_import
from ledger.domain.access import operator
from tests.office import CLERK, logged, office, refusals, rejected


def bring(ledger: Any, path: Path) -> Summary:
    """Import a file as the clerk does."""
    return run_import(ledger, path, CLERK)


def lines(path: Path, *objects: dict[str, Any] | str) -> Path:
    """A file of JSON lines."""
    texts = [o if isinstance(o, str) else json.dumps(o, ensure_ascii=False) for o in objects]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


RECEIPT: Final = {"op": "receive_funds", "fund": "F1", "source_kind": "charity", "source_id": "C1",
                  "fen": 100_00, "document": "收据1"}  # fmt: skip
FUND: Final = {
    "op": "open_fund", "fund": "F1", "name": "公益金", "organisation": "O1", "region": "330424",
    "terms": {"purpose": "助老", "opens_on": "2020-01-01", "closes_on": "2099-12-31"},
}  # fmt: skip


def test_commands_of_any_sort_are_done_once_however_often_they_come(
    database_url: str, tmp_path: Path
) -> None:
    """Nothing but the chunk's id knows a receipt again: also one refused at first, done later."""
    member = {"op": "register_member", "member": "V1", "region": "330424"}
    broken = '{"op":"receive_funds"'
    path = lines(tmp_path / "a.ndjson", RECEIPT, member, "", broken, {"op": "no_such"}, RECEIPT)
    with office(database_url) as ledger:
        summary = bring(ledger, path)
        assert summary.operations == {"register_member": 1}
        codes = ["fund_not_found", "broken_line", "invalid_command", "fund_not_found"]
        assert [code for _, code in refusals(summary)] == codes
        bring(ledger, lines(tmp_path / "b.ndjson", FUND))
        for kept in (2, 0, 0):
            summary = bring(ledger, path)
            assert (summary.kept, summary.already) == (kept, 3 - kept)
        spaced = path.read_text(encoding="utf-8").replace('":', '" : ')
        (tmp_path / "c.ndjson").write_text(spaced, encoding="utf-16")
        assert bring(ledger, tmp_path / "c.ndjson").kept == 0
        assert receipts(ledger) == 2


def receipts(ledger: Any) -> int:
    """How often money was received."""
    return [row.topic for row in ledger.store.select_rows(0, 10**6)].count("FundsReceived")


def test_commands_that_another_holder_sent_before_are_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    path = lines(tmp_path / "a.ndjson", FUND, RECEIPT)
    with office(sqlite_url) as ledger:
        bring(ledger, path)
        summary = run_import(ledger, path, operator("colleague"))
        assert summary.refused == {"idempotency_mismatch": 2}
        assert receipts(ledger) == 1


def test_hours_among_other_commands_are_already_there_for_another_holder_too(
    sqlite_url: str, tmp_path: Path
) -> None:
    """No row is both in the ledger and among the rejects."""
    hours = {"op": "log_hours", "member": "V0001", "project": "P001", "service_on": "2025-03-01",
             "minutes": 60, "category": "elder_care", "evidence": "manual"}  # fmt: skip
    path = lines(tmp_path / "a.ndjson", FUND, hours)
    with office(sqlite_url, "V0001") as ledger:
        assert bring(ledger, path).kept == 2
        summary = run_import(ledger, path, operator("colleague"))
        assert (summary.already, refusals(summary)) == (1, [(1, "idempotency_mismatch")])
        assert bring(ledger, path).already == 2


def test_a_mended_command_and_the_first_one_are_never_both_done(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A refused command keeps its name, so the file it was in finds it done, or done otherwise."""
    path = lines(tmp_path / "a.ndjson", RECEIPT, RECEIPT | {"document": "收据2"})
    with office(sqlite_url) as ledger:
        refused = Path(str(bring(ledger, path).rejects))
        bring(ledger, lines(tmp_path / "b.ndjson", FUND))
        mended = refused.read_text(encoding="utf-8").replace("10000", "20000", 1)
        refused.write_text(mended, encoding="utf-8")
        assert bring(ledger, refused).kept == 2
        summary = bring(ledger, path)
        assert (summary.kept, summary.already) == (0, 1)
        assert summary.refused == {"idempotency_mismatch": 1}
        assert receipts(ledger) == 2


def test_commands_may_be_added_at_the_end_of_a_file(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    with office(sqlite_url) as ledger:
        bring(ledger, lines(path, FUND, RECEIPT))
        summary = bring(ledger, lines(path, FUND, RECEIPT, RECEIPT))
        assert (summary.kept, summary.already, receipts(ledger)) == (1, 2, 2)


def test_a_key_whose_secret_nobody_would_see_is_refused_as_in_a_batch(
    sqlite_url: str, tmp_path: Path
) -> None:
    key = {"op": "issue_key", "holder": "signin", "roles": ["admin"], "expires_on": "2099-01-01"}
    opened = {"op": "open_ledger", "origin": "other.example/hours"}
    with office(sqlite_url) as ledger:
        head = ledger.store.head()
        summary = bring(ledger, lines(tmp_path / "a.ndjson", key, opened))
        told = [(sample.column, sample.code, sample.reason) for sample in summary.samples]
        assert told == [
            ("op", "invalid_command", "Invalid value 'issue_key'"),
            ("op", "invalid_command", "Invalid value 'open_ledger'"),
        ]
        assert ledger.store.head() == head


def test_a_reason_repeats_the_beginning_of_a_long_line(sqlite_url: str, tmp_path: Path) -> None:
    long = "7" * 400
    named = {"op": "register_member", "member": "V1", "region": "330424", long: 1}
    path = lines(tmp_path / "a.ndjson", {"op": long}, named, f'{{"member":{long}.0e999}}')
    with office(sqlite_url) as ledger:
        samples = bring(ledger, path).samples
    assert ["777" in sample.reason for sample in samples] == [True] * 3
    assert max(len(sample.column) + len(sample.reason) for sample in samples) <= 400


def test_numbers_of_many_digits_keep_all_of_them(sqlite_url: str, tmp_path: Path) -> None:
    """Payment services number what they do with 32 digits; JSON has them as numbers, too."""
    row = {"member": "V0001", "project": "P001", "date": "2025-03-01", "minutes": 60,
           "category": "elder_care", "source": "pay"}  # fmt: skip
    refs = [10**31 + 1, 10**31 + 2]
    with office(sqlite_url, "V0001") as ledger:
        path = lines(tmp_path / "a.ndjson", *(row | {"source_ref": ref} for ref in refs))
        summary = bring(ledger, path)
        assert (summary.kept, summary.already) == (2, 0)
        assert [event.source_ref for event in logged(ledger)] == list(map(str, refs))


def test_a_name_of_half_a_character_refuses_its_line_alone(sqlite_url: str, tmp_path: Path) -> None:
    row = '{"member":"V0001","project":"P001","date":"2025-03-01","hours":2,"category":"elder_care"'
    path = lines(tmp_path / "a.ndjson", row + ',"\\ud800":[1]}', row + ',"备注":"\\ud800"}')
    with office(sqlite_url, "V0001") as ledger:
        summary = bring(ledger, path)
        assert (summary.kept, refusals(summary)) == (1, [(1, "broken_line")])


def test_broken_lines_can_be_mended_where_they_stand(sqlite_url: str, tmp_path: Path) -> None:
    row = '{"member":"V0001","project":"P001","date":"2025-03-01","hours":2,"category":"elder_care"'
    with office(sqlite_url, "V0001") as ledger:
        summary = bring(
            ledger, lines(tmp_path / "a.ndjson", row, "[]", row.replace("2,", "-2,") + "}")
        )
        path = Path(str(summary.rejects))
        assert [r["_code"] for r in rejected(path)] == [
            "broken_line", "broken_line", "minutes_out_of_range",
        ]  # fmt: skip
        first, _, third = path.read_text(encoding="utf-8").splitlines()
        mended = json.loads(first)
        mended["_line"] += "}"
        summary = bring(
            ledger, lines(path, mended, third.replace("03-01", "03-02").replace("-2", "1"))
        )
        assert (summary.kept, summary.rejects) == (2, None)
