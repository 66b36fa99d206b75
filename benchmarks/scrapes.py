"""Scrapes of a prefork server whose workers come and go: a segment, compared with the library's files.

Workers are forked, eight at a time; each counts in every series and ends. Then each way is scraped in turn.
The processor time of this process is measured, so it hardly matters what else the machine does.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Record = dict[str, Any]

AT_ONCE = 8
COUNTERS, GAUGES, HISTOGRAMS = 50, 20, 5
SERIES = 150
CAPACITY = 200  # a gauge takes two words
WAYS = {"segment": (8, 2000), "files": (8, 200)}


class Prepared(NamedTuple):
    """What the workers of one server left, and how to scrape it."""

    way: str
    workers: int
    folder: Path
    scrape: Callable[[], bytes]


def metrics() -> Callable[[], None]:
    """Make metrics with SERIES values. Returns a function that counts in each of them."""
    import prometheus_client as client

    labels = ["path"]
    counter = client.Counter("requests", "Requests served.", labels, registry=None)
    gauge = client.Gauge("in_flight", "In flight.", labels, registry=None, multiprocess_mode="livesum")
    histogram = client.Histogram("latency", "Time to serve.", labels, registry=None)

    def count() -> None:
        for number in range(COUNTERS):
            counter.labels(f"/path/{number}").inc()
        for number in range(GAUGES):
            gauge.labels(f"/path/{number}").inc()
        for number in range(HISTOGRAMS):
            histogram.labels(f"/path/{number}").observe(0.1)

    return count


def waited_for(children: list[int]) -> None:
    """Wait for children. Raises RuntimeError if one failed."""
    if any(os.waitpid(child, 0)[1] != 0 for child in children):
        raise RuntimeError("a worker failed")


def forked(work: Callable[[], None]) -> int:
    """Return the pid of a child that does the work, and ends."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def serve(way: str, workers: int, folder: Path) -> None:
    """Be a server: make the metrics, and fork workers, which count and end without calling a hook."""
    from prometheus_client import values

    from atomicx.prometheus import install
    from atomicx.shared import Segment

    if way == "segment":
        install(segment=Segment.create(folder / "segment", CAPACITY))
    else:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        library: Any = values
        library.ValueClass = values.MultiProcessValue()
    count = metrics()
    for _ in range(0, workers, AT_ONCE):
        waited_for([forked(count) for _ in range(AT_ONCE)])


def prepare(way: str, workers: int, folder: Path) -> Prepared:
    """Run such a server to its end. Returns what it left."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    from atomicx.prometheus import SegmentCollector
    from atomicx.shared import Segment

    waited_for([forked(lambda: serve(way, workers, folder))])
    registry = CollectorRegistry()
    collector: Any
    if way == "segment":
        collector = SegmentCollector(Segment.open(folder / "segment", readonly=True))
    else:
        collector = MultiProcessCollector(None, str(folder))
    registry.register(collector)
    return Prepared(way, workers, folder, lambda: generate_latest(registry))


def check(prepared: Prepared) -> None:
    """Raise RuntimeError unless the page has what the workers counted."""
    wanted = f'requests_total{{path="/path/0"}} {float(prepared.workers)}\n'
    if wanted not in prepared.scrape().decode():
        raise RuntimeError(f"{prepared.way}, {prepared.workers} workers: the page lacks {wanted!r}")


def measure(rounds: int, ways: dict[str, tuple[int, ...]] = WAYS) -> list[Record]:
    """Return a case for each way and number of workers."""
    with tempfile.TemporaryDirectory() as top:
        all_prepared = []
        for way, numbers in ways.items():
            for workers in numbers:
                folder = Path(top) / f"{way}-{workers}"
                folder.mkdir()
                all_prepared.append(prepare(way, workers, folder))
        times: dict[Prepared, list[float]] = {prepared: [] for prepared in all_prepared}
        for prepared in all_prepared:
            check(prepared)
        for _ in range(rounds):
            for prepared, taken in times.items():
                before = time.process_time()
                prepared.scrape()
                taken.append(time.process_time() - before)
        return [
            {
                "way": prepared.way,
                "workers": prepared.workers,
                "series": SERIES,
                "files": len(list(prepared.folder.iterdir())),
                "bytes": sum(file.stat().st_size for file in prepared.folder.iterdir()),
                "seconds": statistics.median(taken),
            }
            for prepared, taken in times.items()
        ]
