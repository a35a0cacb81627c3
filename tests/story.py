"""A month of a small county through the real rules: every event at least once.

Clock, ids and salts are fixed, so the lines are the same each time as long as the rules are.
"""

from datetime import date
from typing import Any

from ledger.domain import commands as c
from ledger.domain.values import Lot, StarLevel, Terms, Threshold
from ledger.log import codec, merkle
from ledger.store.log import Head, Row, number
from tests.scenario import (
    ADMIN,
    ELSEWHERE,
    ORIGIN,
    OTHER_TOWN,
    OTHER_VERIFIER,
    REGION,
    TOWN,
    Scenario,
    accrual,
    county_at_work,
    define_policy,
    log_hours,
    policy_terms,
    register,
    verify_hours,
)

TERMS = Terms(
    purpose="为老服务",
    regions=(REGION, ELSEWHERE),
    forbidden=("banquet",),
    opens_on=date(2025, 1, 1),
    closes_on=date(2026, 12, 31),
)
AWAY = "yongning.example/hours"


def lines_of(scenario: Scenario) -> list[bytes]:
    """Everything that happened, as exported lines."""
    return [row.line() for row in rows_of(scenario)]


def rows_of(scenario: Scenario) -> list[Row]:
    """Everything that happened, as stored rows."""
    versions, sealed = dict[str, int](), []
    for stream, event in scenario.log:
        versions[stream] = versions.get(stream, 0) + 1
        sealed.append(codec.seal(stream, versions[stream], event))
    codec.check_sealed(sealed)
    rows, frontier = number(sealed, Head(0, None, ()))
    assert merkle.root(frontier)
    return rows


def tell() -> Scenario:
    """The whole story."""
    ledger = county_at_work()
    for chapter in (settle, serve, offer, fund, travel, leave):
        chapter(ledger)
        ledger.later(days=1, minutes=7)
    return ledger


def settle(ledger: Scenario) -> None:
    """Rules of the county, who people are."""
    ledger.given(
        c.SetLimits(region=REGION, backdating_days=60, day_minutes_max=600),
        c.SetStarLevels(
            region=REGION,
            levels=(StarLevel(stars=1, minutes=120), StarLevel(stars=2, minutes=300)),
            effective_on=date(2025, 1, 1),
        ),
        accrual("R2", num=3, den=2, categories=("elder_care",), entry_max=200, day_max=300,
                effective_on=date(2025, 6, 1)),
        register("V0003", kinds=("volunteer", "social_worker")),
        register("V0004"),
        c.ChangeMemberKinds(member="V0001", kinds=("volunteer", "party_member")),
        c.MoveMember(member="V0003", region=OTHER_TOWN),
        c.RecordCredential(member="V0003", credential="social_worker", level="assistant"),
        c.RecordCredential(
            member="V0003", credential="social_worker", level="intermediate", tier="t2"
        ),
        c.RecordCredential(member="V0001", credential="first_aid", level="basic"),
        c.WithdrawCredential(member="V0001", credential="first_aid", reason_code="expired"),
        c.JoinOrganisation(member="V0001", organisation="O2", residency="newcomer"),
        c.JoinOrganisation(member="V0003", organisation="O2", residency="native"),
    )  # fmt: skip


def serve(ledger: Scenario) -> None:
    """Hours of all fates, activities."""
    row: dict[str, Any] = {"source": "signin", "source_ref": "2025/17", "evidence": "system"}
    ledger.given(
        c.HoldActivity(activity="A1", project="P001", category="elder_care", responsible="zhou",
                       held_on=date(2025, 6, 14), registered=30, attended=28, served=55),
        c.HoldActivity(activity="A2", project="P001", category="training", kind="exam",
                       held_on=date(2025, 6, 15), responsible="zhou", registered=20, attended=18),
        c.WithdrawActivity(activity="A2", reason_code="entered_twice"),
        log_hours("V0001", 150, start="09:00", end="11:30", activity="A1", team="O2", **row),
        log_hours("V0001", 60, start="23:30", end="00:30"),
        log_hours("V0001", 90, project="P001", kind="training", category="training"),
        log_hours("V0002", 240, service_on=date(2025, 5, 31)),
        log_hours("V0002", 45),
        log_hours("V0003", 480),
        verify_hours("V0001-1"),
        verify_hours("V0001-2", minutes=45),
        verify_hours("V0001-3"),
        verify_hours("V0002-1"),
        c.RejectHours(entry="V0002-2", reason_code="not_there"),
        verify_hours("V0003-1"),
    )  # fmt: skip
    ledger.given(log_hours("V0002", 40, replaces="V0002-2"))
    ledger.given(c.CorrectHours(entry="V0003-1", minutes=300, reason_code="typing_error"))
    ledger.given(
        c.CorrectHours(entry="V0003-1", minutes=330, reason_code="appeal"), by=OTHER_VERIFIER
    )


