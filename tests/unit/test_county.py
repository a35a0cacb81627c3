"""The demonstration county before any ledger sees it: its plan, and the commands it is made of."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from api.cli.county import places
from api.cli.county.draw import below, between, generator
from api.cli.county.entries import SLOTS
from api.cli.county.people import BLOCK_ENTRIES
from api.cli.county.plan import (
    NEWCOMERS,
    SCALE_MIN,
    TRANSFERRED,
    WAN,
    Chunk,
    Plan,
    half_up,
    plan_of,
    shares,
    spread,
)
from api.cli.county.run import County
from ledger.domain import commands as c

#: Scales at which rounding goes both ways, the smallest among them; and a seed each.
MADE = [(Fraction(1, 1000), 7), (Fraction(3, 2000), 1), (Fraction(33, 10_000), 123_456_789)]


def chunks_of(scale: Fraction = SCALE_MIN, seed: int = 7) -> Iterator[Chunk]:
    """Everything that is carried out, to the closing of the limits."""
    yield from County(plan_of(scale), seed).chunks()
    yield from places.closing()


def commands_of(scale: Fraction = SCALE_MIN, seed: int = 7) -> Iterator[c.Command]:
    for chunk in chunks_of(scale, seed):
        yield from chunk.commands


def digest_of(scale: Fraction, seed: int) -> str:
    """What a county consists of, in order."""
    digest = hashlib.sha256()
    for chunk in chunks_of(scale, seed):
        digest.update(msgspec.json.encode([chunk.caller.holder, chunk.commands]))
    return digest.hexdigest()


def standing_minutes(commands: Iterator[c.Command]) -> Counter[str]:
    """Verified service minutes of each member, recounted from the commands alone."""
    logged: dict[str, int] = {}
    training: set[str] = set()
    made: Counter[str] = Counter()
    stands: dict[str, int] = {}
    for command in commands:
        if isinstance(command, c.LogHours):
            made[command.member] += 1
            entry = f"{command.member}-{made[command.member]}"
            logged[entry] = command.minutes
            if command.kind == "training":
                training.add(entry)
        elif isinstance(command, c.VerifyHours):
            entry = str(command.entry)
            stands[entry] = logged[entry] if command.minutes is None else command.minutes
        elif isinstance(command, c.CorrectHours):
            assert stands[str(command.entry)] != command.minutes
            stands[str(command.entry)] = command.minutes
        elif isinstance(command, c.VoidHours):
            del stands[str(command.entry)]
    sums: Counter[str] = Counter()
    for entry, minutes in stands.items():
        if entry not in training:
            sums[entry.rpartition("-")[0]] += minutes
    return sums


# The plan


def test_at_scale_one_the_figures_are_the_published_ones() -> None:
    plan = plan_of(Fraction(1))
    assert (plan.registered, plan.active, plan.minutes) == (140_000, 72_000, 11_390_000 * 60)
    assert (plan.served, plan.certified, plan.trained) == (100_000, 2_900, 600)
    assert (plan.exam_registered, plan.exam_attended) == (2_000, 1_760)
    assert (plan.certified_huli, plan.supervisions) == (1_500, 500)


def test_halves_are_rounded_up_and_hours_before_they_become_minutes() -> None:
    plan = plan_of(Fraction(1, 1000))
    assert (plan.supervisions, plan.certified_huli) == (1, 2)  # 0.5 and 1.5
    assert (plan.trained, plan.exam_attended) == (1, 2)  # 0.6 and 1.76
    assert plan_of(Fraction(1, 10_000) * 33).minutes == 37_587 * 60
    assert [half_up(Fraction(n, 4)) for n in (1, 2, 3, 6, 10)] == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("scale", [Fraction(0), Fraction(1, 1001), Fraction(1001, 1000)])
def test_other_scales_are_refused(scale: Fraction) -> None:
    with pytest.raises(ValueError, match=r"from 0\.001 to 1"):
        plan_of(scale)


@pytest.mark.parametrize(("total", "weights"), [(0, [1]), (7, [1, 1, 1]), (683_400, [3, 1, 8])])
def test_shares_add_up_exactly(total: int, weights: list[int]) -> None:
    parts = [*shares(total, weights)]
    assert sum(parts) == total
    assert all(abs(p - total * w / sum(weights)) < 1 for p, w in zip(parts, weights, strict=True))


@pytest.mark.parametrize(("parts", "whole"), [(0, 5), (5, 5), (72, 140), (3, 140)])
def test_a_part_is_spread_evenly_and_exactly(parts: int, whole: int) -> None:
    chosen = [n for n in range(whole) if spread(n, parts, whole)]
    assert len(chosen) == parts
    gaps = {b - a for a, b in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


# Drawing


def test_the_same_seed_draws_the_same_on_every_python() -> None:
    rng = generator(7, "member", 1)
    assert [below(rng, 100) for _ in range(5)] == [31, 65, 12, 21, 4]
    assert [between(rng, 10, 12) for _ in range(5)] == [12, 11, 10, 10, 12]


def test_what_is_drawn_stays_within_its_bounds() -> None:
    rng = generator(1, "bounds")
    assert {below(rng, 3) for _ in range(200)} == {0, 1, 2}
    assert {between(rng, -1, 1) for _ in range(200)} == {-1, 0, 1}


# The commands


def test_the_same_seed_makes_the_same_county_and_another_seed_another() -> None:
    assert digest_of(SCALE_MIN, 7) == digest_of(SCALE_MIN, 7)
    assert digest_of(SCALE_MIN, 7) != digest_of(SCALE_MIN, 8)


@pytest.mark.parametrize(("scale", "seed"), MADE)
def test_every_command_is_well_formed_and_names_its_day(scale: Fraction, seed: int) -> None:
    for command in commands_of(scale, seed):
        again = msgspec.json.decode(msgspec.json.encode(command), type=type(command))
        assert again == command
        assert command.effective_on is not None
        assert command.effective_on <= date(2026, 1, 1)


@pytest.mark.parametrize(("scale", "seed"), MADE)
def test_what_stands_in_the_end_is_what_was_published(scale: Fraction, seed: int) -> None:
    plan = plan_of(scale)
    sums = standing_minutes(commands_of(scale, seed))
    haiyan = {member: minutes for member, minutes in sums.items() if member.startswith("HY")}
    assert sum(haiyan.values()) == plan.minutes
    assert len(haiyan) == plan.active
    assert min(haiyan.values()) > 0


@pytest.mark.parametrize(("scale", "seed"), MADE)
def test_heads_and_person_times_are_what_was_published(scale: Fraction, seed: int) -> None:
    plan, of = plan_of(scale), by_kind(commands_of(scale, seed))
    left = {command.member for command in of[c.DeregisterMember]}
    here = [m for m in of[c.RegisterMember] if m.member not in left]
    assert sum(m.region.startswith("330424") for m in here) == plan.registered
    certified = {cert.member for cert in of[c.RecordCredential]} - left
    assert sum(member.startswith("HY") for member in certified) == plan.certified
    assert sum(member.startswith("HL") for member in certified) == plan.certified_huli
    withdrawn = {command.activity for command in of[c.WithdrawActivity]}
    assert person_times(of, "served", withdrawn) == {"service": plan.served}
    attended = person_times(of, "attended", withdrawn)
    assert (attended["exam"], attended["training"]) == (plan.exam_attended, plan.trained)
    assert person_times(of, "registered", withdrawn)["exam"] == plan.exam_registered


def by_kind(commands: Iterator[c.Command]) -> dict[type[c.Command], list[Any]]:
    found: dict[type[c.Command], list[Any]] = {kind: [] for kind in c.COMMANDS.values()}
    for command in commands:
        found[type(command)].append(command)
    return found


def person_times(
    of: dict[type[c.Command], list[Any]], count: str, withdrawn: set[str]
) -> Counter[str]:
    sums: Counter[str] = Counter()
    for activity in of[c.HoldActivity]:
        if activity.activity not in withdrawn and getattr(activity, count):
            sums[activity.kind] += getattr(activity, count)
    return sums


def test_what_a_county_has_once_is_whole_at_the_smallest_scale() -> None:
    of = by_kind(commands_of())
    assert len({policy.dimension for policy in of[c.DefinePolicy]}) == 3
    assert len(of[c.DefinePolicy]) == 12
    assert sum(project.region.startswith("330424") for project in of[c.OpenProject]) == 99
    assert sum(r.fen for r in of[c.ReceiveFunds] if r.fund.startswith("HY")) == 1900 * WAN
    declined = {transfer.transfer for transfer in of[c.DeclineTransfer]}
    sent = {f"{s.fund}-T{n + 1}": s.fen for n, s in enumerate(of[c.SendTransfer])}
    assert sum(fen for transfer, fen in sent.items() if transfer not in declined) == TRANSFERRED
    team = {join.member: join.residency for join in of[c.JoinOrganisation]}
    for leave in of[c.LeaveOrganisation]:
        del team[leave.member]
    assert Counter(team.values()) == {"newcomer": NEWCOMERS, "native": 48}


def test_nearly_every_kind_of_command_occurs() -> None:
    never = {kind.__name__ for kind, found in by_kind(commands_of()).items() if not found}
    # Keys are issued by the run; a text is erased, a transfer received from another log elsewhere.
    assert never == {"EraseText", "IssueKey", "ReceiveTransfer", "RevokeKey"}


def test_service_is_verified_and_revised_by_others_than_who_recorded_it() -> None:
    holders: dict[str, set[str]] = {}
    for chunk in chunks_of():
        holders.setdefault(chunk.office, set()).add(chunk.caller.holder)
    everyone = [holder for group in holders.values() for holder in group]
    assert len(set(everyone)) == len(everyone)
    assert {"recorder", "verifier", "reviser"} <= set(holders)


def test_a_member_is_dealt_with_in_a_few_neighbouring_chunks_of_bounded_size() -> None:
    touched: dict[str, list[int]] = {}
    for n, chunk in enumerate(chunks_of(Fraction(33, 10_000), 5)):
        assert len(chunk.commands) <= BLOCK_ENTRIES + 2 * SLOTS
        for command in chunk.commands:
            member = getattr(command, "member", None)
            if member is not None and not member.startswith("HYX"):
                touched.setdefault(member, []).append(n)
    assert max(numbers[-1] - numbers[0] for numbers in touched.values()) <= 7


def test_the_expected_number_of_events_is_near_what_is_made() -> None:
    plan: Plan = plan_of(Fraction(1, 100))
    made = sum(1 for _ in commands_of(Fraction(1, 100)))
    assert abs(plan.events - made) < made // 20
