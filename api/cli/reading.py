"""Figures from the read models: brought up to the log's head first, within the caller's scope."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from msgspec import Struct, to_builtins

from api.cli import display, moves
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from api.cli.shapes import Shape
from ledger.domain.errors import InvalidCommand

if TYPE_CHECKING:
    from projections.basis import Basis
    from projections.moments import Moment
    from projections.past import Pasts
    from projections.standing import Standing
    from projections.visibility import Visibility


def reading_command(name: str, params: list[click.Parameter], **attrs: Any) -> Command:
    """A command that shows figures: with the options all of them have."""
    explained: list[click.Parameter] = [
        click.Option(["--explain"], is_flag=True, help="also list the events behind the figures"),
        limit_option("--explain-limit", "how many of them at most"),
    ]
    return page_command(name, [*params, *explained], **attrs)


def limit_option(name: str, help_: str) -> click.Option:
    """An option that bounds how many are told."""
    number = click.IntRange(min=1)
    return click.Option(
        [name], type=number, metavar="NUMBER", default=100, show_default=True, help=help_
    )


def page_command(name: str, params: list[click.Parameter], **attrs: Any) -> Command:
    """A command that reads what the tailer keeps."""
    caught_up = click.Option(
        ["--catch-up/--no-catch-up"], default=True,
        help="bring the figures up to the end of the log first, or read them as they stand",
    )  # fmt: skip
    return Command(name, params=[*params, *moment_options(), caught_up], **attrs)


def moment_options(prefix: str = "", what: str = "tell only") -> list[click.Parameter]:
    """The options that name a moment, on both axes of time."""
    return [
        click.Option(
            [f"--{prefix}known-at"], metavar="POSITION|TIME",
            help=f"{what} what was recorded by then: a position, or a time such as "
            "2025-07-01T00:00:00+08:00",
        ),
        click.Option(
            [f"--{prefix}as-of"], type=Shape(date), metavar="YYYY-MM-DD",
            help=f"{what} what counts on this day or before",
        ),
    ]  # fmt: skip


class Look(NamedTuple):
    """A look at the figures of one moment, and how much of what is behind them to tell."""

    now: Session
    standing: "Standing"
    pasts: "Pasts"
    explain: bool
    explain_limit: int

    def tell(
        self,
        answer: "Struct | dict[str, Any]",
        show: Callable[[], None],
        behind: Callable[[], "Basis"] | None = None,
    ) -> None:
        """Answer with figures, and with the first of the moves behind them if asked for."""
        limit = self.explain_limit
        found = list(islice(moves.moves_of(behind()), limit + 1)) if self.explain and behind else []
        if found:
            positions = {move["position"] for move in found}
            unseen = self.visibility.unseen(self.standing.store, positions)
            found = [moves.unnamed(m) if m["position"] in unseen else m for m in found]
        if self.now.json:
            told = to_builtins(answer)
            display.as_json(told | {"moves": found[:limit]} if self.explain else told)
            return
        show()
        if self.explain:
            moves.show(found[:limit], more=len(found) > limit)

    @property
    def visibility(self) -> "Visibility":
        """Which events whoever asks may see."""
        from projections.visibility import Visibility  # noqa: PLC0415

        return Visibility(self.standing.live, self.now.caller())

    def title(self, what: str) -> None:
        """Say whose figures these are, and at which moment they are true."""
        click.echo(f"{what}, {at_moment(self.standing.moment)}:")

    @contextmanager
    def at(self, known_at: str | None, as_of: date | None, field: str) -> "Iterator[Standing]":
        """The same at another moment; at the same position when none is named.

        Raises InvalidCommand.
        """
        from projections.standing import Standing  # noqa: PLC0415 (not for --help)

        store, live = self.standing.store, self.standing.live
        moment = self.standing.moment._replace(as_of=as_of)
        if known_at is not None:
            moment = moment_of(self.now, live.position, known_at, as_of, field)
        with Standing(store, live, self.pasts, moment) as standing:
            yield standing


def at_moment(moment: "Moment") -> str:
    """A moment as a title says it."""
    day = f", as of {moment.as_of}" if moment.as_of else ""
    return f"at position {moment.position:,}{day}"


def moment_of(
    now: Session, live: int, known_at: str | None, as_of: date | None, field: str = "known_at"
) -> "Moment":
    """The moment that was asked for; without one, where the figures stand.

    Raises InvalidCommand, also for a position that the figures have not been brought up to.
    """
    from projections.moments import Moment, find_moment  # noqa: PLC0415 (not for --help)

    if known_at is None:
        return Moment(live, as_of)
    moment = find_moment(now.open().store, known_at, as_of, field)
    if moment.position > live:
        raise InvalidCommand(field, reason="the figures stand before it", position=live)
    return moment


@contextmanager
def look(
    *,
    catch_up: bool,
    known_at: str | None,
    as_of: date | None,
    explain: bool = False,
    explain_limit: int = 1,
) -> Iterator[Look]:
    """The figures of one moment. Raises InvalidCommand, Unavailable, CorruptLog."""
    from projections.past import Pasts  # noqa: PLC0415 (not for --help)
    from projections.standing import Standing  # noqa: PLC0415

    now = session()
    reads = now.open_reads()
    if catch_up:
        bring_up(now)
    store = now.open().store
    pasts = Pasts(store, sealed=now.open().settings.sealed)
    with closing(pasts), reads.read() as live:
        moment = moment_of(now, live.position, known_at, as_of)
        with Standing(store, live, pasts, moment) as standing:
            yield Look(now, standing, pasts, explain, explain_limit)


def bring_up(now: Session) -> int:
    """Fold what the log has and the read models have not; the position reached.

    Raises Unavailable, CorruptLog, InvalidSettings (the figures are of another log).
    """
    from projections import bring_up as bringing  # noqa: PLC0415 (not for --help)

    store, reads = now.open().store, now.open_reads()
    missing = store.head().position - reads.position
    with progress("figures", missing, unit="events", shown=now.on_terminal) as advance:
        return bringing.bring_up(store, reads, advance)


def pairs_of(option: str, said: tuple[str, ...]) -> dict[str, str]:
    """`("project=P1", …)` as a mapping. Raises click.UsageError."""
    found: dict[str, str] = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not equals or name in found:
            raise click.UsageError(f"{option} {each} is not written, once, as name=value.")
        found[name] = value
    return found


def groups_of(by: tuple[str, ...]) -> list[str]:
    """`("region:6,month",)` as a list of groupings."""
    return [name for each in by for name in each.split(",")]


def slice_options(groupings: str) -> list[click.Parameter]:
    """The options that say what figures are grouped by and limited to."""
    return [
        click.Option(
            ["--by"], multiple=True, metavar="GROUPING,…", help=f"group by any of {groupings}"
        ),
        click.Option(
            ["--where"], multiple=True, metavar="NAME=VALUE",
            help="only what agrees; also from_month and to_month; may be given several times",
        ),
    ]  # fmt: skip


def spoken(filters: Mapping[str, str]) -> str:
    """The filters as a title says them."""
    told = ", ".join(f"{display.plain(name)} {value}" for name, value in filters.items())
    return f" ({told})" if told else ""
