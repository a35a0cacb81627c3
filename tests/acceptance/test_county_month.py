"""A county's month, played over HTTP alone, each part under the key of one role.

After each step every figure the service gives is compared with a recount from the lines of the
log, as an auditor gets them from the feed.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import pytest
from msgspec import structs

from api.client import Client, LineResult, ProblemError
from ledger.domain import commands as c
from ledger.domain.values import Role, SourceKind, StarLevel, Terms, Threshold
from ledger.settings import Settings
from tests import http_figures
from tests.http_service import LONG_AGO, NEVER, TODAY, issue, listening, open_ledger
from tests.recount import Recount

HAIYAN, XIJI = "330424", "640522"
#: The days of the month that is played: it ended yesterday.
MONTH: Final = [TODAY - timedelta(days=ago) for ago in range(30, 0, -1)]
MEMBERS: Final = [f"V{n:04}" for n in range(1, 31)]
TERMS: Final = Terms(purpose="邻里助老", opens_on=LONG_AGO, closes_on=NEVER)
#: Kinds, ids and fen of the three sources.
SOURCES: Final[tuple[tuple[SourceKind, str, int], ...]] = (
    ("government_purchase", "HY-CAB", 300_000_00),
    ("welfare_lottery", "FC-2026", 120_000_00),
    ("charity", "CF-HY", 80_000_00),
)


class County:
    """A service, and someone with one key for each role."""

    def __init__(self, url: str, admin: Client) -> None:
        self.url, self.admin = url, admin
        #: Holder → its client, and the id of its key.
        self.people: dict[str, Client] = {}
        self.keys: dict[str, str] = {}
        self.steps: list[str] = []
        self.auditor = self.someone("audit-office", "auditor")

    def someone(self, holder: str, *roles: Role, **scope: Any) -> Client:
        """A client with a new key, issued over HTTP."""
        answer = self.admin.keys.issue(holder=holder, roles=roles, expires_on=NEVER, **scope)
        self.keys[holder] = str(answer.result["key"])
        self.people[holder] = Client(self.url, str(answer.result["secret"]))
        return self.people[holder]

    def compare(self, step: str) -> Recount:
        """Recount everything from the lines, and compare it with all the service says."""
        lines = list(self.auditor.events.lines())
        recount = Recount(lines)
        assert recount.faults == [], step

        explained = set()

        def ask(path: str, **asked: Any) -> dict[str, Any]:
            answer = self.auditor.http.get(path, params={**asked, "min_position": len(lines)})
            assert answer.status_code == 200, answer.text
            told: dict[str, Any] = answer.json()
            assert told["position"] == len(lines)
            template = told.get("explain_template", "/v1/explain/totals")
            explained.add(told.get("explain", template.replace("{member}", "V0001")))
            return told

        assert http_figures.differences(recount, ask) == [], step
        for link in explained:  # wherever an answer says that its figures are explained, they are
            answer = self.auditor.http.get(link)
            assert answer.status_code == 200, link
            assert "legs" in answer.json()
        if "FundsReturned" in lines[-1].decode():  # a line less is another figure
            assert http_figures.differences(Recount(lines[:-1]), ask) != []
        self.steps.append(step)
        return recount


@pytest.fixture
def county(settings: Settings) -> Iterator[County]:
    open_ledger(settings)
    secret = issue(settings, "county-office", "admin")["authorization"].removeprefix("Bearer ")
    with listening(settings) as url, Client(url, secret) as admin:
        county = County(url, admin)
        yield county
        for client in county.people.values():
            client.close()


def test_a_month_of_a_county(county: County) -> None:
    settle(county)
    service = county.someone("signin-service", "recorder", regions=(HAIYAN,))
    log_hours(county, service)
    load_hours(county, service)
    supervise(county, service)
    receive_money(county)
    define_incentive(county)
    spend_money(county)
    grant_incentives(county)
    transfer_money(county)
    read_as_funder(county)
    read_as_auditor(county)
    revoke_the_service(county, service)
    assert len(county.steps) == 11


def settle(county: County) -> None:
    """The county office says who organises what for whom, and by which rules."""
    admin = county.admin
    admin.rules.set_limits(
        region="33", backdating_days=60, day_minutes_max=720, effective_on=LONG_AGO
    )
    admin.rules.set_accrual(rule="R1", region="33", num=3, den=2, effective_on=LONG_AGO)
    levels = (StarLevel(stars=1, minutes=600), StarLevel(stars=2, minutes=1_800))
    admin.rules.set_star_levels(region="33", levels=levels, effective_on=LONG_AGO)
    admin.rules.profile_region(region=HAIYAN, name="海盐县", population=460_000, source="census")
    for organisation, region in (("HY-O1", HAIYAN), ("XJ-O1", XIJI)):
        admin.organisations.register(
            organisation=organisation, name="社工站", org_kind="agency", region=region
        )
    for project, organisation, region in (("P1", "HY-O1", HAIYAN), ("P2", "HY-O1", HAIYAN)):
        admin.projects.open(
            project=project, name="助老", organisation=organisation, region=region,
            categories=("elder_care", "child_care"), opens_on=LONG_AGO,
        )  # fmt: skip
    registered = admin.batch.send(
        [
            c.RegisterMember(member=m, region=f"{HAIYAN}00{n % 5 + 1}", effective_on=MONTH[0])
            for n, m in enumerate(MEMBERS)
        ],
        idempotency_key="members",
        on_error="atomic",
    )
    assert outcomes(registered) == {"done": 30}
    admin.members.record_credential(member="V0001", credential="social_worker", level="junior")
    admin.organisations.join(member="V0001", organisation="HY-O1", residency="native")
    admin.activities.hold(
        activity="A1", project="P1", category="elder_care", held_on=MONTH[7], responsible="zhou",
        registered=30, attended=28, served=55,
    )  # fmt: skip
    county.compare("a county is settled")


def outcomes(results: Iterator[LineResult]) -> dict[str, int]:
    """How many lines came out how; refused ones by their code."""
    found: dict[str, int] = {}
    for result in results:
        word = result.code or result.outcome
        found[word] = found.get(word, 0) + 1
    return found


def hours(member: str, day: date, minutes: int, ref: str) -> c.LogHours:
    """A row of the sign-in system."""
    return c.LogHours(
        member=member, project="P1", service_on=day, minutes=minutes, category="elder_care",
        evidence="system", source="signin", source_ref=ref,
    )  # fmt: skip


def log_hours(county: County, service: Client) -> None:
    """The sign-in service logs an evening, and once more as it has lost the answer."""
    row = hours("V0001", MONTH[0], 150, "r-1")
    first = service.execute(row, idempotency_key="r-1")
    again = service.execute(row, idempotency_key="r-1")
    assert (first.result, first.replayed) == ({"entry": "V0001-1"}, False)
    assert again == structs.replace(first, replayed=True)
    balance = service.members.balance("V0001", min_position=first.position)
    assert (balance.pending_minutes, balance.verified_minutes) == (150, 0)
    with pytest.raises(ProblemError) as refused:
        service.hours.verify(entry="V0001-1")
    assert (refused.value.code, refused.value.status) == ("forbidden", 403)
    county.compare("an evening is logged")


def load_hours(county: County, service: Client) -> None:
    """It bulk-loads the rest of the month; what is wrong with a row is told with the row."""
    rows = [
        hours(member, day, 60 + 7 * n % 120, f"{day}-{member}")
        for day in MONTH[1::2]
        for n, member in enumerate(MEMBERS)
    ]
    wrong = [
        hours("V9999", MONTH[1], 60, "x-1"),
        hours("V0001", LONG_AGO, 60, "x-2"),
        hours("V0001", TODAY + timedelta(days=2), 60, "x-3"),
        hours("V0001", MONTH[1], 700, "x-4"),
        hours("V0001", MONTH[0], 60, "r-1"),
    ]
    load = [*rows, *wrong]
    told = {
        "done": 450, "member_not_found": 1, "date_too_old": 1, "date_in_future": 1,
        "day_overfull": 1, "row_conflict": 1,
    }  # fmt: skip
    tried = service.batch.try_out(load)
    assert outcomes(iter(tried)) == told
    assert outcomes(service.batch.send(load, idempotency_key="month")) == told
    replayed = list(service.batch.send(load, idempotency_key="month", after_line=400))
    assert [result.line for result in replayed] == list(range(401, 456))
    assert outcomes(iter(replayed)) == told | {"done": 50}
    recount = county.compare("a month is loaded")
    assert sum(recount.entries[e].state == "pending" for e in recount.entries) == 451


def supervise(county: County, service: Client) -> None:
    """A supervisor verifies most, one for less, rejects some, corrects one and voids one."""
    supervisor = county.someone("supervisor", "verifier", organisations=("HY-O1",))
    verdicts: list[c.Command] = []
    for n, member in enumerate(MEMBERS):
        own = [entry.entry for entry in supervisor.members.entries(member)]
        verdicts += [
            c.RejectHours(entry=entry, reason_code="not_there")
            if n % 10 == 9
            else c.VerifyHours(entry=entry)
            for entry in own[:-1]
        ]
    done = supervisor.batch.send(verdicts, idempotency_key="verdicts", on_error="stop")
    assert outcomes(done) == {"done": len(verdicts)}
    assert len(verdicts) == 421
    part = supervisor.hours.verify(entry="V0002-15", minutes=30)
    assert part.count == 1
    supervisor.hours.reject(entry="V0003-15", reason_code="not_there")
    with pytest.raises(ProblemError) as refused:
        supervisor.hours.verify(entry="V0003-15")
    assert (refused.value.code, refused.value.at) == ("entry_not_pending", "entry")
    supervisor.hours.correct(entry="V0004-1", minutes=10, reason_code="left_early")
    supervisor.hours.void(entry="V0005-1", reason_code="entered_twice")
    county.compare("hours are verified, and some are not")


def define_incentive(county: County) -> None:
    """The county offers free rides: enough hours, credit and money are needed."""
    county.admin.policies.define(
        policy="Y1", name="公交", dimension="economic_incentive", region=HAIYAN,
        threshold=Threshold(minutes=600, months=12), credit_cost=600, fen_cost=5_000, fund="F1",
        quota_member=1, quota_total=3, opens_on=LONG_AGO, closes_on=NEVER,
    )  # fmt: skip
    county.compare("an incentive is offered")


def receive_money(county: County) -> None:
    """A treasurer opens a fund and receives from three sources."""
    treasurer = county.someone("treasury", "treasurer", regions=(HAIYAN,))
    treasurer.funds.open(
        fund="F1", name="助老资金", organisation="HY-O1", region=HAIYAN, terms=TERMS
    )
    for kind, source, fen in SOURCES:
        answer = treasurer.funds.receive(
            fund="F1", source_kind=kind, source_id=source, fen=fen, document="收据"
        )
    usage = treasurer.funds.usage("F1", min_position=answer.position)
    assert (usage.received_fen, usage.unallocated_fen) == (500_000_00, 500_000_00)
    assert {(s.source_kind, s.source_id, s.received_fen) for s in usage.sources} == set(SOURCES)
    county.compare("money came from three sources")


def spend_money(county: County) -> None:
    """She allocates, spends, takes an expense back and gives some of the money back."""
    treasurer = county.people["treasury"]
    treasurer.funds.allocate(fund="F1", target="project/P1", fen=200_000_00)
    treasurer.funds.allocate(fund="F1", target="policy/Y1", fen=50_000)
    spend: dict[str, Any] = {
        "fund": "F1", "target": "project/P1", "category": "materials", "payee_kind": "supplier",
        "payee": "海盐轮椅厂", "document": "invoice 118",
    }  # fmt: skip
    treasurer.funds.spend(**spend, fen=19_000_50)
    twice = treasurer.funds.spend(**spend, fen=19_000_50)
    treasurer.funds.reverse(expense=str(twice.result["expense"]), reason_code="entered_twice")
    with pytest.raises(ProblemError) as refused:
        treasurer.funds.spend(**spend, fen=190_000_00)
    assert refused.value.code == "insufficient_funds"
    treasurer.funds.release(fund="F1", target="project/P1", fen=10_000_00)
    treasurer.funds.give_back(
        fund="F1", source_kind="charity", source_id="CF-HY", fen=5_000_00, reason_code="unspent"
    )
    county.compare("money is allocated and spent")


def grant_incentives(county: County) -> None:
    """An office grants, within threshold, credit and quota."""
    office = county.someone("street-office", "granter", regions=(HAIYAN,))
    verdict = office.policies.eligibility("Y1", "V0001")
    assert (verdict.eligible, verdict.minutes_missing, verdict.credit_missing) == (True, 0, 0)
    granted = office.grants.grant(member="V0001", policy="Y1")
    office.grants.grant(member="V0002", policy="Y1", document="letter of thanks")
    for member, code in (("V0001", "quota_exhausted"), ("V0010", "not_eligible")):
        with pytest.raises(ProblemError) as refused:
            office.grants.grant(member=member, policy="Y1")
        assert refused.value.code == code
    revoked = office.grants.revoke(grant=str(granted.result["grant"]), reason_code="moved_away")
    balance = office.policies.balance("Y1", min_position=revoked.position)
    assert (balance.granted, balance.revoked, balance.grants) == (2, 1, 1)
    assert balance.credit_redeemed == 600
    county.compare("incentives are granted")


def transfer_money(county: County) -> None:
    """The treasury sends to another region: one transfer arrives there, one is declined."""
    ours = county.people["treasury"]
    theirs = county.someone("xiji-treasury", "treasurer", regions=(XIJI,))
    theirs.funds.open(fund="F9", name="协作", organisation="XJ-O1", region=XIJI, terms=TERMS)
    first = ours.transfers.send(fund="F1", to_region=XIJI, fen=35_000_00)
    second = ours.transfers.send(fund="F1", to_region=XIJI, fen=1_000_00)
    county.compare("money is on its way")
    theirs.transfers.accept(transfer=str(first.result["transfer"]), fund="F9")
    theirs.transfers.decline(transfer=str(second.result["transfer"]), reason_code="not_agreed")
    with pytest.raises(ProblemError) as refused:
        theirs.transfers.accept(transfer=str(second.result["transfer"]), fund="F9")
    assert refused.value.code == "transfer_not_in_transit"
    county.compare("one transfer arrived, one came back")
    sent, arrived = ours.funds.usage("F1"), theirs.funds.usage("F9")
    assert (sent.transferred_fen, sent.in_transit_fen) == (35_000_00, 0)
    assert (arrived.received_fen, arrived.unallocated_fen) == (35_000_00, 35_000_00)


def read_as_funder(county: County) -> None:
    """A funder follows its own money, also across regions, and sees no member and no other."""
    funder = county.someone("civil-affairs", "funder", sources=("HY-CAB",))
    usage = funder.sources.usage("HY-CAB")
    assert usage.received_fen == 300_000_00
    assert [fund.fund for fund in usage.funds] == ["F1", "F9"]
    f1 = funder.funds.usage("F1")
    assert f1.verified_minutes > 0
    assert f1.fen_per_verified_hour == f1.spent_fen * 60 // f1.verified_minutes
    for call in (
        lambda: funder.sources.usage("CF-HY"),
        lambda: funder.members.balance("V0001"),
        lambda: list(funder.members.list(HAIYAN)),
    ):
        with pytest.raises(ProblemError) as refused:
            call()
        assert refused.value.status in (403, 404)


def read_as_auditor(county: County) -> None:
    """An auditor reads what happened to a fund and to an entry, and who looked at it."""
    topics = [entry.topic for entry in county.auditor.trail.of("fund", "F1")]
    assert topics[:4] == ["FundOpened", *["FundsReceived"] * 3]
    assert {"SpendReversed", "TransferDeclined", "FundsReturned"} <= set(topics)
    corrected = [e for e in county.auditor.trail.of("member", "V0004") if e.changes]
    assert [entry.actor for entry in corrected] == ["supervisor"]
    assert corrected[0].changes["minutes"][1] == 10
    holders = {look.holder for look in county.auditor.trail.looks("fund/F9")}
    assert "civil-affairs" in holders


def revoke_the_service(county: County, service: Client) -> None:
    """The month ends; the service's key is revoked and opens nothing any more."""
    revoked = county.admin.keys.revoke(key=county.keys["signin-service"], reason_code="month_over")
    with pytest.raises(ProblemError) as refused:
        service.hours.log(
            member="V0001", project="P1", service_on=MONTH[2], minutes=5, category="elder_care",
            evidence="manual",
        )  # fmt: skip
    assert (refused.value.code, refused.value.status) == ("unauthenticated", 401)
    keys = county.admin.keys.list(min_position=revoked.position)
    listed = {key.holder: key.revoked for key in keys}
    assert listed["signin-service"] is True
    assert listed["supervisor"] is False
    county.compare("a key is revoked")
