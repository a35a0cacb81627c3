"""Headers of office tables, Chinese and English, and the fields they stand for.

The header is the row, within the first rows of a table, in which most fields are
recognised; titles and blank rows above it are passed over. A second row of
headers below it (of merged cells) belongs to it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from api.cli.cells import Cell, Unit, plain, shown
from api.cli.spreadsheets import Record
from ledger.domain.errors import InvalidCommand, Refusal

#: How a refused row is to be read when it comes back: what the import was told that refused it.
OPTIONS_COLUMN: Final = "_options"
#: Columns of a rejects file, in its order; when it is imported again they are no cells of its rows.
REJECT_COLUMNS: Final = ("_row", "_sheet", "_column", "_code", "_reason", OPTIONS_COLUMN)
#: What stands above the cells of a rejects file that had no header in a row of its own file.
EXTRA_COLUMN: Final = "_extra"
#: What a column is mapped to when it is not to be read.
IGNORE: Final = "ignore"

#: Field → its headers, the plainest first: of two columns for one field it wins.
_SYNONYMS: Final[dict[str, str]] = {
    "member": "志愿者编号 志愿者号 志愿者号码 志愿者代码 志愿者注册号 注册编号 会员编号 会员号 "
    "会员代码 社工编号 党员编号 人员编号 member memberid memberno membernumber volunteerid "
    "volunteerno volunteer volunteernumber 编号",
    "project": "项目编号 项目代码 项目号 项目id 项目 项目名称 服务项目 志愿项目 "
    "projectid projectcode project projectname",
    "service_on": "服务日期 活动日期 日期 签到日期 serviceon servicedate dateofservice date day",
    "start": "开始时间 起始时间 服务开始时间 签到时间 上岗时间 "
    "start starttime timein signin checkin",
    "end": "结束时间 终止时间 服务结束时间 签退时间 离岗时间 end endtime timeout signout checkout",
    "span": "起止时间 服务时段 时间段 时段 timespan timerange",
    "minutes": "服务时长 时长 服务时数 时数 服务总时长 总时长 工时 服务小时 服务小时数 小时 小时数 "
    "分钟 分钟数 服务分钟 服务分钟数 minutes hours duration servicehours servicetime servicehour",
    "system": "信用时数 信用时长 信用小时 信用工时 systemhours systemminutes",
    "manual": "荣誉时数 荣誉时长 荣誉小时 荣誉工时 manualhours manualminutes",
    "evidence": "时数类型 时长类型 信用/荣誉 信用荣誉 记录方式 evidence hourstype",
    "category": "服务类别 服务类型 服务分类 类别 category servicecategory",
    "kind": "类型 记录类型 kind type",
    "team": "队伍 服务队伍 志愿队伍 所属队伍 队伍编号 team teamid",
    "activity": "活动 活动编号 activity activityid",
    "source": "来源 数据来源 来源系统 source sourcesystem",
    "source_ref": "记录编号 记录号 流水号 序号 sourceref reference recordid recordno rowid",
    "replaces": "替换 替换记录 replaces",
    "effective_on": "effectiveon",
}  # fmt: skip

#: Several columns may give a duration, if they say the same.
DURATIONS: Final = ("minutes", "system", "manual")
#: A bare number in these may be the number of a day.
DATED: Final = ("service_on", "start", "end", "effective_on")
FIELDS: Final = frozenset(_SYNONYMS)
FIELDS_TOLD: Final = ", ".join(sorted((*_SYNONYMS, IGNORE)))
#: A header without what stands in brackets, and without a unit at its end.
_IN_BRACKETS: Final = re.compile(r"[(\[【][^()\[\]【】]*[)\]】]")
_UNIT_AT_END: Final = re.compile(r"/?(小时|分钟|h|hours?|min|minutes?)$")
#: What is written between the words of a header, or beside them.
_BETWEEN: Final = re.compile(r"[\s_\-*:.、]")
_UNITS: Final[tuple[tuple[re.Pattern[str], Unit], ...]] = (
    (re.compile("分|min"), "minutes"),
    (re.compile(r"小时|hour|[(\[【/]hr?s?[)\]】]?$"), "hours"),
)

_FIELD_OF: Final = {
    name: (field, rank)
    for field, names in _SYNONYMS.items()
    for rank, name in enumerate(names.split())
}


class HeaderNotFound(Refusal):
    """No row has all the headers that a table of hours needs; nothing was recorded."""


class AmbiguousHeader(Refusal):
    """Two columns stand for the same field; say with --map which is to be ignored."""


class Meaning(NamedTuple):
    """What a header stands for; of two for one field the lower rank wins."""

    field: str
    rank: int
    unit: Unit | None = None


#: Header as it is compared → what a person said of it.
Meanings = Mapping[str, Meaning]


class Column(Struct, frozen=True):
    """A column that is read: where it stands, as what, in which unit if the header says."""

    index: int
    header: str
    field: str
    unit: Unit | None = None
    #: How plain the header is; of two for one field the lower wins.
    rank: int = 0


class Layout(Struct, frozen=True):
    """The header of a table: `rows` is how many rows it and what stands above it take."""

    headers: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: int
    #: The same cells further down are the header printed again.
    cells: tuple[Cell, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        """Fields that have a column."""
        return frozenset(column.field for column in self.columns)

    @property
    def ignored(self) -> list[str]:
        """Headers of columns that are not read."""
        used = {column.index for column in self.columns}
        return [
            header
            for index, header in enumerate(self.headers)
            if header and index not in used and header not in REJECT_COLUMNS
        ]

    @property
    def is_mended(self) -> bool:
        """Whether this is a rejects file, come back."""
        return "_code" in self.headers

    @property
    def added(self) -> frozenset[int]:
        """Indexes of the columns that an earlier run put there."""
        names = REJECT_COLUMNS if self.is_mended else ()
        return frozenset(index for index, name in enumerate(self.headers) if name in names)

    def is_exceeded(self, cells: Sequence[Cell]) -> bool:
        """Whether a row says something to the right of its header.

        A comma that stands in no quotation marks (2,5 hours) has then moved what comes after it.
        """
        beyond = cells[len(self.headers) :]
        more = (c for name, c in zip(self.headers, cells, strict=False) if name == EXTRA_COLUMN)
        return any(cell is not None and shown(cell).strip() for cell in (*beyond, *more))

    def has(self, header: str) -> bool:
        """Whether a column has this header."""
        return _key(header) in map(_key, self.headers)

    def header_of(self, field: str) -> str:
        """The header of the first column for a field, else the field's own name."""
        return next((c.header for c in self.columns if c.field == field), field)


