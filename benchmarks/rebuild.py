"""Rebuild of all read models, beside a stock ProjectionRunner that writes one balance table."""

from collections.abc import Iterator

from benchmarks import hledger_peer
from benchmarks.bulk_load import stock_env
from benchmarks.options import Options, run_alone
from benchmarks.places import POSTGRES, Places
from benchmarks.running import Measured, Row, Side, alternate, apart, timed
from benchmarks.stock_projection import project
from ledger.settings import Settings
from ledger.store.open import open_store
from projections.database import open_reads
from projections.rebuild import rebuild

RATE = 200_000
TIMES = 30.0


def rebuilt(url: str) -> Measured:
    """Build, compare, swap."""
    settings = Settings(database_url=url)
    store, reads = open_store(settings), open_reads(settings.read_models)
    measured = timed(lambda: rebuild(store, reads).position)
    reads.close()
    store.close()
    return measured


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Rows for each database; the stock runner runs on PostgreSQL only."""
    runs = min(options.runs, 2)
    members = options.sized(200)
    for database in options.databases:
        url = places.county(database, options.county).url
        peers = [
            Side(
                "a stock ProjectionRunner, one table (PostgreSQL)",
                lambda: apart(project, stock_env(places, POSTGRES), members),
                TIMES,
            )
        ]
        if hledger_peer.is_installed():
            journal = places.folder_named() / "county.journal"
            peers.append(
                Side(
                    "hledger balance of the same moves",
                    lambda url=url, journal=journal: apart(hledger_peer.balance, url, journal),  # type: ignore[misc]
                )
            )
        yield from alternate(
            "rebuild of all read models", database, lambda url=url: apart(rebuilt, url),  # type: ignore[misc]
            peers, runs, target=RATE,
        )  # fmt: skip


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
