"""The rules judged again from exported lines: whether what was accepted could be accepted.

Like `recount.py` it imports nothing of the product and has its own words for each rule. It keeps
plain dictionaries and goes through all of them, slowly; what it finds stands in `faults`.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from tests.exported import Exported, Keys

#: Where no limits were set.
DEFAULT_LIMITS = {"backdating_days": 90, "day_minutes_max": 960}


class Audit(Exported):
    """Every event of a log held against the rules, with what was known before it."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.offset = timedelta(hours=8)
        self.dated: dict[str, list[Keys]] = defaultdict(list)
        self.projects: dict[str, Keys] = {}
        self.policies: dict[str, Keys] = {}
        self.funds: dict[str, Keys] = {}
        self.receipt_terms: dict[tuple[str, str], list[Keys]] = defaultdict(list)
        self.members: dict[str, dict[str, Any]] = defaultdict(
            lambda: {
                "entries": {},
                "by_day": defaultdict(list),
                "rows": {},
                "registered": False,
                "credit": 0,
            }
        )
        super().__init__(lines)

    def count(self, topic: str, stream: str, event: Keys) -> bool:
        """Judge one event, then learn from it."""
        kind, owner = stream.split("/", 1)
        judge = getattr(self, f"_judge_{kind}", None)
        if judge is not None:
            judge(topic, owner, event)
        return True

    def today(self) -> str:
        """The day of the last event where the ledger is."""
        return (self.recorded[-1] + self.offset).date().isoformat()

    def _judge_ledger(self, topic: str, owner: str, event: Keys) -> None:
        if topic == "LedgerOpened":
            hours, minutes = event["utc_offset"][1:].split(":")
            self.offset = timedelta(hours=int(hours), minutes=int(minutes))
            if event["utc_offset"].startswith("-"):
                self.offset = -self.offset
        self.dated[topic].append(event)

    def _in_force(self, topic: str, region: str, day: str, **also: str) -> Keys | None:
        """Of a dated table: the longest region, then the latest day, then what came last."""
        rows = [
            (len(row["region"]), row["effective_on"], number, row)
            for number, row in enumerate(self.dated[topic])
            if region.startswith(row["region"])
            and row["effective_on"] <= day
            and all(not row[name] or value in row[name] for name, value in also.items())
        ]
        return max(rows)[3] if rows else None

    def _judge_project(self, topic: str, owner: str, event: Keys) -> None:
        if topic == "ProjectOpened":
            self.projects[owner] = event | {"closes_on": "9999-12-31"}
        else:
            self._must(be=self.projects[owner]["closes_on"] == "9999-12-31", what="closed twice")
            self.projects[owner]["closes_on"] = event["closes_on"]

    def _judge_policy(self, topic: str, owner: str, event: Keys) -> None:
        if topic in {"PolicyDefined", "PolicyAmended"}:
            self.policies[owner] = event | {"closed": False}
        elif topic == "PolicyClosed":
            self.policies[owner]["closed"] = True

    # members

    def _judge_member(self, topic: str, owner: str, event: Keys) -> None:
        member = self.members[owner]
        if topic in {"MemberRegistered", "MemberDeregistered"}:
            registers = topic == "MemberRegistered"
            self._must(be=member["registered"] is not registers, what=f"{topic} again")
            member["registered"] = registers
        if topic in {"MemberRegistered", "MemberMoved"}:
            member["region"] = event.get("region", event.get("region_after"))
        if topic == "HoursLogged":
            self._judge_logging(member, event)
            entry = event | {
                "logged": event["minutes"], "live": True, "stands": event["minutes"], "earned": 0,
                "service": 0, "recorder": event["actor"], "verifiers": set(),
            }  # fmt: skip
            member["entries"][event["entry"]] = member["rows"][_row(event)] = entry
            member["by_day"][event["service_on"]].append(entry)
        elif topic.startswith("Hours"):
            self._judge_entry(topic, member, member["entries"][event["entry"]], event)
        elif topic == "IncentiveGranted":
            self._judge_grant(member, event)
        if topic in {"IncentiveGranted", "IncentiveRevoked"}:
            member["credit"] += event["credit"] if topic.endswith("Revoked") else -event["credit"]

    def _judge_logging(self, member: dict[str, Any], event: Keys) -> None:
        project, day = self.projects[event["project"]], event["service_on"]
        limits = self._in_force("LimitsSet", event["region"], day) or DEFAULT_LIMITS
        now_limits = self._in_force("LimitsSet", event["region"], self.today()) or DEFAULT_LIMITS
        near = [e for e in _around(member, day) if e["live"]]
        on_day = sum(e["stands"] for e in near if e["service_on"] == day)
        before = member["rows"].get(_row(event), {"live": False})
        age = (date.fromisoformat(self.today()) - date.fromisoformat(day)).days
        said = {
            "member not registered": member["registered"],
            "other region": event["region"] == project["region"],
            "member's region": event["member_region"] == member["region"],
            "project not running": project["opens_on"] <= day <= project["closes_on"],
            "category": event["category"] in project["categories"],
            "future": day <= event["effective_on"] <= self.today(),
            "too old": "replaces" in event or age <= now_limits["backdating_days"],
            "minutes": 1 <= event["minutes"] <= _length(event),
            "day overfull": on_day + event["minutes"] <= limits["day_minutes_max"],
            "overlap": not any(_overlap(event, other) for other in near),
            "row twice": not before["live"],
            "replaced twice": "replaces" not in event
            or not any(
                e["live"] and e.get("replaces") == event["replaces"]
                for e in member["entries"].values()
            ),
        }
        self._say(event["entry"], said)

    def _judge_entry(
        self, topic: str, member: dict[str, Any], entry: dict[str, Any], event: Keys
    ) -> None:
        own = {name for name in entry if name in event} - {
            "minutes", "timestamp", "effective_on", "actor", "key", "command_id"
        }  # fmt: skip
        said = {
            "other facts": all(entry[name] == event[name] for name in own),
            "before the service": event["effective_on"] >= entry["service_on"],
        }
        stands: int = event["minutes"] if topic == "HoursVerified" else event.get("after", 0)
        if topic == "HoursVerified":
            said["four eyes"] = event["actor"] != entry["recorder"]
            entry["accrual"] = self._rule_for(event)
        elif topic == "HoursCorrected" and stands > entry["stands"]:
            said["raised"] = event["evidence"] != "system"
            said["four eyes"] = event["actor"] not in {entry["recorder"], *entry["verifiers"]}
        said["more than logged"] = stands <= entry["logged"]
        credit = event["credit"] if topic == "HoursVerified" else event.get("credit_after", 0)
        if topic in {"HoursVerified", "HoursCorrected"}:
            rule = entry["accrual"]
            said["rule"] = event.get("rule") == (rule and rule["rule"])
            said["credit"] = credit == self._credit(rule, member, entry, stands)
        self._say(f"{topic} {event['entry']}", said)
        entry["verifiers"].add(event["actor"])
        entry["live"], entry["stands"] = topic in {"HoursVerified", "HoursCorrected"}, stands
        entry["service"] = stands if event["kind"] == "service" else 0
        member["credit"] += credit - entry["earned"]
        entry["earned"] = credit

    def _rule_for(self, event: Keys) -> Keys | None:
        if event["kind"] == "training":
            return None
        return self._in_force(
            "AccrualRuleSet",
            event["region"],
            event["service_on"],
            categories=event["category"],
            evidence=event["evidence"],
        )

    def _credit(
        self, rule: Keys | None, member: dict[str, Any], entry: dict[str, Any], minutes: int
    ) -> int:
        if rule is None:
            return 0
        others = [e for e in member["by_day"][entry["service_on"]] if e is not entry]
        day = [other["earned"] for other in others]
        left = max(0, int(rule["day_max"]) - sum(day)) if "day_max" in rule else 10**9
        earned: int = minutes * rule["num"] // rule["den"]
        return min(earned, int(rule.get("entry_max", earned)), left)

    def _judge_grant(self, member: dict[str, Any], event: Keys) -> None:
        terms, inputs, day = self.policies[event["policy"]], event["inputs"], event["effective_on"]
        minutes = sum(
            entry["service"]
            for entry in member["entries"].values()
            if inputs["window_from"] <= entry["service_on"] <= day
        )
        said = {
            "version": event["policy_version"] == terms["version"],
            "cost": (event["credit"], event["fen"]) == (terms["credit_cost"], terms["fen_cost"]),
            "closed": not terms["closed"] and terms["opens_on"] <= day <= terms["closes_on"],
            "region": member["region"].startswith(terms["region"]),
            "window": inputs["window_from"] == _months_back(day, terms["threshold"]["months"]),
            "window minutes": inputs["window_minutes"] == minutes,
            "threshold": minutes >= terms["threshold"]["minutes"],
            "credit": inputs["credit_available"] == member["credit"],
            "credit enough": event["credit"] in range(member["credit"] + 1) or not event["credit"],
            "member quota": inputs["member_taken"] < terms.get("quota_member", 10**9),
            "quota": inputs["policy_taken"] < terms.get("quota_total", 10**9),
        }
        self._say(event["grant"], said)

    # money

    def _judge_fund(self, topic: str, owner: str, event: Keys) -> None:
        fund = self.funds.setdefault(owner, {"closed": False})
        if topic in {"FundOpened", "FundAmended"}:
            fund["terms"] = event["terms"]
        elif topic == "FundClosed":
            self._must(be=not fund["closed"], what=f"{owner} closed twice")
            fund["closed"] = True
        elif topic in {"FundsReceived", "TransferReceived"}:
            self._must(be=not fund["closed"], what=f"{topic} in closed {owner}")
            for lot in event["lots"] if "terms" in event else ():
                comes_home = lot["receipt"].rpartition("-")[0] == owner
                if topic == "FundsReceived" or not comes_home:
                    self.receipt_terms[owner, lot["receipt"]].append(event["terms"])
        elif topic in {"FundsAllocated", "FundsSpent", "TransferSent"}:
            self._judge_use(topic, owner, fund, event)

    def _judge_use(self, topic: str, owner: str, fund: Keys, event: Keys) -> None:
        region = event["to_region"] if topic == "TransferSent" else event["region"]
        day = event["effective_on"]
        bound = [fund["terms"]]
        for lot in event["lots"]:
            bound += self.receipt_terms[owner, lot["receipt"]]
        for terms in bound:
            self._say(
                f"{topic} of {owner}",
                {
                    "closed": not fund["closed"],
                    "window": terms["opens_on"] <= day <= terms["closes_on"],
                    "region": region.startswith(tuple(terms.get("regions", [""]))),
                    "category": topic != "FundsSpent" or _may_buy(terms, event["category"]),
                },
            )

    def _say(self, what: str, said: dict[str, bool]) -> None:
        for name, holds in said.items():
            self._must(be=holds, what=f"{what}: {name}")


