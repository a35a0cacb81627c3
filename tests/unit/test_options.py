"""The options of a command are its definition, read from a terminal: all of it, and strictly."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import fields

from api.cli import options, quantities, shapes
from api.words import WORDS
from ledger.domain import commands as c
from ledger.domain.values import Lot, StarLevel, Terms, Threshold

TERMS = Terms(
    purpose="助老", regions=("3304", "33"), opens_on=date(2025, 1, 1), closes_on=date(2025, 12, 31)
)
TERMS_OPTIONS = (
    "--terms-purpose=助老",
    "--terms-regions=3304,33",
    "--terms-opens-on=2025-01-01",
    "--terms-closes-on=2025-12-31",
)
TERMS_JSON = msgspec.json.encode(TERMS).decode()

FUND = ("F1", "--name=公益金", "--organisation=O1", "--region=330424")
LOG = ("V0001", "--project=P001", "--service-on=2025-03-01", "--category=x", "--evidence=system")


def invoke(kind: type[c.Command], args: Sequence[str]) -> tuple[c.Command | None, Result]:
    """Read a command from arguments: the command, or None and what click said."""
    found: list[c.Command] = []

    def run(**_: Any) -> None:
        found.append(options.read(kind, click.get_current_context()))

    command = click.Command("it", params=options.parameters(kind), callback=run)
    result = CliRunner().invoke(command, list(args))
    return (found[0] if found else None), result


def read(kind: type[c.Command], *args: str) -> c.Command:
    """The command that these arguments say."""
    command, result = invoke(kind, args)
    assert command is not None, result.output
    return command


def misread(kind: type[c.Command], *args: str) -> str:
    """What is told of arguments that say no command; they are a usage error."""
    command, result = invoke(kind, args)
    assert command is None
    assert result.exit_code == 2, result.output
    return result.output.splitlines()[-1]


def test_a_command_is_read_as_it_was_defined() -> None:
    assert read(
        c.LogHours, *LOG, "--minutes=150", "--start=09:00", "--end=11:30", "--source-ref=2025-03/17"
    ) == c.LogHours(
        member="V0001",
        project="P001",
        service_on=date(2025, 3, 1),
        minutes=150,
        category="x",
        evidence="system",
        start="09:00",
        end="11:30",
        source_ref="2025-03/17",
    )


@pytest.mark.parametrize("kind", c.COMMANDS.values(), ids=list(c.COMMANDS))
def test_every_field_of_every_command_has_an_option_and_a_word(kind: type[c.Command]) -> None:
    params = options.parameters(kind)
    paths = {p.path for p in params if isinstance(p, options.FieldOption | options.FieldArgument)}
    assert {path[0] for path in paths} == {field.name for field in fields(kind)}
    assert all(getattr(p, "help", "") for p in params)


def test_every_word_is_of_a_field() -> None:
    structs: list[type[msgspec.Struct]] = [*c.COMMANDS.values(), Terms, Threshold, Lot, StarLevel]
    assert set(WORDS) == {field.name for struct in structs for field in fields(struct)}


@pytest.mark.parametrize(
    ("text", "minutes"), [("2.5", 150), ("0.05", 3), ("24", 1440), ("2.50", 150), ("-1", -60)]
)
def test_hours_are_exact_minutes(text: str, minutes: int) -> None:
    assert read(c.LogHours, *LOG, f"--hours={text}") == read(
        c.LogHours, *LOG, f"--minutes={minutes}"
    )


@pytest.mark.parametrize(
    ("text", "fen"), [("1900.50", 190_050), ("0.01", 1), ("19000000", 1_900_000_000)]
)
def test_yuan_are_exact_fen(text: str, fen: int) -> None:
    given = ("F1", "--target=project/P1")
    assert read(c.ReleaseFunds, *given, f"--yuan={text}") == read(
        c.ReleaseFunds, *given, f"--fen={fen}"
    )


@pytest.mark.parametrize(
    "text", ["2.51", "1e2", "NaN", "inf", "1,5", "2.5h", "", "２", "1_0", "0x1", " 1", "2.", ".5"]
)
def test_hours_that_are_no_whole_minutes_are_refused_with_their_place(text: str) -> None:
    assert "Invalid value for '--hours'" in misread(c.LogHours, *LOG, f"--hours={text}")


@pytest.mark.parametrize("text", ["1.5", "1e2", "NaN", "１", "1_0", "9" * 30, ""])
def test_minutes_are_whole_numbers(text: str) -> None:
    assert "Invalid value for '--minutes'" in misread(c.LogHours, *LOG, f"--minutes={text}")


def test_lists_are_repeated_or_separated_by_commas() -> None:
    expected = c.RegisterMember(member="V1", region="33", kinds=("party_member", "volunteer"))
    given = ("V1", "--region=33")
    assert read(c.RegisterMember, *given, "--kinds=party_member,volunteer") == expected
    assert read(c.RegisterMember, *given, "--kinds=party_member", "--kinds=volunteer") == expected
    assert read(c.RegisterMember, *given) == c.RegisterMember(member="V1", region="33")


@pytest.mark.parametrize("given", [TERMS_OPTIONS, (f"--terms={TERMS_JSON}",)])
def test_a_structure_is_one_option_a_field_or_json(given: tuple[str, ...]) -> None:
    assert read(c.OpenFund, *FUND, *given) == c.OpenFund(
        fund="F1", name="公益金", organisation="O1", region="330424", terms=TERMS
    )


def test_a_threshold_may_be_given_in_hours() -> None:
    command = read(
        c.DefinePolicy, "L1", "--name=a", "--dimension=social_respect", "--region=33",
        "--threshold-hours=100", "--threshold-months=36", "--opens-on=2025-01-01",
        "--closes-on=2025-12-31", "--yuan-cost=0.50",
    )  # fmt: skip
    assert isinstance(command, c.DefinePolicy)
    assert command.threshold == Threshold(minutes=6000, months=36)
    assert command.fen_cost == 50


@pytest.mark.parametrize(
    "given",
    [
        ("--levels=1=100h,2=300h",),
        ("--levels=1=6000min", "--levels=2=300h"),
        ('--levels=[{"stars":1,"minutes":6000},{"stars":2,"minutes":18000}]',),
    ],
)
def test_star_levels_have_a_short_form(given: tuple[str, ...]) -> None:
    assert read(c.SetStarLevels, "33", *given) == c.SetStarLevels(
        region="33", levels=(StarLevel(stars=1, minutes=6000), StarLevel(stars=2, minutes=18000))
    )


def test_lots_have_a_short_form() -> None:
    lot = Lot(receipt="F1-R1", source_kind="charity", source_id="C1", fen=1250)
    short = read(c.ReverseSpend, "F1-E1", "--reason-code=x", "--lots=F1-R1:charity:C1=12.50yuan")
    as_json = f"--lots=[{msgspec.json.encode(lot).decode()}]"
    assert short == read(c.ReverseSpend, "F1-E1", "--reason-code=x", as_json)
    assert short == c.ReverseSpend(expense="F1-E1", lots=(lot,), reason_code="x")


@pytest.mark.parametrize(
    ("kind", "args", "says"),
    [
        (c.RegisterMember, ("v1", "--region=33"), "'v1' is not a member id such as V0001"),
        (c.RegisterMember, ("V1\n", "--region=33"), "is not a member id"),
        (c.RegisterMember, ("V1",), "Missing option '--region'."),
        (c.RegisterMember, (), "Missing argument 'MEMBER'."),
        (c.RegisterMember, ("V1", "--region=333"), "'--region': '333' is not a region code"),
        (c.RegisterMember, ("V1", "--region=33", "--kinds=saint"), "'saint' is not one of"),
        (c.RegisterMember, ("V1", "--region=33", "--kinds="), "'' is not one of"),
        (c.LogHours, (*LOG, "--minutes=1", "--hours=1"), "--hours and --minutes exclude"),
        (c.LogHours, LOG, "Missing option '--minutes' or '--hours'."),
        (c.LogHours, (*LOG, "--minutes=1", "--service-on=2025-02-30"), "is not a day"),
        (c.LogHours, (*LOG, "--minutes=1", "--service-on=0"), "is not a day"),
        (c.LogHours, (*LOG, "--minutes=1", "--start=24:00"), "is not a clock time such as 09:00"),
        (c.LogHours, (*LOG, "--minutes=1", "--wishes=1"), "No such option"),
        (c.OpenFund, FUND, "Missing option '--terms' or '--terms-purpose'"),
        (c.OpenFund, (*FUND, "--terms-purpose=a"), "Missing option '--terms-opens-on'."),
        (c.OpenFund, (*FUND, '--terms={"purpose":1}'), "(at purpose)"),
        (c.OpenFund, (*FUND, "--terms={"), "Invalid value for '--terms'"),
        (c.OpenFund, (*FUND, f'--terms={TERMS_JSON[:-1]},"a":1}}'), "unknown field `a`"),
        (c.OpenFund, (*FUND, f"--terms={TERMS_JSON}", *TERMS_OPTIONS), "exclude each other"),
        (c.SetStarLevels, ("33", "--levels=1=100"), "'1=100': '100' lacks its unit: h or min"),
        (c.SetStarLevels, ("33", "--levels=100h"), "'100h' is not written as stars=h"),
        (c.SetStarLevels, ("33", "--levels=11=100h"), "Expected `int` <= 10"),
        (c.SetStarLevels, ("33", "--levels=[]"), "at `$.levels`"),
        (c.ReverseSpend, ("F1-E1", "--reason-code=x", "--lots=F1-R1=1yuan"), "is not written as"),
        (c.ReceiveFunds, ("F1", "--yuan=0.001"), "0.001 yuan is 0.1 fen, not a whole number"),
        (c.ReceiveFunds, ("F1", "--yuan=0"), "Expected `int` >= 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(
    kind: type[c.Command], args: tuple[str, ...], says: str
) -> None:
    assert says in misread(kind, *args)


def example(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Some well-formed value for every field of a structure."""
    return {field.name: example_value(field.type, field.name) for field in fields(kind)}


