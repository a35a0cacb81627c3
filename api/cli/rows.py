"""One row of an office table as the command it asks for, or the reason why not.

Only cells are read here; whether hours may be recorded is the ledger's to say.
What a file leaves open is filled from the defaults a person gave, never guessed:
only `evidence` is `manual` unless said otherwise, for that is what filling in a
table is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from api.cli import cells
from api.cli.cells import BadCell, Cell, Moment, Unit, quoted, text_of
from api.cli.headers import DURATIONS, Layout
from api.cli.import_options import Names, Options
from ledger.domain.commands import LogHours
from ledger.domain.errors import InvalidCommand

#: What stands in a cell that says nothing, where a cell may say nothing.
_DASHES: Final = frozenset({"", "-", "--", "—", "——", "/", "无", "n/a"})
_SPAN: Final = re.compile(r"\s*(?:-|~|—+|–|至|到)\s*")
_PLACE: Final = re.compile(r"\$\.(\w+)")

#: Words of a closed vocabulary as offices write them.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "evidence": {
        **dict.fromkeys(("信用", "信用时数", "信用时长", "系统", "签到", "system"), "system"),
        **dict.fromkeys(("荣誉", "荣誉时数", "荣誉时长", "人工", "补录", "manual"), "manual"),
    },
    "kind": {
        **dict.fromkeys(("服务", "志愿服务", "service"), "service"),
        **dict.fromkeys(("培训", "学习", "志愿培训", "training"), "training"),
    },
}

#: What a field must look like, for the person who is to mend it.
_FORMS: Final = {
    "member": "a member's number: letters A to Z and digits, at most 32",
    "project": "a project's id (or its exact name)",
    "category": "a category, a lower-case word such as elder_care (--value gives it a name)",
    "evidence": "信用 or 荣誉 (system or manual)",
    "kind": "服务 or 培训 (service or training)",
    "team": "a team's id: letters, digits and . _ -, at most 64",
    "activity": "an activity's id: letters, digits and . _ -, at most 64",
    "source": "a source's code: letters, digits and . _ -, at most 64",
    "source_ref": "a record's number: letters, digits and . _ : / # -, at most 64",
    "replaces": "an entry's id such as V0001-3",
}
#: Fields that are left out when their cell holds a dash.
_OPTIONAL: Final = ("team", "activity", "start", "end", "span", "source_ref", "source", "replaces")
#: Each of these must have a column or a default; what may stand in for it follows.
_REQUIRED: Final = {
    "member": (),
    "project": (),
    "service_on": ("start",),
    "minutes": ("system", "manual", "span", "end"),
    "category": (),
}


#: The day of service may also stand in the start, and is looked for there.
_NAMED: Final = {
    "member": "member's number",
    "project": "project",
    "service_on": "day of service",
    "category": "category",
}


#: Field → columns it is read from where it has none of its own.
_INSTEAD: Final[Mapping[str, tuple[str, ...]]] = {
    "minutes": ("span", "end"),
    "evidence": DURATIONS,
    "service_on": ("start",),
    "start": ("span",),
    "end": ("span",),
}


class RowRefused(Exception):  # noqa: N818 (a turn of events)
    """A row that is no command: which field, which code, and why in a sentence."""

    def __init__(self, field: str, reason: str, code: str = InvalidCommand.code) -> None:
        super().__init__(reason)
        self.field, self.reason, self.code = field, reason, code


class Times(NamedTuple):
    """When a service began and ended, as far as the row says."""

    start: Moment | None
    end: Moment | None


def missing(layout: Layout, options: Options) -> list[str]:
    """Fields that a table's columns and the defaults leave open."""
    there = layout.fields | set(options.defaults)
    return [name for name, others in _REQUIRED.items() if not there & {name, *others}]


