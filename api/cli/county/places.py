"""Where and what for: regions, rules, organisations, the 99 projects and what they held."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from api.cli.county.draw import below, between, generator
from api.cli.county.plan import (
    DAYS,
    HAIYAN,
    HULI,
    NEW_YEAR,
    NINGXIA,
    OPERATOR,
    ORIGIN,
    PROJECTS,
    YEAR_END,
    Chunk,
    Plan,
    shares,
)
from ledger.domain.commands import (
    CloseProject,
    Command,
    HoldActivity,
    OpenLedger,
    OpenProject,
    ProfileRegion,
    RegisterOrganisation,
    SetAccrualRule,
    SetLimits,
    SetStarLevels,
    WithdrawActivity,
)
from ledger.domain.values import ActivityKind, OrgKind, StarLevel

#: Towns of Haiyan: code, name, inhabitants (made up; they add up to the county's).
TOWNS: Final = (
    ("330424001", "武原街道", 152_000),
    ("330424002", "西塘桥街道", 66_000),
    ("330424004", "秦山街道", 42_000),
    ("330424005", "望海街道", 51_000),
    ("330424101", "沈荡镇", 34_000),
    ("330424102", "百步镇", 37_000),
    ("330424103", "于城镇", 24_000),
    ("330424105", "澉浦镇", 25_000),
    ("330424106", "通元镇", 26_000),
)
COUNTY_PROFILES: Final = (
    (HAIYAN, "海盐县", 457_000),
    (HULI, "湖里区", 1_037_000),
    (NINGXIA, "西吉县", 316_000),
)
SOURCE: Final = "illustrative, rounded after the census of 2020"
TOWN_SOURCE: Final = "illustrative, made up for the demonstration"

#: What each town has a project for: name, categories of service.
THEMES: Final = (
    ("邻里助老", ("elder_care", "health")),
    ("护苗行动", ("child_care", "culture")),
    ("美丽河湖", ("environment", "community")),
    ("文明劝导", ("traffic", "community")),
    ("健康驿站", ("health", "elder_care")),
    ("书香乡镇", ("culture", "child_care")),
    ("助残同行", ("disability", "health")),
    ("平安巡防", ("safety", "traffic")),
    ("应急先锋", ("disaster_relief", "safety")),
    ("社区议事", ("community", "culture")),
    ("社工人才培育", ("community", "exam", "supervision", "training")),
)
#: Categories that are no service.
LESSONS: Final = ("exam", "supervision", "training")
#: The last theme's projects train and examine; projects of one town lie this far apart.
LEARNING: Final = 90
TOWN_COUNT: Final = len(TOWNS)

#: Days a migrated archive may lie back, and the limit it is closed to.
MIGRATION_DAYS: Final = 10_000
OPEN_DAYS: Final = 60
DAY_MINUTES_MAX: Final = 960

NEIGHBOURS: Final = "HL-NEIGHBOURS"
NEIGHBOUR_PROJECT: Final = "HL-P01"
SUPERVISION_PROJECT: Final = "HL-P02"
NINGXIA_PROJECTS: Final = ("NX-P01", "NX-P02")


#: Projects (indexes) that end with the year.
ENDED: Final = (26, 53, 80)


class Place(NamedTuple):
    """A project people serve in."""

    project: str
    categories: tuple[str, ...]
    town: int


#: (project, day of the year) → the activity held then, and its category.
Held = dict[tuple[str, int], tuple[str, str]]

PLACES: Final = tuple(
    Place(
        f"HY-P{n + 1:02}",
        tuple(c for c in THEMES[n // TOWN_COUNT][1] if c not in LESSONS),
        n % TOWN_COUNT,
    )
    for n in range(PROJECTS)
)
HULI_PLACE: Final = Place(NEIGHBOUR_PROJECT, ("community", "elder_care"), 0)
NINGXIA_PLACES: Final = tuple(Place(p, ("child_care", "health"), 0) for p in NINGXIA_PROJECTS)


def opening() -> Iterator[Chunk]:
    """The ledger, its regions and rules, open for the migration of an archive."""
    yield Chunk(OPERATOR, "registry", [OpenLedger(origin=ORIGIN, effective_on=NEW_YEAR)])
    for county, name, population in COUNTY_PROFILES:
        commands: list[Command] = [
            SetLimits(
                region=county,
                backdating_days=MIGRATION_DAYS,
                day_minutes_max=DAY_MINUTES_MAX,
                effective_on=NEW_YEAR,
            ),
            ProfileRegion(
                region=county,
                name=name,
                population=population,
                source=SOURCE,
                effective_on=NEW_YEAR,
            ),
            _star_levels(county),
            *_accrual_rules(county),
        ]
        yield Chunk(county, "registry", commands)
    yield Chunk(HAIYAN, "registry", [_town_profile(*town) for town in TOWNS])


def _town_profile(region: str, name: str, population: int) -> Command:
    return ProfileRegion(
        region=region,
        name=name,
        population=population,
        source=TOWN_SOURCE,
        effective_on=NEW_YEAR,
    )


def _star_levels(county: str) -> Command:
    """The levels of the national draft."""
    hours = (100, 300, 600, 1_000, 1_500)
    levels = tuple(StarLevel(stars=n + 1, minutes=h * 60) for n, h in enumerate(hours))
    return SetStarLevels(region=county, levels=levels, effective_on=NEW_YEAR)


def _accrual_rules(county: str) -> Iterator[Command]:
    """An hour earns an hour, care half as much again, at most eight hours a day."""
    prefix = {HAIYAN: "HY", HULI: "HL", NINGXIA: "NX"}[county]
    care = ("disability", "elder_care")
    for rule, categories, num, den in (("SERVICE", (), 1, 1), ("CARE", care, 3, 2)):
        yield SetAccrualRule(
            rule=f"{prefix}-{rule}",
            region=county,
            categories=categories,
            num=num,
            den=den,
            day_max=480,
            effective_on=NEW_YEAR,
        )


def closing() -> Iterator[Chunk]:
    """At the year's end some projects end, and the archive's limits are closed."""
    yield Chunk(
        HAIYAN,
        "registry",
        [
            CloseProject(
                project=PLACES[n].project,
                closes_on=YEAR_END,
                reason_code="completed",
                effective_on=YEAR_END,
            )
            for n in ENDED
        ],
    )
    for county, _, _ in COUNTY_PROFILES:
        limits = SetLimits(
            region=county,
            backdating_days=OPEN_DAYS,
            day_minutes_max=DAY_MINUTES_MAX,
            effective_on=YEAR_END + timedelta(days=1),
        )
        yield Chunk(county, "registry", [limits])


def organisations() -> Iterator[Chunk]:
    """Who organises, and the projects they run."""
    haiyan: list[Command] = [
        _organisation("HY-CAB", "海盐县民政局", "agency", HAIYAN),
        _organisation("HY-ASSOC", "海盐县志愿者协会", "association", HAIYAN),
    ]
    for n, (region, name, _) in enumerate(TOWNS):
        haiyan.append(_organisation(f"HY-O{n + 1}", f"{name}社会工作站", "community", region))
        haiyan.append(_organisation(f"HY-T{n + 1}", f"{name}志愿服务队", "team", region))
    haiyan += [_project(n) for n in range(PROJECTS)]
    yield Chunk(HAIYAN, "registry", haiyan)
    yield Chunk(
        HULI,
        "registry",
        [
            _organisation("HL-SOCIAL", "湖里区社会工作协会", "association", HULI),
            _organisation(NEIGHBOURS, "新老邻里互助队", "team", HULI),
            _open(NEIGHBOUR_PROJECT, "邻里守望", NEIGHBOURS, HULI, ("community", "elder_care")),
            _open(SUPERVISION_PROJECT, "社工督导", "HL-SOCIAL", HULI, ("supervision", "training")),
        ],
    )
    yield Chunk(
        NINGXIA,
        "registry",
        [
            _organisation("NX-SOCIAL", "西吉县社会工作服务中心", "agency", NINGXIA),
            _open("NX-P01", "闽宁同心留守儿童陪伴", "NX-SOCIAL", NINGXIA, ("child_care", "health")),
            _open("NX-P02", "闽宁同心健康下乡", "NX-SOCIAL", NINGXIA, ("child_care", "health")),
        ],
    )


def _organisation(code: str, name: str, kind: OrgKind, region: str) -> Command:
    return RegisterOrganisation(
        organisation=code,
        name=name,
        org_kind=kind,
        region=region,
        effective_on=NEW_YEAR,
    )


def _project(n: int) -> Command:
    """Project n of Haiyan: the theme n // 9 of the town n mod 9."""
    town, (theme, categories) = n % TOWN_COUNT, THEMES[n // TOWN_COUNT]
    region, name, _ = TOWNS[town]
    return _open(PLACES[n].project, f"{name}{theme}", f"HY-O{town + 1}", region, categories)


def _open(
    code: str, name: str, organisation: str, region: str, categories: tuple[str, ...]
) -> Command:
    return OpenProject(
        project=code,
        name=name,
        organisation=organisation,
        region=region,
        categories=categories,
        opens_on=NEW_YEAR,
        effective_on=NEW_YEAR,
    )


class Activities:
    """What was held in the year, and where entries can find it."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.rng = generator(seed, "activities")
        #: Service activities of Haiyan.
        self.held: Held = {}

    def chunks(self) -> Iterator[Chunk]:
        """All activities: service, learning and one that was taken back."""
        plan, rng = self.plan, self.rng
        haiyan = [*self._service(), *self._exams(), *self._trainings()]
        haiyan += self._withdrawn()
        yield Chunk(HAIYAN, "recorder", haiyan)
        sessions = [
            _hold(f"HL-S{n + 1:03}", SUPERVISION_PROJECT, "supervision", below(rng, 365),
                  "supervision", attended=between(rng, 3, 12))
            for n in range(plan.supervisions)
        ]  # fmt: skip
        yield Chunk(HULI, "recorder", sessions)

    def _service(self) -> Iterator[Command]:
        """Each project holds something; together they serve the published person-times."""
        rng, count = self.rng, max(PROJECTS, self.plan.served // 40)
        weights = [between(rng, 60, 140) for _ in range(count)]
        for n, served in enumerate(shares(self.plan.served, weights)):
            place, day = PLACES[n % PROJECTS], below(rng, 365)
            activity = f"HY-A{n + 1:04}"
            category = place.categories[below(rng, len(place.categories))]
            self.held[place.project, day] = activity, category
            yield _hold(activity, place.project, category, day, attended=between(rng, 12, 60),
                        served=served)  # fmt: skip

    def _exams(self) -> Iterator[Command]:
        """The yearly exam, sat in up to four rooms; some stay away."""
        plan = self.plan
        rooms = min(4, plan.exam_registered)
        absent = [*shares(plan.exam_registered - plan.exam_attended, [1] * rooms)]
        for n, registered in enumerate(shares(plan.exam_registered, [1] * rooms)):
            yield _hold(f"HY-E{n + 1}", PLACES[LEARNING].project, "exam", 164, "exam",
                        registered=registered, attended=registered - absent[n])  # fmt: skip

    def _trainings(self) -> Iterator[Command]:
        """Training sessions in all towns, some thirty people each; some stay away."""
        rng, total = self.rng, self.plan.trained
        count = (total + 29) // 30
        for n, attended in enumerate(shares(total, [1] * count)):
            project = PLACES[LEARNING + n % TOWN_COUNT].project
            yield _hold(f"HY-L{n + 1:02}", project, "training", below(rng, 365), "training",
                        registered=attended + below(rng, 6), attended=attended)  # fmt: skip

    def _withdrawn(self) -> Iterator[Command]:
        """An activity that turned out never to have happened."""
        yield _hold("HY-X1", PLACES[0].project, "elder_care", 220, attended=80, served=200)
        yield WithdrawActivity(
            activity="HY-X1", reason_code="never_happened", effective_on=DAYS[243]
        )


def _hold(
    activity: str,
    project: str,
    category: str,
    day: int,
    kind: ActivityKind = "service",
    *,
    registered: int | None = None,
    attended: int,
    served: int = 0,
) -> Command:
    return HoldActivity(
        activity=activity,
        project=project,
        category=category,
        kind=kind,
        held_on=DAYS[day],
        responsible=f"{project}-LEAD",
        registered=attended if registered is None else registered,
        attended=attended,
        served=served,
        effective_on=DAYS[day],
    )