def _may_buy(terms: Keys, category: str) -> bool:
    allowed = terms.get("allowed", [category])
    return category in allowed and category not in terms.get("forbidden", [])


def _span(entry: Keys) -> tuple[datetime, datetime] | None:
    if "start" not in entry:
        return None
    start, end = (datetime.fromisoformat(f"{entry['service_on']}T{entry[at]}")
                  for at in ("start", "end"))  # fmt: skip
    return start, end if end > start else end + timedelta(days=1)


def _length(entry: Keys) -> int:
    span = _span(entry)
    return 10**9 if span is None else int((span[1] - span[0]).total_seconds() // 60)


def _overlap(one: Keys, other: Keys) -> bool:
    a, b = _span(one), _span(other)
    return a is not None and b is not None and a[0] < b[1] and b[0] < a[1]


def _row(entry: Keys) -> tuple[str | None, ...]:
    """What makes a row the same row again."""
    names = ("source", "source_ref") if "source" in entry else ("project", "service_on", "start")
    return (*names, *map(entry.get, names))


def _around(member: dict[str, Any], day: str) -> list[dict[str, Any]]:
    """Entries of a day, the one before and the one after."""
    days = [date.fromisoformat(day) + timedelta(days=n) for n in (-1, 0, 1)]
    return [entry for each in days for entry in member["by_day"].get(each.isoformat(), ())]


def _months_back(day: str, months: int) -> str:
    """The same day of an earlier month, or the last there is."""
    year, month, number = (int(part) for part in day.split("-"))
    for _ in range(months):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    while True:
        try:
            return date(year, month, number).isoformat()
        except ValueError:
            if year < 1:
                return date.min.isoformat()
            number -= 1
