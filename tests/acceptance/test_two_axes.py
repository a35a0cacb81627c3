"""Two axes of time: what is known at a position, and what counts until a day.

For random histories, on both databases: whatever is asked about a past position is answered as it
was answered then, at every position; and as of any day the figures are those that the exported
lines give, recounted by code that does not know the product.
"""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import islice
from random import Random

import msgspec
import pytest

from projections import balances, catalogue, totals
from projections.moments import Moment
from projections.past import Pasts
from projections.runner import catch_up
from projections.session import Snapshot
from projections.standing import Standing
from tests import wishes as w
from tests.comparison import differences
from tests.exported import Keys, read_line
from tests.hindsight import History, answers, live
from tests.machine import LONG, TODAY, none
from tests.recount import Recount

pytestmark = pytest.mark.timeout(6 * 3600)

#: Histories on each database, and the commands of each beyond the beginning.
SEEDS = range(200) if LONG else range(1)
COMMANDS = 200 if LONG else 40


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_known_is_what_was_answered(history: History, seed: int) -> None:
    given: dict[int, dict[str, object]] = {}
    for head in live(history.ledger, Random(seed), COMMANDS, TODAY):
        # Also where one transaction has several events: readers may see it half folded.
        for position in range(len(given) + 1, head + 1):
            catch_up(history.ledger.store, history.reads, until=position)
            with history.at() as now:
                given[position] = answers(now, TODAY)
    positions = list(given)
    Random(seed).shuffle(positions)
    for position in positions:
        with history.at(position) as then:
            told = answers(then, TODAY)
        none(
            [f"{position}: {name}" for name, said in given[position].items() if told[name] != said]
        )


def bounded(lines: list[bytes], position: int, day: date) -> Recount:
    """A recount of the first lines, of what counts until a day."""
    recount = Recount(lines[:position])
    until = copy.copy(recount)
    until.facts = [fact for fact in recount.facts if fact.day <= day.isoformat()]
    until.star_levels = [
        (n, event) for n, event in recount.star_levels if event["effective_on"] <= day.isoformat()
    ]
    return until


def moments(chance: Random, head: int) -> Iterator[tuple[int, date]]:
    """Positions and days, without end."""
    while True:
        yield chance.randint(1, head), TODAY - timedelta(days=chance.randint(-3, 8))
        yield chance.randint(1, head), TODAY - timedelta(days=chance.randint(30, 50))


@pytest.mark.parametrize("seed", SEEDS)
def test_as_of_is_what_the_lines_say(history: History, seed: int) -> None:
    *_, head = live(history.ledger, Random(seed), 3 * COMMANDS, TODAY)
    catch_up(history.ledger.store, history.reads)
    lines = history.lines()
    for position, day in islice(moments(Random(seed), head), 300 if LONG else 14):
        recount = bounded(lines, position, day)
        with history.at(position, day) as then:
            whole = then.whole()
            none(differences(recount, whole, day.isoformat()))
            none(list(misnamed(lines[:position], whole, day)))
            none(list(unlike(then)))


def unlike(then: Standing) -> Iterator[str]:
    """Answers from few streams that are not those of the whole log, and legs that do not add up."""
    for row in balances.member_balances(then.whole(), limit=100):
        alone = balances.member_balance(then.member(row.member), row.member)
        if alone != row:
            yield f"{row.member} alone: {alone}, among others: {row}"
    told = answers(then, TODAY)
    for name, sums in told.items():
        if name.endswith(" why") and isinstance(sums, dict):
            thing = name.removesuffix(" why")
            (figures,) = [
                answer
                for verb in ("has", "gave", "used")
                if isinstance(answer := told.get(f"{thing} {verb}"), dict)
            ]
            for figure, total in sums.items():
                if figure in figures and int(figures[figure]) != total:
                    yield f"{thing} {figure}: {figures[figure]}, legs come to {total}"
        elif name.endswith(" did") and isinstance(sums, dict):
            has = told[name.replace(" did", " has")]
            assert isinstance(has, dict)
            stated = sum(entry["credit"] for entry in sums["entries"])
            if stated != has["credit_earned"]:
                yield f"{name}: credit of entries {stated}, balance {has['credit_earned']}"


