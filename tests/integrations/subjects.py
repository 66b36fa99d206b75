"""The subjects of the hazards: metrics of prometheus_client, with or without install(), and our own cells."""

import os
import tempfile
from typing import Any

import prometheus_client as client
from prometheus_client.multiprocess import MultiProcessCollector

from atomicx import AtomicInt, Counter, Family, Histogram
from atomicx.prometheus import Collector, install

# How much each operation adds to the samples of a scrape.
SAMPLES = {
    "inc": {"events_total": 1.0},
    "observe": {'size_bucket{le="1.0"}': 1.0, 'size_bucket{le="+Inf"}': 1.0, "size_sum": 0.75},
    "request": {'requests_total{method="GET"}': 1.0, "in_flight": 0.0, "latency_seconds_count": 1.0},
    "make": {"made_total": 1.0},
    "share": {"shared_total": 1.0, "seconds": 0.25},
}
SAMPLES["everything"] = SAMPLES["inc"] | SAMPLES["observe"] | SAMPLES["request"]


class HazardSubject:
    """Metrics, and operations on them: methods, since without the GIL closure variables have locks."""

    events: Any
    size: Any
    in_flight: Any
    latency: Any
    requests: Any
    made: Any
    # Whether one scrape includes the counts of all processes.
    shared = False

    def __init__(self) -> None:
        self.serial = AtomicInt()
        self.registry = client.CollectorRegistry()  # the default one also reads files of the system

    def inc(self) -> None:
        self.events.inc()

    def observe(self) -> None:
        self.size.observe(0.75)

    def request(self) -> None:
        raise NotImplementedError

    def make(self) -> None:
        raise NotImplementedError

    def everything(self) -> None:
        self.inc()
        self.observe()
        self.request()

    def scrape(self) -> dict[str, float]:
        """Return all samples by name and labels, with those of `made` added up."""
        registry = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = client.CollectorRegistry()
            MultiProcessCollector(registry)
        text = client.generate_latest(registry).decode()
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        samples = {name: float(value) for name, _, value in lines}
        samples["made_total"] = sum(
            value for name, value in samples.items() if name.startswith("made_total{")
        )
        return samples


class Stock(HazardSubject):
    def __init__(self) -> None:
        super().__init__()
        self.shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.events = client.Counter("events", "E.", registry=self.registry)
        self.size = client.Histogram("size", "S.", buckets=[0.5, 1], registry=self.registry)
        self.in_flight = client.Gauge("in_flight", "I.", multiprocess_mode="sum", registry=self.registry)
        self.latency = client.Histogram("latency", "L.", unit="seconds", registry=self.registry)
        self.requests = client.Counter("requests", "R.", ["method"], registry=self.registry)
        self.made = client.Counter("made", "M.", ["number"], registry=self.registry)

    def request(self) -> None:
        with self.in_flight.track_inprogress(), self.latency.time():
            self.requests.labels("GET").inc()

    def make(self) -> None:
        self.made.labels(self.serial.fetch_add()).inc()


class Installed(Stock):
    def __init__(self) -> None:
        install()
        super().__init__()
        self.get = self.requests.labels("GET")

    def request(self) -> None:
        with self.in_flight.track_inprogress(), self.latency.time():
            self.get.inc()  # labels() has a lock of the library


class Cells(HazardSubject):
    def __init__(self) -> None:
        super().__init__()
        metrics = Collector(self.registry)
        self.events = metrics.counter("events", "E.", Counter())
        self.size = metrics.histogram("size", "S.", Histogram([0.5, 1]))
        self.in_flight = metrics.gauge("in_flight", "I.", AtomicInt())
        self.latency = metrics.histogram("latency", "L.", Histogram([0.01, 0.1, 1]), unit="seconds")
        self.requests = metrics.counter("requests", "R.", Family(Counter, "method"))
        self.made = metrics.counter("made", "M.", Family(Counter, "number"))

    def request(self) -> None:
        with self.in_flight.track(), self.latency.time():
            self.requests["GET"].inc()

    def make(self) -> None:
        self.made[self.serial.fetch_add()].inc()


class Shared(HazardSubject):
    shared = True

    def __init__(self) -> None:
        super().__init__()
        from atomicx.shared import Segment  # refused where there is no C module

        with tempfile.TemporaryDirectory() as folder:  # the mapping outlives the file
            segment = Segment.create(os.path.join(folder, "segment"), 10)
            self.events = segment.int("shared_total")
            self.seconds = segment.float("seconds")
        Collector(self.registry).segment(segment, "S.")

    def share(self) -> None:
        self.events.inc()
        self.seconds.add(0.25)


SUBJECTS: dict[str, type[HazardSubject]] = {
    "stock": Stock,
    "installed": Installed,
    "cells": Cells,
    "segment": Shared,
}