def read_mapping(mapping: Mapping[str, str]) -> Meanings:
    """Headers → what a person says they stand for: a field, a known header, or `ignore`.

    Raises InvalidCommand for anything else.
    """
    return {_key(header): _said(header, said) for header, said in mapping.items()}


def _said(header: str, said: str) -> Meaning:
    """`minutes` and `hours` are units too; a duration's unit may also stand in the header."""
    if said == IGNORE:
        return Meaning(IGNORE, -1)
    meaning = Meaning(said, 0) if said in FIELDS - {"minutes"} else meaning_of(said)
    if meaning is None:
        raise InvalidCommand("map", header=header, field=said, allowed=FIELDS_TOLD)
    unit = meaning.unit or unit_of(_key(header))
    return Meaning(meaning.field, -1, unit if meaning.field in DURATIONS else None)


@lru_cache(4096)
def meaning_of(header: str) -> Meaning | None:
    """What a header stands for by itself, None for one that is not known."""
    key = _key(header)
    bare = _IN_BRACKETS.sub("", key)
    for name in (key, bare, _UNIT_AT_END.sub("", bare)):
        found = _FIELD_OF.get(_BETWEEN.sub("", name))
        if found is not None:
            field, rank = found
            return Meaning(field, rank, unit_of(key) if field in DURATIONS else None)
    return None