def example_value(type_: Any, name: str) -> Any:
    type_ = shapes.plain(type_)
    item = shapes.item_of(type_)
    if item is not None:
        return [example_value(item, name)]
    if shapes.is_struct(type_):
        return example(type_)
    for value in (
        True, 3, "2025-03-01", "abc", "09:00", "project/P1", "V1-T1", "a" * 64, "+08:00", "CNY",
        *getattr(shapes.base(type_), "__args__", ()),
    ):  # fmt: skip
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError:
            continue
        return value
    examples = [meta.examples[0] for meta in shapes.metas(type_) if meta.examples]
    assert examples, f"no example for {name}"
    return examples[0]


def arguments(kind: type[c.Command], values: dict[str, Any]) -> list[str]:
    """The arguments that say these values, nested ones as JSON."""
    positional, *_ = options.own_fields(kind)
    args = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            args.append(option)
            continue
        structured = isinstance(value, dict) or (
            isinstance(value, list) and isinstance(value[0], dict)
        )
        text = (
            json.dumps(value) if structured else str(value[0] if isinstance(value, list) else value)
        )
        args += [text] if name == positional.name else [f"{option}={text}"]
    return args


@pytest.mark.parametrize("kind", c.COMMANDS.values(), ids=list(c.COMMANDS))
def test_every_field_of_every_command_can_be_given(kind: type[c.Command]) -> None:
    values = example(kind)
    assert read(kind, *arguments(kind, values)) == msgspec.convert(values, kind)


def test_quantities_are_shown_with_two_decimals() -> None:
    assert [quantities.hours(m) for m in (0, 1, 100, 150, -150, 683_400_000)] == [
        "0.00", "0.02", "1.67", "2.50", "-2.50", "11,390,000.00",
    ]  # fmt: skip
    assert [quantities.yuan(fen) for fen in (0, 1, -1, 190_050, 1_900_000_000)] == [
        "0.00", "0.01", "-0.01", "1,900.50", "19,000,000.00",
    ]  # fmt: skip
