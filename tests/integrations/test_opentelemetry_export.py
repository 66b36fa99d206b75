"""atomicx.opentelemetry: collections under counting threads, late providers, and the OTLP exporter."""

import math
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest

from support.extras import needs

needs("opentelemetry.sdk.metrics", "opentelemetry", "opentelemetry-sdk")
needs("opentelemetry.exporter.otlp.proto.http", "opentelemetry", "opentelemetry-exporter-otlp-proto-http")

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: E402
from opentelemetry.metrics import NoOpMeter  # noqa: E402
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: E402
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader  # noqa: E402

from atomicx.opentelemetry import Collector, HistogramFolding  # noqa: E402
from integrations.otel import CUMULATIVE, DELTA, KINDS, Points, Sdk, cell_of, collected, point  # noqa: E402

PATIENCE = 60


def test_collections_while_threads_count(backend: ModuleType, sdk: Sdk) -> None:
    """No total decreases, no delta is negative, the deltas add up to the totals, and the totals are exact."""
    requests = sdk.metrics.counter("requests", "All.", backend.Family(backend.Counter, "worker"))
    times = sdk.metrics.histogram("time", "Each.", backend.Histogram([1.0, 2.0]))
    in_flight = sdk.metrics.up_down_counter("in_flight", "Now.", backend.AtomicInt())
    rounds, workers, collectors = 3000, "abc", 2

    def work(name: str) -> None:
        for number in range(rounds):
            with in_flight.track():
                requests[name].inc()
                times.observe(1.0 if number % 2 else 3.0)

    threads = [threading.Thread(target=work, args=(name,)) for name in workers]
    sums: list[Points] = [{} for _ in range(collectors)]
    lock = threading.Lock()
    added: Points = {}
    failures: list[str] = []

    def add_delta() -> None:
        with lock:  # no thread may end between a collection and its addition
            for key, value in collected(sdk.delta).items():
                if value < 0 and key[0] != "in_flight":
                    failures.append(f"{key} has the delta {value}")
                added[key] = added.get(key, 0) + value

    def collect(last: Points) -> None:
        while any(thread.is_alive() for thread in threads):
            now = collected(sdk.cumulative)
            failures.extend(
                f"{key} went back"
                for key, value in last.items()
                if now[key] < value and key[0] != "in_flight"
            )
            last.update(now)
            add_delta()

    for thread in threads:
        thread.start()
    watchers = [threading.Thread(target=collect, args=(last,)) for last in sums]
    for watcher in watchers:
        watcher.start()
    for thread in (*threads, *watchers):
        thread.join()
    add_delta()
    count = rounds * len(workers)
    assert failures == []
    assert collected(sdk.cumulative) == added
    assert added == {
        **{point("requests", worker=name): rounds for name in workers},
        point("time.bucket", le="1.0"): count // 2,
        point("time.bucket", le="2.0"): count // 2,
        point("time.bucket", le="+Inf"): count,
        point("time.count"): count,
        point("time.sum"): count * 2.0,
        point("in_flight"): 0,
    }


def run(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def check(source: str) -> None:
    done = run(source)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_the_provider_may_come_later() -> None:
    check(
        """
import sys
from atomicx import Counter, Histogram
from atomicx.opentelemetry import Collector
assert not any(name.startswith("opentelemetry.sdk") for name in sys.modules)
metrics = Collector()
requests = metrics.counter("requests", "All.", Counter())
metrics.histogram("time", "Each.", Histogram([1.0])).observe(1)
try:
    metrics.gauge("requests", "All.", lambda: 5)
except ValueError:
    pass
else:
    raise AssertionError("a second of the name")
requests.add(3)

from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
import atomicx
reader = InMemoryMetricReader()
set_meter_provider(MeterProvider([reader]))
(resource,) = reader.get_metrics_data().resource_metrics
(scope,) = resource.scope_metrics
assert (scope.scope.name, scope.scope.version) == ("atomicx", atomicx.__version__)
found = {metric.name: [point.value for point in metric.data.data_points] for metric in scope.metrics}
assert found == {"requests": [3], "time.bucket": [1, 1], "time.count": [1], "time.sum": [1.0]}, found
metrics.counter("later", "All.", Counter(5))
assert len(reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics) == 5
"""
    )


def test_a_meter_that_does_nothing(backend: ModuleType) -> None:
    for _ in range(2):
        metrics = Collector(NoOpMeter("quiet"))
        for kind in KINDS:
            getattr(metrics, kind)(kind, "Help.", cell_of(backend, kind))


def test_the_import_says_what_to_install() -> None:
    done = run("import sys; sys.modules['opentelemetry.metrics'] = None; import atomicx.opentelemetry")
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: atomicx.opentelemetry needs opentelemetry-api, the extra")


class FoldingExporter(HistogramFolding, OTLPMetricExporter):
    """Matches the documents."""


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA], ids=["cumulative", "delta"])
def test_the_otlp_exporter(
    backend: ModuleType, temporality: AggregationTemporality, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's own exporter, configured as operators do it, and what a receiver decodes."""
    received: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality.name.lower())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        exporter = FoldingExporter(endpoint=f"http://127.0.0.1:{server.server_port}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        provider = MeterProvider([reader], shutdown_on_exit=False)
        try:
            metrics = Collector(provider.get_meter("tests"))
            requests = metrics.counter("requests", "All.", backend.Family(backend.Counter, "status"))
            level = metrics.gauge("level", "Now.", backend.AtomicFloat(-1.5))
            ready = metrics.gauge("ready", "A flag.", backend.AtomicBool(True))
            times = metrics.histogram("time", "Each.", backend.Histogram([0.5, 1.0]), unit="s")
            drift = metrics.histogram("drift", "Each.", backend.Histogram([-1.0]))
            for number in (2, 3):
                requests[200].add(number)
                times.observe(number)
                drift.observe(0)
                assert provider.force_flush()
        finally:
            provider.shutdown()
            server.shutdown()
            serving.join()
    second = received[1].resource_metrics[0].scope_metrics[0].metrics
    found = {metric.name: metric for metric in second}
    assert set(found) == {"requests", "level", "ready", "time", "drift"}
    assert {
        found["requests"].sum.aggregation_temporality,
        found["time"].histogram.aggregation_temporality,
    } == {temporality.value}
    assert found["requests"].sum.is_monotonic
    (total,) = found["requests"].sum.data_points
    assert total.as_int == {DELTA: 3, CUMULATIVE: 5}[temporality]
    assert [(one.key, one.value.string_value) for one in total.attributes] == [("status", "200")]
    assert found["level"].gauge.data_points[0].as_double == level.load()
    assert found["ready"].gauge.data_points[0].as_int == ready.load()
    (time,) = found["time"].histogram.data_points
    assert found["time"].unit == "s"
    assert list(time.explicit_bounds) == [0.5, 1.0]
    assert (list(time.bucket_counts), time.count, time.sum) == {
        DELTA: ([0, 0, 1], 1, 3.0),
        CUMULATIVE: ([0, 0, 2], 2, 5.0),
    }[temporality]
    assert not any(time.HasField(field) for field in ("min", "max"))
    (either,) = found["drift"].histogram.data_points
    assert not either.HasField("sum")
    assert list(either.bucket_counts) == {DELTA: [0, 1], CUMULATIVE: [0, 2]}[temporality]
