"""What Prometheus is told: requests, commands, figures behind the log, looks that were dropped."""

from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: Seconds.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The figures of one service; each service has its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = {"registry": self._registry}
        route = ("method", "route")
        self._requests = Counter(
            "hourledger_requests", "Requests answered.", (*route, "status"), **own
        )
        self._seconds = Histogram(
            "hourledger_request_seconds", "Time to answer.", route, buckets=BUCKETS, **own
        )
        self._commands = Counter(
            "hourledger_commands", "Commands by what became of them.", ("op", "outcome"), **own
        )
        self.under_way = Gauge("hourledger_requests_under_way", "Requests being answered.", **own)
        self.streams = Gauge("hourledger_streams", "Streams of server-sent events.", **own)
        self.head = Gauge("hourledger_log_position", "Last position of the log.", **own)
        self.position = Gauge(
            "hourledger_figures_position", "Position the figures are true at.", **own
        )
        self.lag = Gauge("hourledger_figures_lag_seconds", "Seconds the figures are behind.", **own)
        self.looks_waiting = Gauge(
            "hourledger_looks_waiting", "Looks at members and funds not written yet.", **own
        )
        self.looks_dropped = Gauge(
            "hourledger_looks_dropped", "Looks at members and funds that were not kept.", **own
        )
        # Finding a child by its labels takes a lock and a copy each time.
        self._request = lru_cache(4096)(self._requests.labels)
        self._duration = lru_cache(1024)(self._seconds.labels)
        self._command = lru_cache(4096)(self._commands.labels)

    def saw(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; status 0: it was not."""
        method = method if method in METHODS else "other"
        self._request(method, route, str(status)).inc()
        self._duration(method, route).observe(seconds)

    def did(self, op: str, outcome: str, count: int = 1) -> None:
        """Commands were done, or refused with a code."""
        self._command(op, outcome).inc(count)

    def text(self) -> bytes:
        """All of it in Prometheus' own form."""
        return generate_latest(self._registry)


METHODS: Final = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
