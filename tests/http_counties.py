"""Two counties with everything twice, a service over them, keys of any role and scope."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any, Final, NamedTuple, get_args

import httpx
import pytest

from ledger.domain import commands as c
from ledger.domain.values import Role, Terms, Threshold
from ledger.log.signer import write_signer
from ledger.settings import Settings
from tests.http_service import LONG_AGO, YESTERDAY, Key, issue, open_ledger, started
from tests.signed_log import LOG_KEY

ALL_ROLES: Final = get_args(Role)
#: Two counties; everything there is of one is there of the other, under like names.
HERE, AWAY = "330424", "640522"


class Ids(NamedTuple):
    """The names of things in one county, or of none."""

    region: str
    member: str
    organisation: str
    project: str
    policy: str
    fund: str
    activity: str
    source: str

    @property
    def words(self) -> dict[str, str]:
        """What may stand in a path or a query."""
        own = self._asdict()
        derived = {
            "entry": f"{self.member}-1", "grant": f"{self.member}-G1",
            "expense": f"{self.fund}-E1", "transfer": f"{self.fund}-T1", "credential": "first_aid",
        }  # fmt: skip
        return {**own, **derived}


OURS: Final = Ids(HERE, "V1", "O1", "P1", "Y1", "F1", "A1", "S1")
THEIRS: Final = Ids(AWAY, "V2", "O2", "P2", "Y2", "F2", "A2", "S2")
NOBODYS: Final = Ids("119999", "V9", "O9", "P9", "Y9", "F9", "A9", "S9")

#: Role → the scopes that show what is ours and hide what is theirs.
SCOPES: Final[dict[str, list[dict[str, Any]]]] = {
    "members": [{"regions": (HERE,)}, {"regions": ("3304", "33")}],
    "things": [{"regions": (HERE,)}, {"organisations": ("O1",)}],
    "funds": [{"regions": (HERE,)}, {"organisations": ("O1",)}, {"funds": ("F1",)}],
}


def county(ids: Ids) -> list[c.Command]:
    """Everything there is, in one county."""
    terms = Terms(purpose="助老", opens_on=LONG_AGO, closes_on=date(2099, 12, 31))
    log: dict[str, Any] = {
        "member": ids.member, "project": ids.project, "service_on": YESTERDAY, "minutes": 90,
        "category": "elder_care", "evidence": "manual",
    }  # fmt: skip
    offer: dict[str, Any] = {
        "name": "公交", "dimension": "economic_incentive", "region": ids.region,
        "threshold": Threshold(minutes=0, months=12), "opens_on": LONG_AGO,
        "closes_on": date(2099, 12, 31),
    }  # fmt: skip
    return [
        c.RegisterOrganisation(organisation=ids.organisation, name="社", org_kind="team",
                               region=ids.region),
        c.OpenProject(project=ids.project, name="助老", organisation=ids.organisation,
                      region=ids.region, categories=("elder_care",), opens_on=LONG_AGO),
        c.RegisterMember(member=ids.member, region=ids.region + "001"),
        c.RecordCredential(member=ids.member, credential="first_aid", level="basic"),
        c.LogHours(**log),
        c.HoldActivity(activity=ids.activity, project=ids.project, category="elder_care",
                       held_on=YESTERDAY, responsible="zhou", registered=3, attended=2),
        c.DefinePolicy(policy=ids.policy, **offer),
        c.GrantIncentive(member=ids.member, policy=ids.policy),
        c.OpenFund(fund=ids.fund, name="公益金", organisation=ids.organisation, region=ids.region,
                   terms=terms),
        c.ReceiveFunds(fund=ids.fund, source_kind="charity", source_id=ids.source, fen=9_000,
                       document="收据"),
        c.AllocateFunds(fund=ids.fund, target=f"project/{ids.project}", fen=5_000),
        c.SpendFunds(fund=ids.fund, target=f"project/{ids.project}", fen=100, category="meals",
                     payee_kind="supplier", payee="甲", document="票"),
        c.SendTransfer(fund=ids.fund, to_region="110000", fen=10),
    ]  # fmt: skip


class World:
    """A service over two counties, and keys made as they are asked for."""

    def __init__(self, settings: Settings, client: httpx.Client) -> None:
        self._settings, self.client = settings, client
        self._keys: dict[str, Key] = {}

    def key(self, *roles: Role, **scope: Any) -> Key:
        """The key of a holder with these roles and this scope."""
        name = f"{roles}{scope}"
        if name not in self._keys:
            self._keys[name] = issue(self._settings, f"h{len(self._keys)}", *roles, **scope)
        return self._keys[name]

    def read(self, url: str, ids: Ids, key: Key) -> httpx.Response:
        """Ask for something of one county; `{…}` is filled in."""
        return self.client.get(url.format_map(ids.words), headers=key)


def world_of(url: str, *more: c.Command, **options: Any) -> Iterator[World]:
    """The service, and what else happened in both counties."""
    settings = Settings(database_url=url, signing_key=write_signer(LOG_KEY))
    open_ledger(settings, *county(OURS), *county(THEIRS), *more)
    with started(settings, **options) as client:
        world = World(settings, client)
        assert client.get("/v1/keys", headers=world.key("admin")).status_code == 200
        yield world


def told(answer: httpx.Response, ids: Ids) -> tuple[int, str, list[str]]:
    """What an answer tells, but for the names that were asked for and what differs every time."""
    text = answer.text
    names = {*ids.words.values(), *OURS.words.values()}
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "?")
    request = answer.headers["x-request-id"]
    varying = {"x-request-id", "ratelimit", "date", "content-length"}
    return answer.status_code, text.replace(request, "?"), sorted(set(answer.headers) - varying)


class Statements:
    """The statements SQLite carries out for those who ask, without the values in them.

    What the threads do that follow the log and note who looks is not theirs; nor is what opens a
    connection, which whoever comes first has to wait for.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._told: list[str] = []
        connect = sqlite3.connect

        def traced(*args: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **options)
            connection.set_trace_callback(self._note)
            return connection

        patch.setattr(sqlite3, "connect", traced)

    def _note(self, statement: str) -> None:
        is_theirs = threading.current_thread().name not in ("ledger-tailer", "ledger-looks")
        if is_theirs and not statement.startswith("PRAGMA"):
            self._told.append(re.sub(r"'(?:[^']|'')*'|\b\d+\b", "?", statement))

    def forget(self) -> None:
        """Begin anew."""
        self._told.clear()

    def so_far(self) -> list[str]:
        """All of them, in order."""
        return list(self._told)
