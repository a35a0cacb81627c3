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
        route = ("method", "route")
        self._requests = Counter(
            "hourledger_requests", "Requests answered.", (*route, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "hourledger_request_seconds",
            "Time to answer.",
            route,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._commands = Counter(
            "hourledger_commands",
            "Commands by what became of them.",
            ("op", "outcome"),
            registry=self._registry,
        )
        #: Requests being answered.
        self.under_way = 0
        under_way = self._gauge("requests_under_way", "Requests being answered.")
        under_way.set_function(lambda: self.under_way)
        self.streams = self._gauge("streams", "Streams of server-sent events.")
        self.head = self._gauge("log_position", "Last position of the log.")
        self.ahead = self._gauge("log_ahead_seconds", "Seconds the log is ahead of the clock.")
        self.position = self._gauge("figures_position", "Position the figures are true at.")
        self.lag = self._gauge("figures_lag_seconds", "Seconds the figures are behind.")
        self.writer = self._gauge("writer_process", "Whether the writer's process stands ready.")
        self.looks_waiting = self._gauge("looks_waiting", "Looks at data not written yet.")
        self.looks_dropped = self._gauge("looks_dropped", "Looks at data that were not kept.")
        # Finding a child by its labels takes a lock and a copy each time.
        self._request = lru_cache(4096)(self._requests.labels)
        self._duration = lru_cache(1024)(self._seconds.labels)
        self._command = lru_cache(4096)(self._commands.labels)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(f"hourledger_{name}", about, registry=self._registry)

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