class RowReader:
    """Reads the rows of one table. Raises InvalidCommand for a default that cannot be read."""

    def __init__(self, layout: Layout, options: Options) -> None:
        self._layout = layout
        #: As the rejects of its rows will say.
        self.options = options.text()
        self._unit = options.unit
        self._defaults = dict(options.defaults)
        self._names = _names(_WORDS, options.names, options.values)
        self._index = {c.field: c.index for c in layout.columns if c.field not in DURATIONS}
        self._durations = [c for c in layout.columns if c.field in DURATIONS]
        self._plain = [name for name in _READ if name in self._index or name in self._defaults]
        self._timed = bool({"start", "end", "span"} & ({*self._index, *self._defaults}))
        self._check_defaults()

    def read(self, row: Sequence[Cell]) -> LogHours:
        """The command a row asks for. Raises RowRefused."""
        values: dict[str, Any] = {"evidence": "manual"}
        for name in self._plain:
            cell = self._cell(row, name)
            if cell is not None:
                values[name] = self._value(name, cell)
        # A row is known by source and reference, or by neither.
        if not ("source" in values and "source_ref" in values):
            values.pop("source", None)
            values.pop("source_ref", None)
        times = self._times(row) if self._timed else Times(None, None)
        self._place_times(values, times)
        for name, words in _NAMED.items():
            if name not in values:
                raise RowRefused(name, f"the {words} is missing")
        values["minutes"] = self._minutes(row, values, times)
        if times.start is not None and times.end is None:
            values["end"] = _end_after(times.start, values["minutes"])
        return _command(values)

    def place(self, name: str, row: Sequence[Cell]) -> str:
        """The header of the cell that gave a field; the field's own name where none did."""
        groups = ((name,) if name not in DURATIONS else DURATIONS, _INSTEAD.get(name, ()))
        for group in groups:
            found = [column for column in self._layout.columns if column.field in group]
            filled = [c for c in found if c.index < len(row) and not is_blank(row[c.index])]
            if found:
                return (filled or found)[0].header
        return name

    # cells

    def _cell(self, row: Sequence[Cell], name: str) -> Cell:
        """The cell of a field, its default where it is blank, None where there is neither."""
        index = self._index.get(name)
        if index is not None and index < len(row):
            cell = row[index]
            if not is_blank(cell) and not (name in _OPTIONAL and _is_dash(cell)):
                return cell
        return self._defaults.get(name)

    def _value(self, name: str, cell: Cell) -> Any:
        try:
            return _READ[name](self._named(name, cell))
        except BadCell as error:
            raise RowRefused(name, f"{error}") from None

    def _named(self, name: str, cell: Cell) -> Cell:
        """The id or word a cell's text stands for, the cell itself where it stands for itself."""
        names = self._names.get(name)
        if names is None:
            return cell
        found = names.get(_fold(cell), cell)
        if found == "":
            raise BadCell(f"{quoted(text_of(cell))} is the name of several; write the id")
        return found

    # times

    def _times(self, row: Sequence[Cell]) -> Times:
        span = self._cell(row, "span")
        if span is not None:
            try:
                text = text_of(span)
            except BadCell as error:
                raise RowRefused("span", f"{error}") from None
            parts = _SPAN.split(text)
            if len(parts) != 2:
                raise RowRefused("span", f"{quoted(text)} is not from when to when: 09:00-11:30")
            return self._from_to("span", parts[0], "span", parts[1])
        start, end = self._cell(row, "start"), self._cell(row, "end")
        if start is None and end is not None:
            raise RowRefused("start", "the end is given and the start is not")
        return self._from_to("start", start, "end", end)

    def _from_to(self, first: str, start: Cell, last: str, end: Cell) -> Times:
        """Two clock times, from the cells of two fields. Raises RowRefused."""
        times = Times(self._moment(first, start), self._moment(last, end))
        unclear = cells.unclear(start, end) if times.end else None
        if unclear:
            name, cell = (first, start) if unclear == "start" else (last, end)
            raise RowRefused(name, f"{cells.may_be_two_times(text_of(cell))}")
        return times

    def _moment(self, name: str, cell: Cell) -> Moment | None:
        if cell is None:
            return None
        try:
            return cells.moment(cell)
        except BadCell as error:
            raise RowRefused(name, f"{error}") from None

    def _place_times(self, values: dict[str, Any], times: Times) -> None:
        """Put clock times into the command; a time that names a day must agree with the rest."""
        start, end = times
        if start is None:
            return
        if start.second == cells.SECONDS_PER_DAY:
            raise RowRefused("start", "24:00 is the end of a day: write 00:00 and the next day")
        on = values.setdefault("service_on", start.day)
        if on is None:
            raise RowRefused("service_on", "the day of service is missing")
        if start.day is not None and start.day != on:
            raise RowRefused("start", f"it says {start.day}, and the day of service is {on}")
        values["start"] = start.clock
        if end is None:  # it follows from the duration
            return
        if end.day is not None and not 0 < seconds_between(on, start, end) <= cells.SECONDS_PER_DAY:
            raise RowRefused("end", "the end is not within a day after the start")
        values["end"] = end.clock

    # durations

    def _minutes(self, row: Sequence[Cell], values: dict[str, Any], times: Times) -> int:
        """Whole minutes; sets `evidence` where the column says it. Raises RowRefused."""
        said = self._said(row)
        apart = {name: count for name, count in said.items() if name != "minutes" and count}
        if len(apart) > 1:
            reason = "信用 and 荣誉 hours in one row: give each a row with its own times or number"
            raise RowRefused("minutes", reason)
        for name, count in apart.items():
            if said.get("minutes", count) != count:
                raise RowRefused("minutes", f"one column says {said['minutes']} min, one {count}")
            if "evidence" in self._index and values["evidence"] != name:
                raise RowRefused("evidence", f"one column says {name}, one {values['evidence']}")
            values["evidence"] = name
            return count
        if said:
            return said.get("minutes", 0)
        if "minutes" in self._defaults:
            return self._read_minutes(self._defaults["minutes"], None)
        if self._durations or times.start is None:
            raise RowRefused("minutes", "the duration is missing")
        if times.end is None:
            raise RowRefused("end", "the start is given and the end is not")
        return _elapsed(times.start, times.end)

    def _said(self, row: Sequence[Cell]) -> dict[str, int]:
        """Minutes by duration column that is filled in; columns of one sort must agree."""
        said: dict[str, int] = {}
        for column in self._durations:
            cell = row[column.index] if column.index < len(row) else None
            if is_blank(cell) or (len(self._durations) > 1 and _is_dash(cell)):
                continue
            count = self._read_minutes(cell, column.unit)
            if said.setdefault(column.field, count) != count:
                reason = f"{column.header} says {count} min, another column {said[column.field]}"
                raise RowRefused(column.field, reason)
        return said

    def _read_minutes(self, cell: Cell, unit: Unit | None) -> int:
        try:
            return cells.minutes(cell, unit or self._unit)
        except BadCell as error:
            raise RowRefused("minutes", f"{error}") from None

    def _check_defaults(self) -> None:
        """A default that cannot be read is an error of the person, not of each row."""
        for name, text in self._defaults.items():
            try:
                if name in _READ:
                    _READ[name](self._named(name, text))
                elif name == "minutes":
                    cells.minutes(text, self._unit)
                elif name in ("start", "end"):
                    cells.moment(text)
                else:
                    allowed = ", ".join(sorted((*_READ, "minutes", "start", "end")))
                    raise InvalidCommand("default", field=name, allowed=allowed)
            except BadCell as error:
                raise InvalidCommand(name, default=text, reason=f"{error}") from error


