"""One full and one minimal example of every event, for the golden bytes.

`python -m tests.examples` writes the examples that are not in `tests/golden/events.jsonl` yet, at
its end. A line that is there is never changed and never taken out: what was written once has to
be read for ever.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import NODEFAULT
from msgspec.structs import fields

from ledger.domain.events import TOPICS, Event
from ledger.domain.values import GrantInputs, Lot, StarLevel, Terms, Threshold
from ledger.log import codec

GOLDEN: Final = Path(__file__).parent / "golden"
EVENTS: Final = GOLDEN / "events.jsonl"
#: An exported log as it was written on one day, and its root.
LOG: Final = GOLDEN / "log.jsonl"
ROOT: Final = GOLDEN / "log.root"
#: The same story since what a fund's terms restrict travels with its money.
LATEST_LOG: Final = GOLDEN / "log-2.jsonl"
LATEST_ROOT: Final = GOLDEN / "log-2.root"

DIGEST: Final = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
TERMS: Final = Terms(
    purpose="为老服务",
    regions=("330424",),
    allowed=("elder_care", "transport"),
    forbidden=("banquet",),
    opens_on=date(2025, 1, 1),
    closes_on=date(2025, 12, 31),
)
LOTS: Final = (
    Lot(receipt="F1-R1", source_kind="welfare_lottery", source_id="FC2025", fen=1_250_000),
    Lot(receipt="F1-R2", source_kind="charity", source_id="CF-2025.1", fen=99),
)

#: What a field holds in the examples, whatever the event.
VALUES: Final[dict[str, Any]] = {
    "timestamp": datetime(2025, 6, 16, 1, 2, 3, 456_000, tzinfo=UTC),
    "effective_on": date(2025, 6, 16),
    "actor": "street-office",
    "key": "K7F3",
    "command_id": "0197761d-4a7c-7a3c-8f0e-6f6d1c3b2a10",
    "origin": "haiyan.example/hours", "utc_offset": "+08:00", "currency": "CNY",
    "postings_version": 1,
    "region": "330424", "backdating_days": 30, "day_minutes_max": 720,
    "name": "邻里助老 “一老一小” \\ 2025", "population": 380_000, "source": "SYSTEM-1",
    "levels": (StarLevel(stars=1, minutes=6_000), StarLevel(stars=2, minutes=18_000)),
    "rule": "R1", "categories": ("child_care", "elder_care"), "evidence": "manual",
    "num": 3, "den": 2, "entry_max": 240, "day_max": 480, "note": DIGEST,
    "kinds": ("party_member", "volunteer"), "kinds_before": ("volunteer",),
    "kinds_after": ("social_worker", "volunteer"), "region_before": "330424001",
    "region_after": "330424101", "reason_code": "entered_twice",
    "credential": "social_worker", "level_before": "assistant", "level_after": "intermediate",
    "tier_before": "t2", "tier_after": "t3", "organisation": "O1", "residency": "newcomer",
    "entry": "V0001-17", "project": "P001", "team": "O2", "member_region": "330424001",
    "member_kinds": ("volunteer",), "kind": "service", "category": "elder_care",
    "activity": "A20250614", "service_on": date(2025, 6, 14), "minutes": 150, "start": "09:00",
    "end": "11:30", "source_ref": "2025-06/17#3", "replaces": "V0001-16", "declined": 30,
    "credit": 225, "before": 150, "after": 120, "credit_before": 225, "credit_after": 180,
    "deficit": 45, "grant": "V0001-G2", "policy": "Y1", "policy_version": 3,
    "dimension": "economic_incentive", "fen": 5_000, "fund": "F1", "expense": "F1-E9",
    "inputs": GrantInputs(
        window_from=date(2024, 6, 16), window_minutes=7_200, credit_available=-15,
        member_taken=1, policy_taken=41,
    ),
    "org_kind": "association", "opens_on": date(2025, 1, 1), "closes_on": date(2025, 12, 31),
    "held_on": date(2025, 6, 14), "responsible": "street-office", "registered": 60,
    "attended": 53, "served": 120, "version": 2,
    "threshold": Threshold(minutes=6_000, months=12), "credit_cost": 60, "fen_cost": 5_000,
    "quota_member": 1, "quota_total": 100, "quota_period": "year", "taken_after": 42,
    "terms": TERMS, "consent": DIGEST, "lots": LOTS, "document": DIGEST,
    "target": "project/P001", "payee_kind": "supplier", "payee": DIGEST,
    "source_kind": "welfare_lottery", "source_id": "FC2025", "transfer": "F1-T1",
    "from_origin": "haiyan.example/hours", "from_region": "330424",
    "to_origin": "yongning.example/hours", "to_region": "640121",
    "holder": "street-office", "member": "V0001", "roles": ("recorder", "verifier"),
    "regions": ("330424",), "organisations": ("O1",), "funds": ("F1",), "sources": ("FC2025",),
    "expires_on": date(2026, 6, 30),
}  # fmt: skip
#: Where one event's field is of another type than the other events' field of that name.
EXCEPTIONS: Final[dict[tuple[str, str], Any]] = {
    ("FundsReceived", "lots"): LOTS[:1],
    ("RegionProfiled", "source"): "2020 census",
    ("AccrualRuleSet", "evidence"): ("manual", "system"),
}
#: Lists may be empty and structures bare in the minimal examples.
BARE: Final[dict[str, Any]] = {
    "timestamp": datetime(2025, 6, 16, 1, 2, 3, tzinfo=UTC),
    "categories": (), "regions": (), "organisations": (), "funds": (), "sources": (),
    "terms": Terms(purpose="x", opens_on=date(2025, 1, 1), closes_on=date(2025, 1, 1)),
}  # fmt: skip


class Golden(NamedTuple):
    """A line of the golden file."""

    topic: str
    variant: str
    state: bytes

    def line(self) -> bytes:
        """As it stands in the file, spliced around the state's own bytes."""
        return b'{"state":%b,"topic":"%b","variant":"%b"}' % (
            self.state, self.topic.encode(), self.variant.encode(),
        )  # fmt: skip


def example(topic: str, variant: str) -> Event:
    """The `full` example of a topic, with every field, or the `minimal` one."""
    kind = TOPICS[topic]
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = EXCEPTIONS.get((topic, field.name), VALUES[field.name])
        if variant == "full":
            values[field.name] = value
        elif field.default is NODEFAULT:
            values[field.name] = BARE.get(field.name, value)
    return kind(**values)


def examples() -> list[Golden]:
    """All examples as they would be written today."""
    return [
        Golden(topic, variant, codec.encode(example(topic, variant)))
        for topic in TOPICS
        for variant in ("full", "minimal")
    ]


def read_golden() -> list[Golden]:
    """The golden file, with each state's bytes cut out as they stand."""
    found = []
    for line in EVENTS.read_bytes().splitlines():
        head, tail = b'{"state":', b',"topic":'
        topic, variant = (json.loads(line)[name] for name in ("topic", "variant"))
        state = line[len(head) : line.rindex(tail)]
        assert line == Golden(topic, variant, state).line()
        found.append(Golden(topic, variant, state))
    return found


def main() -> None:
    """Append the examples whose topic, or whose set of fields, is new."""
    known = {golden.state for golden in read_golden()} if EVENTS.exists() else set()
    with EVENTS.open("ab") as file:
        for golden in examples():
            if golden.state not in known:
                file.write(golden.line() + b"\n")


if __name__ == "__main__":
    main()
