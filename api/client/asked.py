"""What may be asked of reads."""

from datetime import date
from typing import TypedDict


class Asked(TypedDict, total=False):
    """What may be asked of every read."""

    #: At least this position is seen: with the position of a write, that write.
    min_position: int
    #: Of figures: only what was recorded by then, a position or an RFC 3339 time.
    known_at: int | str
    #: Of figures: only what counts on this day or before.
    as_of: date


class Between(Asked, total=False):
    """Two moments; the earlier has the later one's position or day where it names none."""

    from_known_at: int | str
    from_as_of: date
    #: Events on the page.
    limit: int


class Slice(Asked, total=False):
    """What sums are limited to; absent filters limit nothing. Months are `YYYY-MM`."""

    region: str
    project: str
    organisation: str
    category: str
    evidence: str
    month: str
    from_month: str
    to_month: str


class Service(Slice, total=False):
    """Limits of totals; `region` is the project's."""

    kind: str


class People(Slice, total=False):
    """Limits of participation; `region` is the members' own."""

    service_region: str
    member_kind: str


class ServiceBetween(Service, Between, total=False):
    """Totals within limits, at two moments."""


class PeopleBetween(People, Between, total=False):
    """Participation within limits, at two moments."""


class Line(Asked, total=False):
    """One line of a fund's usage."""

    target: str
    category: str
    receipt: str
    source_kind: str
    source_id: str
