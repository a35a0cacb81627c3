"""Reads over HTTP with a county in the ledger: one after the other, times in milliseconds."""

from collections.abc import Iterator
from itertools import cycle, islice

from benchmarks import services
from benchmarks.county import size_of
from benchmarks.load import ask, request
from benchmarks.options import Options, run_alone
from benchmarks.places import Places
from benchmarks.running import Measured, Row, apart, median
from ledger.settings import Settings
from projections.database import open_reads

P50_MS, P99_MS, ARBITRARY_MS = 3.0, 15.0, 2000.0
#: What is asked → paths; a name in braces stands for each of the county's own in turn.
READS = {
    "a member's balance": ["/v1/members/{member}/balance"],
    "a fund's usage": ["/v1/funds/{fund}/usage"],
    "minutes in total": ["/v1/totals"],
    "minutes by town": ["/v1/totals?group_by=region:9"],
    "minutes by month": ["/v1/totals?group_by=month"],
    "minutes of a project": ["/v1/totals?project={project}"],
    "distinct people": ["/v1/participation"],
    "distinct people by town": ["/v1/participation?group_by=region:9"],
    "distinct people by project": ["/v1/participation?group_by=project"],
    "distinct people by month": ["/v1/participation?group_by=month"],
    "distinct people of a project": ["/v1/participation?project={project}"],
}
ARBITRARY = {
    "distinct people by town and category, a quarter": [
        "/v1/participation?group_by=region:9,category&from_month=2025-04&to_month=2025-06"
    ],
}
NAMES = 200
CLIENTS = 2


def names_of(url: str) -> dict[str, list[str]]:
    """Members, funds and projects of a county, spread over all of them."""
    reads = open_reads(Settings(database_url=url).read_models)
    with reads.read() as snapshot:
        found = {
            "member": [m for (m,) in snapshot.rows("SELECT member FROM {g}members")],
            **{
                kind: [i for (i,) in snapshot.rows(
                    "SELECT id FROM {g}catalogue WHERE type = ? ORDER BY id", kind
                )]
                for kind in ("fund", "project")
            },
        }  # fmt: skip
    reads.close()
    return {kind: names[:: max(1, len(names) // NAMES)] for kind, names in found.items()}


def asked(url: str, key: dict[str, str], paths: list[str], seconds: float) -> Measured:
    """Ask for these paths in turn."""
    requests = [request("GET", path, key) for path in paths]
    return ask(url, list(islice(cycle(requests), 200_000)), CLIENTS, seconds)


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """The median and the slowest hundredth of each read on each database."""
    for database in options.databases:
        url = places.county(database, options.county).url
        key, names = services.key_for(url), names_of(url)
        note = f"{size_of(url):,} events"
        with services.ours(url) as service:
            for what, templates in {**READS, **ARBITRARY}.items():
                paths = [path for each in templates for path in _filled(each, names)]
                asked(service.url, key, paths[:5], 0.5)
                found = [
                    apart(asked, service.url, key, paths, options.seconds / 2)
                    for _ in range(min(options.runs, 3))
                ]
                for name, most in (("p50", P50_MS), ("p99", P99_MS)):
                    bound = ARBITRARY_MS if what in ARBITRARY else most
                    yield Row(
                        f"{what}, {name}", database, "ms",
                        median([each.more[name] for each in found]),
                        target=bound, is_upper=True, note=note if name == "p50" else "",
                        peak_mib=service.peak_mib, runs=len(found),
                    )  # fmt: skip


def _filled(template: str, names: dict[str, list[str]]) -> list[str]:
    kind = next((kind for kind in names if f"{{{kind}}}" in template), None)
    return [template.format(**{kind: name}) for name in names[kind]] if kind else [template]


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
