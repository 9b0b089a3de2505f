"""What a server counts, for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one process; of all workers together where PROMETHEUS_MULTIPROC_DIR names a folder."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter("anyrank_requests", "Requests", ["path", "status"], registry=r)
        self.seconds = Histogram("anyrank_seconds", "Seconds a request", ["path"], buckets=SECONDS, registry=r)
        self.documents = Counter("anyrank_documents", "Documents ranked", registry=r)
        self.tokens = Counter("anyrank_tokens", "Tokens read by models", registry=r)
        self.degraded = Counter("anyrank_degraded", "Answers that were not all judged", ["status"], registry=r)
        self.waiting = Gauge(
            "anyrank_waiting_tokens", "About the tokens that wait", registry=r, multiprocess_mode="livesum"
        )

    def text(self) -> bytes:
        """All counters in Prometheus' format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
