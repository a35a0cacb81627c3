"""All figures again, straight from exported lines, by code that shares nothing with the product.

Standard library only: it imports neither `ledger` nor `projections` nor `api`, so an error there
cannot hide here. It walks the lines once, in log order, and says for every topic in its own words
what the event changes; what must never go below zero is looked at after every event. What is wrong
with the log is collected in `faults`: of an honest log there are none.

    recount = Recount(lines)
    assert recount.faults == []

`figures.py` adds the facts up. Minutes, credit-minutes and fen are integers; days are ISO text, so
that they sort as they stand.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tests.exported import Exported, Keys

#: What may stand below zero: corrections upward, and credit that an event says is in deficit.
UNBOUNDED: Final = {"reversed", "credit"}
#: What each topic does with every one of its lots: more (1) or less (-1) in a state.
MONEY: Final[dict[str, dict[str, int]]] = {
    "FundsReceived": {"received": 1, "unallocated": 1},
    "FundsReturned": {"unallocated": -1, "returned": 1},
    "FundsAllocated": {"unallocated": -1, "allocated": 1},
    "FundsReleased": {"allocated": -1, "unallocated": 1},
    "FundsSpent": {"allocated": -1, "spent": 1},
    "SpendReversed": {"spent": -1, "allocated": 1},
    "TransferSent": {"unallocated": -1, "transit": 1},
    "TransferDeclined": {"transit": -1, "unallocated": 1},
    "TransferAccepted": {"transit": -1, "transferred_out": 1},
    "TransferReceived": {"transferred_in": 1, "unallocated": 1},
}


class Fact(NamedTuple):
    """So much more (or less) of a commodity in a state, on a day, by the event at a position."""

    commodity: str
    state: str
    quantity: int
    day: str
    position: int
    keys: Keys


class Entry(NamedTuple):
    """One entry as it stands: what is left of it, and what it earned."""

    minutes: int
    credit: int
    state: str


class Recount(Exported):
    """Everything that can be counted from the lines of one log, and what is wrong with them."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.facts: list[Fact] = []
        self.entries: dict[str, Entry] = {}
        #: Live grants of each policy: (member, effective day); and the day of every grant.
        self.grants: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        self._granted_on: dict[str, str] = {}
        #: The version in force of each policy.
        self.policies: dict[str, Keys] = {}
        #: Star levels and population, as they were set: (position, event).
        self.star_levels: list[tuple[int, Keys]] = []
        self.profiles: list[tuple[int, Keys]] = []
        self._held: Counter[tuple[str, str, str]] = Counter()
        self._lot_source: dict[tuple[str, str], tuple[str, str]] = {}
        self._sent: dict[str, list[Keys]] = {}
        self._claimed: set[str] = set()
        self._given: Counter[tuple[str, str]] = Counter()
        #: Grants whose money is not spent yet: fen, fund, expense.
        self._owed: dict[str, tuple[int, str, str]] = {}
        super().__init__(lines)

    def count(self, topic: str, stream: str, event: Keys) -> bool:
        """What the event changes; False when the topic is not known in this stream."""
        kind, owner = stream.split("/", 1)
        counter = COUNTERS.get(kind)
        return counter is not None and counter(self, topic, owner, event)

    def held(self, commodity: str, state: str, owner: str) -> int:
        """How much an owner has of a commodity in a state now."""
        return self._held[commodity, state, owner]

    def _add(
        self, commodity: str, state: str, owner: str, quantity: int, day: str, keys: Keys
    ) -> None:
        """Count a fact, and look whether what `owner` has in this state went below zero."""
        place = (commodity, state, owner)
        self._held[place] += quantity
        if self._held[place] < 0 and state not in UNBOUNDED:
            self._fault(f"{commodity} {state} of {owner} stands at {self._held[place]}")
        self.facts.append(Fact(commodity, state, quantity, day, self.position, keys))

    def _next(self, owner: str, mark: str, given: str) -> None:
        """Ids the ledger gives are numbered from 1, for each owner and sort without a gap."""
        self._given[owner, mark] += 1
        expected = f"{owner}-{mark}{self._given[owner, mark]}"
        self._must(be=given == expected, what=f"id {given} given, {expected} is next")

    # one function for each type of stream; False: no such topic there

    def _count_ledger(self, topic: str, owner: str, event: Keys) -> bool:
        if topic == "LedgerOpened":
            self._must(be=self.position == 1, what="opened after the first event")
            self._must(be=owner == event["origin"], what="opened under another name")
            self.origin = owner
        elif topic == "StarLevelsSet":
            self.star_levels.append((self.position, event))
        elif topic == "RegionProfiled":
            self.profiles.append((self.position, event))
        return topic in {
            "LedgerOpened", "LimitsSet", "RegionProfiled", "StarLevelsSet", "AccrualRuleSet",
            "TextErased",
        }  # fmt: skip

    def _count_member(self, topic: str, owner: str, event: Keys) -> bool:
        event = event | {"member": owner}
        if topic.startswith("Hours"):
            return self._count_hours(topic, owner, event)
        if topic.startswith("Incentive"):
            return self._count_incentive(topic, owner, event)
        return self._count_person(topic, owner, event)

    def _count_person(self, topic: str, owner: str, event: Keys) -> bool:
        day = event["effective_on"]
        if topic == "MemberRegistered":
            self._add("HED", "registered", owner, 1, day, event)
            self._must(be=self.held("HED", "registered", owner) == 1, what="registered twice")
        elif topic == "MemberDeregistered":
            self._add("HED", "registered", owner, -1, day, event)
        elif topic == "MemberKindsChanged":
            self._add("HED", "registered", owner, -1, day, event | {"kinds": event["kinds_before"]})
            self._add("HED", "registered", owner, 1, day, event | {"kinds": event["kinds_after"]})
        elif topic == "MemberMoved":
            self._add(
                "HED", "registered", owner, -1, day, event | {"region": event["region_before"]}
            )
            self._add("HED", "registered", owner, 1, day, event | {"region": event["region_after"]})
        elif topic in {"CredentialRecorded", "CredentialWithdrawn"}:
            self._count_credential(owner, event)
        elif topic in {"MemberJoined", "MemberLeft"}:
            belonging = f"{owner} in {event['organisation']} as {event['residency']}"
            self._add("HED", "belongs", belonging, 1 if topic == "MemberJoined" else -1, day, event)
            once = sum(self._held["HED", "belongs", f"{owner} in {event['organisation']} as {how}"]
                       for how in ("newcomer", "native"))  # fmt: skip
            self._must(be=once <= 1, what=f"{belonging} twice")
        else:
            return False
        return True

    def _count_credential(self, owner: str, event: Keys) -> None:
        for when, quantity in (("before", -1), ("after", 1)):
            level, tier = event.get(f"level_{when}"), event.get(f"tier_{when}")
            if level is not None:
                held = f"{owner} {event['credential']} {level} {tier}"
                keys = event | {"level": level, "tier": tier}
                self._add("HED", "certified", held, quantity, event["effective_on"], keys)

    def _count_hours(self, topic: str, owner: str, event: Keys) -> bool:
        self._must(be=event["entry"].rpartition("-")[0] == owner, what="entry of another member")
        if topic == "HoursLogged":
            self._next(owner, "", event["entry"])
            self._minutes(event, pending=event["minutes"], logged=event["minutes"])
        elif topic == "HoursVerified":
            refused = event["declined"]
            self._minutes(event, pending=-event["minutes"] - refused, verified=event["minutes"])
            self._minutes(event, refused=refused)
            self._credit(owner, event, event["credit"])
        elif topic == "HoursRejected":
            self._minutes(event, pending=-event["minutes"], refused=event["minutes"])
        elif topic == "HoursCorrected":
            more = event["after"] - event["before"]
            self._minutes(event, verified=more, reversed=-more)
            self._credit(owner, event, event["credit_after"] - event["credit_before"])
        elif topic == "HoursVoided":
            self._minutes(event, verified=-event["minutes"], reversed=event["minutes"])
            self._credit(owner, event, -event["credit"])
        else:
            return False
        self._follow_entry(topic, event)
        return True

    def _minutes(self, event: Keys, **change: int) -> None:
        commodity = "TRN" if event["kind"] == "training" else "MIN"
        for state, quantity in change.items():
            self._add(commodity, state, event["entry"], quantity, event["service_on"], event)

    def _follow_entry(self, topic: str, event: Keys) -> None:
        """The life of an entry: pending, then verified or rejected; verified, then voided."""
        was = self.entries.get(event["entry"], Entry(0, 0, "new"))
        must_be = {"HoursLogged": "new", "HoursVerified": "pending", "HoursRejected": "pending"}
        self._must(be=was.state == must_be.get(topic, "verified"), what=f"{topic} of {was.state}")
        if topic == "HoursLogged":
            now = Entry(event["minutes"], 0, "pending")
        elif topic == "HoursVerified":
            self._must(be=was.minutes == event["minutes"] + event["declined"], what="not all of it")
            now = Entry(event["minutes"], event["credit"], "verified")
        elif topic == "HoursRejected":
            self._must(be=was.minutes == event["minutes"], what="not all of it")
            now = Entry(0, 0, "rejected")
        elif topic == "HoursCorrected":
            known = (event["before"], event["credit_before"])
            self._must(be=was[:2] == known, what=f"corrected from {known}, was {was[:2]}")
            now = Entry(event["after"], event["credit_after"], "verified")
        else:
            known = (event["minutes"], event["credit"])
            self._must(be=was[:2] == known, what=f"voided at {known}, was {was[:2]}")
            now = Entry(0, 0, "voided")
        if event["kind"] == "training":
            self._must(be=now.credit == 0, what="training earns no credit")
        self.entries[event["entry"]] = now

    def _credit(self, owner: str, event: Keys, change: int, state: str = "earned") -> None:
        """Credit of a member changes by what was earned more, or spent less."""
        day = event["effective_on"]
        self._add("CRD", state, owner, change if state == "earned" else -change, day, event)
        self._add("CRD", "credit", owner, change, day, event)
        left, said = self._held["CRD", "credit", owner], event.get("deficit")
        if said is not None:
            self._must(be=left == -said, what=f"deficit {said} said, credit is {left}")
        elif change < 0:
            self._must(be=left >= 0, what=f"credit of {owner} stands at {left}")

    def _count_incentive(self, topic: str, owner: str, event: Keys) -> bool:
        policy, grant, credit = event["policy"], event["grant"], event["credit"]
        sign = {"IncentiveGranted": 1, "IncentiveRevoked": -1}.get(topic, 0)
        self._credit(owner, event, -sign * credit, "spent")
        self._add("CRD", "redeemed", policy, sign * credit, event["effective_on"], event)
        self._add("GRN", "granted", grant, sign, event["effective_on"], event)
        if sign == 1:
            self._must(be=self._held["GRN", "granted", grant] == 1, what=f"{grant} granted twice")
            self.grants[policy][grant] = (owner, event["effective_on"])
            self._granted_on[grant] = event["effective_on"]
            self._next(owner, "G", grant)
            if event["fen"]:
                self._owed[grant] = (event["fen"], event["fund"], event["expense"])
        elif grant in self.grants[policy]:
            del self.grants[policy][grant]
        return sign != 0

    def _count_policy(self, topic: str, owner: str, event: Keys) -> bool:
        if topic in {"PolicyDefined", "PolicyAmended"}:
            version = self.policies.get(owner, {"version": 0})["version"]
            self._must(be=event["version"] == version + 1, what="a version is missing")
            self.policies[owner] = event
        elif topic in {"PolicyQuotaTaken", "PolicyQuotaFreed"}:
            sign = 1 if topic == "PolicyQuotaTaken" else -1
            taken = f"{owner} {event['grant']}"
            self._add("GRN", "taken", taken, sign, event["effective_on"], event)
            self._look_at_quota(topic, owner, event)
        else:
            return topic == "PolicyClosed"
        return True

    def _look_at_quota(self, topic: str, policy: str, event: Keys) -> None:
        """No more live grants in the period of this one than the version in force allows."""
        terms, live, grant = self.policies[policy], self.grants[policy], event["grant"]
        member, day = live.get(grant, ("", self._granted_on.get(grant, "never")))
        self._must(be=bool(member) is (topic == "PolicyQuotaTaken"), what=f"{topic} of {grant}")
        length = {"month": 7, "year": 4, "ever": 0}[terms["quota_period"]]
        period = [who for who, when in live.values() if when[:length] == day[:length]]
        said = event["taken_after"]
        self._must(be=len(period) == said, what=f"{policy}: {len(period)} taken, {said} said")
        if topic == "PolicyQuotaTaken":
            quota, own = terms.get("quota_total", 10**9), terms.get("quota_member", 10**9)
            self._must(be=said <= quota, what=f"{policy}: {said} granted of {quota}")
            self._must(be=period.count(member) <= own, what=f"{policy}: too many to {member}")

    def _count_others(self, topic: str, owner: str, event: Keys) -> bool:
        """Organisations, projects and keys move nothing."""
        del owner, event
        return topic in {
            "OrganisationRegistered", "ProjectOpened", "ProjectClosed", "KeyIssued", "KeyRevoked"
        }  # fmt: skip

    def _count_activity(self, topic: str, owner: str, event: Keys) -> bool:
        sign = {"ActivityHeld": 1, "ActivityWithdrawn": -1}.get(topic, 0)
        self._add("ACT", "held", owner, sign, event["held_on"], event)
        self._must(be=self._held["ACT", "held", owner] <= 1, what=f"{owner} held twice")
        for state in ("registered", "attended", "served"):
            self._add("PPL", state, owner, sign * event[state], event["held_on"], event)
        return sign != 0

    def _count_fund(self, topic: str, owner: str, event: Keys) -> bool:
        if topic in {"FundOpened", "FundAmended", "FundClosed"}:
            return True
        change = MONEY.get(topic)
        if change is None:
            return False
        for lot in event["lots"]:
            self._must(be=lot["fen"] > 0, what="an empty lot")
            keys = event | lot | {"fund": owner}
            for state, sign in change.items():
                self._fen(state, sign * lot["fen"], keys)
        if topic == "FundsReceived":
            self._next(owner, "R", event["lots"][0]["receipt"])
        elif topic == "FundsSpent":
            self._next(owner, "E", event["expense"])
        self._check_lots(topic, owner, event)
        return True

    def _fen(self, state: str, quantity: int, keys: Keys) -> None:
        """Money is held receipt by receipt, where it is allocated target by target …"""
        narrower = {"allocated": "target", "spent": "expense", "transit": "transfer"}.get(state)
        owner = f"{keys['fund']} {keys['receipt']} {keys[narrower] if narrower else ''}"
        self._add("FEN", state, owner.strip(), quantity, keys["effective_on"], keys)

    def _check_lots(self, topic: str, owner: str, event: Keys) -> None:
        """A lot says of its receipt what the receipt said; a transfer ends with what was sent."""
        for lot in event["lots"]:
            place, source = (owner, lot["receipt"]), (lot["source_kind"], lot["source_id"])
            if topic in {"FundsReceived", "TransferReceived"}:
                self._lot_source.setdefault(place, source)
            self._must(be=self._lot_source.get(place) == source, what=f"no such receipt: {lot}")
        if topic == "FundsSpent" and "grant" in event:
            spent = (sum(lot["fen"] for lot in event["lots"]), owner, event["expense"])
            self._must(be=self._owed.pop(event["grant"], None) == spent, what="not as granted")
        elif topic == "TransferSent":
            self._next(owner, "T", event["transfer"])
            self._sent[event["transfer"]] = event["lots"]
        elif topic in {"TransferAccepted", "TransferDeclined"}:
            whole = self._sent.get(event["transfer"]) == event["lots"]
            self._must(be=whole, what=f"{topic} of other lots than were sent")
        elif topic == "TransferReceived":
            name = f"{event['from_origin']}/{event['transfer']}"
            self._must(be=name not in self._claimed, what=f"{name} received twice")
            self._claimed.add(name)

    def _count_incoming(self, topic: str, owner: str, event: Keys) -> bool:
        del event
        self._must(be=owner in self._claimed, what=f"{owner} claimed without money")
        return topic == "TransferClaimed"

    def _look_back(self) -> None:
        """At the end: every grant is paid, quotas stand at the live grants, receipts at nothing."""
        self._must(be=not self._owed, what=f"not paid: {self._owed}")
        for policy, live in self.grants.items():
            taken = sum(
                n
                for p, n in self._held.items()
                if p[1] == "taken" and p[2].startswith(policy + " ")
            )
            self._must(be=taken == len(live), what=f"{policy}: {taken} taken, {len(live)} granted")
        places: Counter[tuple[str, str]] = Counter()
        for fact in self.facts:
            if fact.commodity == "FEN":
                sign = -1 if fact.state in {"received", "transferred_in"} else 1
                places[fact.keys["fund"], fact.keys["receipt"]] += sign * fact.quantity
        for place, difference in places.items():
            self._must(be=difference == 0, what=f"{place}: {difference} fen too many or too few")


COUNTERS: Final[dict[str, Callable[[Recount, str, str, Keys], bool]]] = {
    "ledger": Recount._count_ledger,
    "member": Recount._count_member,
    "organisation": Recount._count_others,
    "project": Recount._count_others,
    "activity": Recount._count_activity,
    "policy": Recount._count_policy,
    "fund": Recount._count_fund,
    "incoming": Recount._count_incoming,
    "key": Recount._count_others,
}
