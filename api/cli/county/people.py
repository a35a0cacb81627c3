"""The people of three counties, member by member, as a migrated archive brings them.

Each block of members passes the offices once: registered, logged, verified, revised, recorded
anew, verified again, granted. So a member's stream is written in a few neighbouring chunks, and
memory holds one block.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Final

from api.cli.county.draw import below, between, generator
from api.cli.county.entries import Diary, Earned, Pages, Server
from api.cli.county.grants import ASKING, Desk
from api.cli.county.places import (
    HULI_PLACE,
    LEARNING,
    NEIGHBOURS,
    NINGXIA_PLACES,
    PLACES,
    SUPERVISION_PROJECT,
    TOWN_COUNT,
    TOWNS,
    Held,
    Place,
)
from api.cli.county.plan import (
    DAYS,
    HAIYAN,
    HULI,
    NATIVES,
    NEW_YEAR,
    NEWCOMERS,
    NINGXIA,
    PROJECTS,
    Chunk,
    Plan,
    shares,
    spread,
)
from ledger.domain.commands import (
    ChangeMemberKinds,
    Command,
    DeregisterMember,
    JoinOrganisation,
    LeaveOrganisation,
    MoveMember,
    RecordCredential,
    RegisterMember,
    WithdrawCredential,
)
from ledger.domain.values import MemberKind, Residency

#: Entries, and members, after which a block goes to the offices.
BLOCK_ENTRIES: Final = 6_000
BLOCK_MEMBERS: Final = 1_500

#: Hours a year of fifty equally many members: many give little, few give a great deal.
HOURS: Final = (
    6, 9, 12, 15, 18, 21, 25, 28, 32, 36, 40, 44, 48, 52, 57, 62, 67, 72, 77, 83, 89, 95, 101, 107,
    114, 121, 128, 136, 144, 152, 161, 170, 180, 190, 200, 212, 224, 237, 250, 265, 282, 300, 322,
    350, 385, 430, 500, 620, 820, 1_100,
)  # fmt: skip

#: Certificates: share in a hundred, level of the national examination, tier of the county's ladder.
LADDER: Final = (
    (5, "senior_social_worker", "leading"),
    (35, "social_worker", "backbone"),
    (100, "assistant_social_worker", "reserve"),
)
TIERS: Final = tuple(tier for _, _, tier in LADDER)
CREDENTIAL: Final = "social_worker"
#: Of fewer than so many, five in a hundred are nobody: then each tier has a third.
FEW: Final = 20


class Block:
    """Members whose papers go round the offices together."""

    def __init__(self, county: str) -> None:
        self.county = county
        self.members = 0
        self.registered: list[Command] = []
        self.pages = Pages()
        self.granted: list[Command] = []

    @property
    def is_full(self) -> bool:
        """Whether it is time to hand it in."""
        return len(self.pages.logged) >= BLOCK_ENTRIES or self.members >= BLOCK_MEMBERS

    def chunks(self) -> Iterator[Chunk]:
        """What each office does, in turn."""
        pages = self.pages
        rounds = (
            Chunk(self.county, "registry", self.registered),
            Chunk(self.county, "recorder", pages.logged),
            Chunk(self.county, "verifier", pages.judged),
            Chunk(self.county, "reviser", pages.revised),
            Chunk(self.county, "recorder", pages.relogged),
            Chunk(self.county, "verifier", pages.rejudged),
            Chunk(self.county, "granter", self.granted),
        )
        return (chunk for chunk in rounds if chunk.commands)


def weight(ordinal: int, seed: int) -> int:
    """How much the active member gives, compared with others."""
    jitter = (ordinal * 7919 + seed % 1_000_003 * 104_729) % 201
    return HOURS[ordinal * 21 % len(HOURS)] * (900 + jitter)


class Haiyan:
    """The county's members; active and certified ones are spread evenly over the numbers."""

    def __init__(self, plan: Plan, seed: int, held: Held, desk: Desk) -> None:
        self.plan = plan
        self.seed = seed
        self.held = held
        self.desk = desk
        self.active = 0
        self.certified = 0
        #: Who gave most: minutes, member.
        self.most = (0, "")

    def chunks(self) -> Iterator[Chunk]:
        """All blocks; at the end those who have left."""
        plan, seed = self.plan, self.seed
        block = Block(HAIYAN)
        minutes = shares(plan.minutes, [weight(n, seed) for n in range(plan.active)])
        for index in range(plan.registered):
            active = spread(index, plan.active, plan.registered)
            self._member(block, index, next(minutes) if active else 0)
            if block.is_full:
                yield from block.chunks()
                block = Block(HAIYAN)
        self._departed(block)
        yield from block.chunks()

    def _member(self, block: Block, index: int, minutes: int) -> None:
        """One member with everything; `minutes` 0 for those who are not active."""
        rng = generator(self.seed, "member", index)
        member = f"HY{index + 1:06}"
        certified = spread(index, self.plan.certified, self.plan.registered)
        places = self._places(index)
        self._register(block.registered, member, places[0].town, rng, certified=certified)
        block.members += 1
        if certified:
            block.registered += certificates(member, self.certified, self.plan.certified, rng)
            self.certified += 1
        trainings = between(rng, 2, 5) if certified else int(minutes > 0 and not below(rng, 20))
        if not minutes and not trainings:
            return
        server = Server(
            member=member,
            minutes=minutes,
            trainings=trainings,
            places=places,
            learning=PLACES[LEARNING + places[0].town].project,
            team=f"HY-T{places[0].town + 1}" if below(rng, 4) == 0 else None,
        )
        earned = Diary(block.pages, server, rng, self.held).write()
        self.most = max(self.most, (minutes, member))
        if minutes:
            self._ask(block, member, earned)

    def _ask(self, block: Block, member: str, earned: Earned) -> None:
        """Some of the active ones ask for an incentive."""
        if self.active % ASKING == 0:
            block.granted += self.desk.ask(member, earned)
        self.active += 1

    def _places(self, index: int) -> tuple[Place, Place, Place]:
        """Projects of the member's town; active members reach all 99 from the first 72 on."""
        n = self.active if self.active < PROJECTS else index
        return PLACES[n % PROJECTS], PLACES[(n + 36) % PROJECTS], PLACES[(n + 72) % PROJECTS]

    def _register(
        self, commands: list[Command], member: str, town: int, rng: Random, *, certified: bool
    ) -> None:
        """Register, long ago or in the year; some moved or joined the party since."""
        kinds = kinds_of(rng, certified=certified)
        region = TOWNS[town][0]
        moved, joined = below(rng, 100) == 0, "party_member" in kinds and below(rng, 10) == 0
        first = tuple(kind for kind in kinds if kind != "party_member") if joined else kinds
        commands.append(
            RegisterMember(
                member=member,
                region=TOWNS[(town + 1) % TOWN_COUNT][0] if moved else region,
                kinds=first,
                effective_on=NEW_YEAR - timedelta(days=between(rng, 30, 3_000)),
            )
        )
        if moved:
            commands.append(MoveMember(member=member, region=region, effective_on=NEW_YEAR))
        if joined:
            commands.append(ChangeMemberKinds(member=member, kinds=kinds, effective_on=NEW_YEAR))

    def _departed(self, block: Block) -> None:
        """Beyond those registered: some who have left, the first of them certified once."""
        for n in range(1 + self.plan.registered // 200):
            rng = generator(self.seed, "departed", n)
            member, day = f"HYX{n + 1:04}", DAYS[below(rng, 365)]
            self._register(block.registered, member, n % TOWN_COUNT, rng, certified=n == 0)
            if n == 0:
                block.registered += [
                    _certificate(member, *LADDER[2][1:], NEW_YEAR),
                    WithdrawCredential(
                        member=member,
                        credential=CREDENTIAL,
                        reason_code="moved_away",
                        effective_on=day,
                    ),
                ]
            block.registered.append(
                DeregisterMember(member=member, reason_code="moved_away", effective_on=day)
            )


def kinds_of(rng: Random, *, certified: bool) -> tuple[MemberKind, ...]:
    """What a member is: a volunteer as a rule, a social worker if certified, or both."""
    party: tuple[MemberKind, ...] = ("party_member",) if below(rng, 8) == 0 else ()
    if not certified:
        return (*party, "volunteer")
    return (*party, "social_worker", "volunteer") if below(rng, 2) else (*party, "social_worker")


def certificates(member: str, nth: int, count: int, rng: Random) -> Iterator[Command]:
    """The nth of so many certificates; each tier has someone, and some rose to theirs."""
    percent = nth * 100 // count
    step = next(n for n, (upto, _, _) in enumerate(LADDER) if percent < upto)
    if count < FEW:
        step = nth % len(LADDER)
    if step < 2 and below(rng, 5) == 0:
        yield _certificate(member, *LADDER[step + 1][1:], NEW_YEAR)
    yield _certificate(member, *LADDER[step][1:], DAYS[below(rng, 365)])


def _certificate(member: str, level: str, tier: str, on: date) -> Command:
    return RecordCredential(
        member=member, credential=CREDENTIAL, level=level, tier=tier, effective_on=on
    )


def huli(plan: Plan, seed: int) -> Iterator[Chunk]:
    """The neighbour team, and the certified social workers."""
    block = Block(HULI)
    for n in range(NEWCOMERS + NATIVES):
        residency: Residency = "newcomer" if spread(n, NEWCOMERS, NEWCOMERS + NATIVES) else "native"
        _neighbour(block, n, residency, seed)
    _gone(block)
    yield from block.chunks()
    block = Block(HULI)
    for n in range(plan.certified_huli):
        rng = generator(seed, "huli", n)
        member = f"HLS{n + 1:04}"
        block.registered.append(_registered(member, HULI, "social_worker"))
        block.registered += certificates(member, n, plan.certified_huli, rng)
        places = (HULI_PLACE, HULI_PLACE, HULI_PLACE)
        server = Server(member, 0, 1, places, SUPERVISION_PROJECT, None)
        Diary(block.pages, server, rng, {}).write()
        block.members += 1
        if block.is_full:
            yield from block.chunks()
            block = Block(HULI)
    yield from block.chunks()


def _neighbour(block: Block, n: int, residency: Residency, seed: int) -> None:
    """One of the team, who serves next door."""
    rng = generator(seed, "neighbour", n)
    member = f"HLN{n + 1:03}"
    block.registered += [
        _registered(member, HULI),
        JoinOrganisation(
            member=member, organisation=NEIGHBOURS, residency=residency, effective_on=NEW_YEAR
        ),
    ]
    places = (HULI_PLACE, HULI_PLACE, HULI_PLACE)
    server = Server(member, between(rng, 600, 3_000), 0, places, SUPERVISION_PROJECT, NEIGHBOURS)
    Diary(block.pages, server, rng, {}).write()


def _gone(block: Block) -> None:
    """One more who joined and left again."""
    block.registered += [
        _registered("HLN999", HULI),
        JoinOrganisation(
            member="HLN999", organisation=NEIGHBOURS, residency="newcomer", effective_on=NEW_YEAR
        ),
        LeaveOrganisation(member="HLN999", organisation=NEIGHBOURS, effective_on=DAYS[120]),
    ]


def ningxia(seed: int) -> Iterator[Chunk]:
    """Those who serve in the projects that the transferred money pays for."""
    block = Block(NINGXIA)
    one, other = NINGXIA_PLACES
    for n in range(30):
        rng = generator(seed, "ningxia", n)
        member = f"NX{n + 1:03}"
        block.registered.append(_registered(member, NINGXIA))
        places = (one, other, one) if n % 2 else (other, one, other)
        server = Server(member, between(rng, 800, 2_400), 0, places, one.project, None)
        Diary(block.pages, server, rng, {}).write()
    yield from block.chunks()


def _registered(member: str, region: str, kind: MemberKind = "volunteer") -> Command:
    return RegisterMember(member=member, region=region, kinds=(kind,), effective_on=NEW_YEAR)
