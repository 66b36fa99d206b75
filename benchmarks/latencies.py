"""Measures the latencies of a server under load, and compares histograms' quantiles with the exact ones.

Each client notes every latency in a list, and observes it in the histograms. So the exact quantiles are
known, and what is compared does not depend on how fast the machine was.
"""

import argparse
import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import atomicx
from atomicx._boundaries import boundary
from atomicx._exponential import in_use
from atomicx._terminal import columns

from . import results

CLIENTS = 4
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
# Those that prometheus_client takes by default.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
FIXED = "Histogram with prometheus_client's default bounds"
SCALES = (0, 2, 4, 6)
# One request in RARE sums up WORK numbers, the others fewer than 100.
RARE, WORK = 20, 40_000


class Handler(BaseHTTPRequestHandler):
    """Answers at once, or does some work first, as the path says."""

    protocol_version = "HTTP/1.1"
    # Without this, each answer would wait for the acknowledgement of its head.
    wbufsize = -1

    def do_GET(self) -> None:
        body = str(sum(range(int(self.path[1:])))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[int]:
    """Run a server; yields its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def made() -> dict[str, Any]:
    """Return the histograms to compare, by name."""
    exponential = {f"ExponentialHistogram({scale})": atomicx.ExponentialHistogram(scale) for scale in SCALES}
    return {FIXED: atomicx.Histogram(BOUNDS), **exponential}


def load(requests: int, histograms: dict[str, Any]) -> list[float]:
    """Send this many requests from each client. Returns all latencies in seconds, in increasing order."""
    found: list[list[float]] = [[] for _ in range(CLIENTS)]

    def send(latencies: list[float], port: int) -> None:
        with closing(HTTPConnection("127.0.0.1", port)) as connection:
            for number in range(requests):
                start = time.perf_counter()
                connection.request("GET", f"/{WORK if number % RARE == 0 else number % 100}")
                connection.getresponse().read()
                latency = time.perf_counter() - start
                latencies.append(latency)
                for histogram in histograms.values():
                    histogram.observe(latency)

    with serving() as port:
        threads = [threading.Thread(target=send, args=(latencies, port)) for latencies in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return sorted(latency for latencies in found for latency in latencies)


def exact(ordered: list[float], q: float) -> float:
    """Return the exact quantile, by the definition of an ExponentialHistogram's snapshot."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def compared(ordered: list[float], histograms: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one case per histogram: its quantiles, each with the exact one."""
    cases = []
    for name, histogram in histograms.items():
        snapshot = histogram.snapshot()
        if snapshot.count != len(ordered):
            raise RuntimeError(f"{name} has counted {snapshot.count} of {len(ordered)} requests")
        cases.append(
            {
                "histogram": name,
                "in_use": sum(count > 0 for count in _counts(snapshot)),
                "size": histogram.__sizeof__(),
                "stated_error": 2 ** (2**-histogram.scale / 2) - 1 if name != FIXED else None,
                "quantiles": {str(q): [exact(ordered, q), snapshot.quantile(q)] for q in QUANTILES},
            }
        )
    return cases


def _counts(snapshot: Any) -> tuple[int, ...]:
    if isinstance(snapshot, atomicx.HistogramSnapshot):
        return snapshot.counts
    return snapshot.positive.counts


def buckets(histogram: Any) -> list[list[float]]:
    """Return the boundaries and the count of each bucket in use."""
    scale, positive = histogram.scale, histogram.snapshot().positive
    return [[boundary(scale, i), boundary(scale, i + 1), count] for i, count in in_use(positive)]


def worst(case: dict[str, Any]) -> float:
    """Return the largest relative error of the quantiles."""
    return max(abs(told - true) / true for true, told in case["quantiles"].values())


def latencies(options: argparse.Namespace) -> int:
    """Run the load, and write a results file. Returns the exit status."""
    histograms = made()
    ordered = load(options.requests, histograms)
    cases = compared(ordered, histograms)
    content = results.circumstances() | {
        "requests": len(ordered),
        "clients": CLIENTS,
        "buckets": buckets(histograms["ExponentialHistogram(4)"]),
        "cases": cases,
    }
    path = results.write(results.LATENCIES, content, options.output)
    rows = [("histogram", "largest error of a quantile")]
    print("\n".join(columns([*rows, *((case["histogram"], f"{worst(case):.2%}") for case in cases)])))
    print(f"written: {path}")
    return 0
