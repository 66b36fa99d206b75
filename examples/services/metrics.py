"""The metrics of the services: made once, at import, and exported by name."""

import os
from functools import partial

from prometheus_client import CollectorRegistry

from atomicx import AtomicInt, Counter, Family, Histogram
from atomicx.prometheus import Collector

LIMIT = 8  # requests that may be worked on at once
WORK_SECONDS = float(os.environ.get("SERVICE_WORK_SECONDS", "0.01"))
# Close together where answers are expected: at once for a refused request, otherwise after the work.
BOUNDS = [0.0001, 0.001, 0.01, 0.011, 0.012, 0.015, 0.02, 0.03, 0.05, 0.1, 1]

registry = CollectorRegistry()
metrics = Collector(registry)

# A label must never be what a client chose, or clients could make children without end. The limit guards
# that.
requests = metrics.counter(
    "http_requests", "Requests answered.", Family(Counter, "route", "status", limit=100, overflow="other")
)
latency = metrics.histogram(
    "http_latency",
    "Time to an answer.",
    Family(partial(Histogram, BOUNDS), "status", limit=10, overflow="other"),
    unit="seconds",
)
in_flight = metrics.gauge("http_in_flight", "Requests in the service.", AtomicInt())
working = metrics.gauge("http_working", "Requests that were admitted and are worked on.", AtomicInt())
metrics.gauge("http_working_limit", "How many may be worked on at once.", lambda: LIMIT)