def misnamed(lines: list[bytes], snapshot: Snapshot, day: date) -> Iterator[str]:
    """Members and things that are not called as the latest event until the day calls them.

    Where there is none, the first that is known does.
    """
    said: dict[tuple[str, str], Keys] = {}
    for line in lines:
        row = read_line(line)
        kind, _, owner = row["originator_id"].partition("/")
        event = row["state"]
        if row["topic"] not in TELLING:
            continue
        if event["effective_on"] <= day.isoformat() or (kind, owner) not in said:
            said[kind, owner] = {
                "name": event.get("name"),
                "region": event.get("region_after") or event["region"],
                "kinds": event.get("kinds_after") or event.get("kinds"),
            }
    for (kind, owner), keys in said.items():
        if kind == "member":
            member = balances.member_balance(snapshot, owner, day)
            told: tuple[object, ...] = (member.region, list(member.kinds))
        else:
            listed = catalogue.find_listed(snapshot, kind, owner, "id")
            told = (listed.region, listed.name)
        if told != (keys["region"], keys["kinds"] or keys["name"]):
            yield f"{kind}/{owner} is told as {told}, lines say {keys}"


#: Events that say what something is.
TELLING = (
    "MemberRegistered", "MemberMoved", "MemberKindsChanged", "OrganisationRegistered",
    "ProjectOpened", "PolicyDefined", "PolicyAmended", "FundOpened",
)  # fmt: skip


def test_pasts_that_are_kept_are_those_that_were_made(history: History) -> None:
    """With room for few, in any order, from bases or anew: the same answers."""
    *_, head = live(history.ledger, Random(5), COMMANDS, TODAY)
    catch_up(history.ledger.store, history.reads)
    roomy, chance = history.pasts, Random(3)
    history.pasts = Pasts(history.ledger.store, kept_max=2, bytes_max=300_000)
    for _ in range(30):
        position, day = chance.randint(0, head), chance.choice([None, TODAY - timedelta(days=2)])
        with history.at(position, day) as few:
            told = balances.member_balances(few.whole(), limit=9)
        with Pasts(history.ledger.store).at(Moment(position, day)) as alone:
            assert told == balances.member_balances(alone, limit=9)
    history.pasts.close()
    history.pasts = roomy


def test_columns_give_the_pasts_that_folding_gives(history: History) -> None:
    """Every question, at moments of both axes: the same from typed columns as event by event."""
    *_, head = live(history.ledger, Random(8), 2 * COMMANDS, TODAY)
    catch_up(history.ledger.store, history.reads)
    folded, columnar = history.pasts, Pasts(history.ledger.store, replayed_from=0)
    chosen = islice(moments(Random(8), head), 100 if LONG else 3)
    for position, as_of in [(head // 2, None), (head - 1, None), *chosen]:
        told = []
        for history.pasts in (folded, columnar):
            with history.at(position, as_of) as then:
                told.append(answers(then, TODAY))
        none([name for name, said in told[0].items() if told[1][name] != said])
    history.pasts = folded
    columnar.close()


def test_pasts_are_shared_by_whoever_reads(history: History) -> None:
    """Threads at the same and at other moments, each at two of them at once, with room for two."""
    *_, head = live(history.ledger, Random(6), COMMANDS, TODAY)
    catch_up(history.ledger.store, history.reads)
    pasts = Pasts(history.ledger.store, kept_max=2)

    def read(seed: int) -> list[str]:
        chance, wrong = Random(seed), []
        for _ in range(10):
            one, other = Moment(chance.randint(head - 3, head)), Moment(chance.randint(30, 33))
            with pasts.at(one) as first, pasts.at(other) as second, pasts.at(one) as again:
                if totals.totals(first) != totals.totals(again):
                    wrong.append(f"{one} is not itself")
                if (first.position, second.position) != (one.position, other.position):
                    wrong.append(f"{one} and {other} are others")
        return wrong

    with ThreadPoolExecutor(6) as pool:
        none([wrong for found in pool.map(read, range(6)) for wrong in found])
    pasts.close()


def test_answers_differ_between_moments(history: History) -> None:
    """What is compared above is not the same at every moment."""
    *_, head = live(history.ledger, Random(1), COMMANDS, TODAY)
    catch_up(history.ledger.store, history.reads)
    seen = set()
    for position in range(len(w.beginning(TODAY)), head):
        with history.at(position) as then:
            seen.add(msgspec.json.encode(totals.totals(then.whole()).rows))
    assert len(seen) > COMMANDS // 8