def _names(*known: Names) -> dict[str, dict[str, str]]:
    """What cells say for what, as they are compared; the last that knows a name is right."""
    names: dict[str, dict[str, str]] = {}
    for name, table in (pair for names_by_field in known for pair in names_by_field.items()):
        compared: dict[str, str] = {}
        for said, meant in table.items():
            # Two names that compare alike and mean different things are the name of several.
            alike = compared.setdefault(_fold(said), meant) == meant
            compared[_fold(said)] = meant if alike else ""
        names.setdefault(name, {}).update(compared)
    return names


def is_blank(cell: Cell) -> bool:
    """Whether a cell holds nothing, or nothing that shows."""
    if not isinstance(cell, str):
        return cell is None
    shows = cell.strip()
    return not shows or not (shows.isascii() or text_of(shows))


def seconds_between(on: date, start: Moment, end: Moment) -> int:
    """From a start on the day `on` to an end that names its own day."""
    days = (end.day or on) - on
    return days // timedelta(days=1) * cells.SECONDS_PER_DAY + end.second - start.second


def _elapsed(start: Moment, end: Moment) -> int:
    """Whole minutes from start to end, over midnight where the end is not after the start."""
    seconds = (end.second - start.second) % cells.SECONDS_PER_DAY or cells.SECONDS_PER_DAY
    if seconds % 60:
        raise RowRefused("minutes", "from start to end is not a whole number of minutes")
    return seconds // 60


def _end_after(start: Moment, minutes: int) -> str:
    """The clock time so many minutes after a start, on the next day where that is past midnight."""
    if minutes * 60 > cells.SECONDS_PER_DAY:
        raise RowRefused("minutes", "more than a day from the start, and no end is given")
    return Moment(None, start.second + minutes * 60).clock


def _fold(cell: Cell) -> str:
    return text_of(cell).casefold()


def _is_dash(cell: Cell) -> bool:
    """Whether a cell that is not blank says nothing all the same; a number says something."""
    return isinstance(cell, str) and _fold(cell) in _DASHES


def _number(cell: Cell) -> str:
    """A member's number: spaces and case are the typist's."""
    return "".join(text_of(cell).split()).upper()


#: Field → how its cell is read; durations and times are read together.
_READ: Final[Mapping[str, Callable[[Cell], Any]]] = {
    "member": _number,
    "project": text_of,
    "service_on": cells.day,
    "evidence": text_of,
    "category": text_of,
    "kind": text_of,
    "team": text_of,
    "activity": text_of,
    "source": text_of,
    "source_ref": text_of,
    "replaces": text_of,
    "effective_on": cells.day,
}


def _command(values: dict[str, Any]) -> LogHours:
    """The command, with the bounds of its fields checked. Raises RowRefused."""
    try:
        return msgspec.convert(values, LogHours)
    except msgspec.ValidationError as error:
        found = _PLACE.search(str(error))
        name = found[1] if found else ""
        form = _FORMS.get(name, "what belongs here")
        raise RowRefused(name, f"{quoted(str(values.get(name)))} is not {form}") from None
