"""The library as it comes: its aggregates, transcoder, recorders; one save an aggregate."""

from datetime import date
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class StockMember(Aggregate):
    """The same facts in the library's own aggregate class."""

    INITIAL_VERSION = 1

    @event("Registered")
    def __init__(self, number: str, region: str) -> None:
        self.number = number
        self.region = region
        self.minutes: dict[str, int] = {}

    @staticmethod
    def create_id(number: str) -> UUID:
        """One id a member."""
        return uuid5(NAMESPACE_URL, number)

    @event("HoursLogged")
    def log_hours(
        self, entry: str, project: str, service_on: str, minutes: int, facts: dict[str, str]
    ) -> None:
        """Keep an entry; no rules."""
        self.minutes[entry] = minutes

    @event("HoursVerified")
    def verify_hours(self, entry: str, minutes: int, credit: int, facts: dict[str, str]) -> None:
        """Verify an entry; no rules."""
        self.minutes[entry] = minutes


FACTS = {
    "organisation": "O1", "region": "330424001", "member_region": "330424001", "kind": "service",
    "category": "elder_care", "evidence": "system", "actor": "recorder", "key": "operator",
    "command_id": "0190f7a0c4e27b3d8f6e5a4b3c2d1e0f",
}  # fmt: skip


def sqlite_env(folder: Path) -> dict[str, str]:
    """The library's settings for a file."""
    return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "stock.db")}


def postgres_env(host: str, user: str, dbname: str) -> dict[str, str]:
    """The library's settings for a server on a socket."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": dbname,
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": user,
        "POSTGRES_PASSWORD": "",
    }


def save_stock(env: dict[str, str], members: int, entries: int) -> int:
    """Log and verify as many entries for each member; events saved."""
    with Application[UUID](env) as app:
        for index in range(members):
            member = StockMember(f"V{index:06d}", "330424001")
            for n in range(entries):
                day = date(2025, 1 + n % 12, 1 + n % 28).isoformat()
                member.log_hours(f"V{index:06d}-{n + 1}", "P001", day, 120, FACTS)
                member.verify_hours(f"V{index:06d}-{n + 1}", 120, 120, FACTS)
            app.save(member)
    return members * (1 + 2 * entries)