def offer(ledger: Scenario) -> None:
    """Policies of which one costs money, grants, a revocation, a deficit."""
    ledger.given(
        define_policy(quota_member=1, quota_total=2, quota_period="year"),
        c.GrantIncentive(member="V0001", policy="Y1"),
        c.GrantIncentive(member="V0002", policy="Y1"),
        c.RevokeGrant(grant="V0002-G1", reason_code="declined"),
        c.AmendPolicy(**policy_terms(credit_cost=180, quota_total=5)),
        c.GrantIncentive(member="V0003", policy="Y1"),
        c.CorrectHours(entry="V0003-1", minutes=100, reason_code="appeal", deficit=True),
        c.VoidHours(entry="V0003-1", reason_code="never_happened", deficit=True),
    )


def fund(ledger: Scenario) -> None:
    """Money in, to targets, spent, reversed, back."""
    ledger.given(
        c.OpenFund(fund="F1", name="福彩公益金", organisation="O1", region=REGION, terms=TERMS),
        c.ReceiveFunds(fund="F1", source_kind="welfare_lottery", source_id="FC2025", fen=100_000,
                       document="拨款单 2025-118"),
        c.ReceiveFunds(fund="F1", source_kind="charity", source_id="CF1", fen=50_000,
                       document="receipt 7", terms=TERMS),
        c.AllocateFunds(fund="F1", target="project/P001", fen=120_000),
        c.ReleaseFunds(fund="F1", target="project/P001", fen=10_000),
        c.SpendFunds(fund="F1", target="project/P001", fen=95_000, category="meals",
                     payee_kind="supplier", payee="餐饮公司", document="invoice 3"),
        c.ReverseSpend(expense="F1-E1", reason_code="wrong_bill", lots=(
            Lot(receipt="F1-R1", source_kind="welfare_lottery", source_id="FC2025", fen=5_000),)),
        c.ReturnFunds(fund="F1", source_kind="charity", source_id="CF1", fen=10_000,
                      reason_code="unspent"),
        c.AmendFund(fund="F1", terms=TERMS.__class__(
            purpose="为老服务", forbidden=("banquet",), opens_on=date(2025, 1, 1),
            closes_on=date(2027, 12, 31)), consent="letter of 18 June"),
        define_policy("Y2", credit_cost=30, fen_cost=2_000, fund="F1"),
        c.AllocateFunds(fund="F1", target="policy/Y2", fen=4_000, receipts=("F1-R2",)),
        c.GrantIncentive(member="V0001", policy="Y2", document="form 1"),
    )  # fmt: skip


def travel(ledger: Scenario) -> None:
    """Transfers: accepted here, declined, accepted elsewhere, received from elsewhere."""
    foreign = Lot(receipt="F9-R4", source_kind="community", source_id="S9", fen=700)
    ledger.given(
        c.OpenFund(fund="F2", name="Ningxia", organisation="O1", region=ELSEWHERE, terms=TERMS),
        c.SendTransfer(fund="F1", to_region=ELSEWHERE, fen=5_000),
        c.SendTransfer(fund="F1", to_region=ELSEWHERE, fen=1_000),
        c.SendTransfer(fund="F1", to_region=ELSEWHERE, to_origin=AWAY, fen=3_000, terms=TERMS),
        c.AcceptTransfer(transfer="F1-T1", fund="F2"),
        c.DeclineTransfer(transfer="F1-T2", reason_code="not_needed"),
        c.AcceptTransfer(transfer="F1-T3"),
        c.ReceiveTransfer(fund="F2", transfer="F9-T1", from_origin=AWAY, from_region="640121",
                          lots=(foreign,)),
    )  # fmt: skip


def leave(ledger: Scenario) -> None:
    """What ends."""
    ledger.given(
        c.LeaveOrganisation(member="V0001", organisation="O2"),
        c.DeregisterMember(member="V0004", reason_code="moved_away"),
        c.ClosePolicy(policy="Y1", reason_code="replaced"),
        c.CloseProject(project="P001", closes_on=date(2025, 12, 31), reason_code="ended"),
        c.CloseFund(fund="F2", reason_code="ended"),
        c.IssueKey(holder="audit-office", roles=("auditor",), regions=(REGION,),
                   member="V0002", expires_on=date(2026, 6, 30)),
        c.EraseText(note=next(iter(ledger.notes))),
    )  # fmt: skip
    (issued,) = [stream for stream, _ in ledger.log if stream.startswith("key/")]
    ledger.given(c.RevokeKey(key=issued.removeprefix("key/"), reason_code="lost"), by=ADMIN)
    assert any(stream == f"incoming/{ORIGIN}/F1-T1" for stream, _ in ledger.log)
    assert ledger.state("member/V0001").region == TOWN
    assert Threshold(minutes=120, months=12) == policy_terms()["threshold"]