def unit_of(key: str) -> Unit | None:
    """The unit a header names: `服务时长(分钟)`, `小时数`, `minutes`; None if none, or both."""
    named = [unit for pattern, unit in _UNITS if pattern.search(key)]
    return named[0] if len(named) == 1 else None


def _key(header: str) -> str:
    """A header as it is compared: plain, in lower case, in one line."""
    return _one_line(header).casefold()


def _one_line(header: str) -> str:
    return re.sub(r"\s+", " ", plain(header))


def plainest(layouts: Iterable[Layout]) -> dict[str, str]:
    """Field → the plainest header it is read under in several tables; durations have none."""
    found: dict[str, Column] = {}
    for column in (column for layout in layouts for column in layout.columns):
        known = found.get(column.field)
        if known is None or column.rank < known.rank:
            found[column.field] = column
    return {name: column.header for name, column in found.items() if name not in DURATIONS}


# finding the header


def find_header(head: Sequence[Record], mapping: Meanings) -> Layout | None:
    """The best header among the first rows, the upper of equals; None if none has two fields.

    A rejects file says itself which row is its header. Raises AmbiguousHeader.
    """
    mended = mended_header(head)
    if mended is not None:
        return layout_of(head[mended].cells, mapping, rows=mended + 1)
    best, most = None, 1
    for number, record in enumerate(head):
        below = head[number + 1].cells if number + 1 < len(head) else ()
        for cells, rows in ((record.cells, 1), (_merged(record.cells, below, mapping), 2)):
            count = len({m.field for m in _meanings(cells, mapping) if m and m.field != IGNORE})
            if count > most:
                best, most = (cells, number + rows), count
    if best is None:
        return None
    return layout_of(best[0], mapping, rows=best[1])


def mended_header(head: Sequence[Record]) -> int | None:
    """The index of the header of a rejects file; None if it is none."""
    return next((n for n, record in enumerate(head) if "_code" in map(_text, record.cells)), None)


def _merged(upper: Sequence[Cell], lower: Sequence[Cell], mapping: Meanings) -> Sequence[Cell]:
    """Two rows of headers as one; nothing if the lower one is not all headers."""
    texts = [(_text(cell), index) for index, cell in enumerate(lower)]
    named = [(text, index) for text, index in texts if text]
    if not named or not all(_meaning(text, mapping) for text, _ in named):
        return ()
    if not any(_meanings(upper, mapping)):  # a title above the header, no header
        return ()
    width = max(len(upper), len(lower))
    cells = [*upper, *[None] * (width - len(upper))]
    for text, index in named:
        cells[index] = text
    return cells


def layout_of(cells: Sequence[Cell], mapping: Meanings, *, rows: int = 0) -> Layout:
    """The columns of a header row. Raises AmbiguousHeader."""
    headers = tuple(map(_text, cells))
    best: dict[str, Column] = {}
    many: list[Column] = []
    for index, meaning in enumerate(_meanings(cells, mapping)):
        if meaning is None or meaning.field == IGNORE:
            continue
        column = Column(index, headers[index], meaning.field, meaning.unit, meaning.rank)
        if meaning.field in DURATIONS:
            many.append(column)
        else:
            _keep_better(best, column)
    columns = sorted([*many, *best.values()], key=lambda column: column.index)
    return Layout(headers, tuple(columns), rows, tuple(cells))


def _keep_better(best: dict[str, Column], column: Column) -> None:
    known = best.get(column.field)
    if known is not None and known.rank == column.rank:
        raise AmbiguousHeader(column.field, first=known.header, second=column.header)
    if known is None or column.rank < known.rank:
        best[column.field] = column


def _meanings(cells: Iterable[Cell], mapping: Meanings) -> list[Meaning | None]:
    return [_meaning(_text(cell), mapping) for cell in cells]


def _meaning(header: str, mapping: Meanings) -> Meaning | None:
    if not header or header in REJECT_COLUMNS:
        return None
    return mapping.get(_key(header)) or meaning_of(header)


def _text(cell: Cell) -> str:
    """A header as it is shown; a number or a day is none."""
    return _one_line(cell) if isinstance(cell, str) else ""
