"""examples/services under wrk: their counts agree with what was sent, by status."""

import importlib.util
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError

import pytest
from benchmarks import services
from benchmarks.services import Service, Totals

README = Path(__file__).parent.parent.parent / "README.md"
WORK_SECONDS = 0.2  # long enough that even a slow machine gets more requests than may be worked on
LIMIT = 8  # as metrics.py says
CONNECTIONS = 4 * LIMIT
NOWHERE_CONNECTIONS = 2
MOST_SECONDS = 60  # for wrk, which is stopped as soon as there were enough requests

SERVERS = {"WSGI": "gunicorn", "ASGI": "uvicorn"}
REQUIRED = os.environ.get("ATOMICX_REQUIRE_EXAMPLES") == "1"
pytestmark = [
    pytest.mark.skipif(
        not REQUIRED and importlib.util.find_spec(module) is None,
        reason=f"{module} is not installed: it comes with the extra `examples`",
    )
    for module in (*SERVERS.values(), "prometheus_client")
]
NEEDS_WRK = pytest.mark.skipif(
    not REQUIRED and shutil.which("wrk") is None, reason="wrk, Debian's package wrk, is not installed"
)


@pytest.fixture(params=SERVERS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    environment = os.environ | {"SERVICE_WORK_SECONDS": str(WORK_SECONDS), "HOME": str(tmp_path)}
    with services.service(request.param, environment) as running:
        yield running


def status_of(service: Service, path: str) -> int:
    try:
        service.get(path)
    except HTTPError as error:
        with error:
            return error.code
    return 200


def check_buckets(totals: Totals) -> None:
    services.check_latencies(totals)
    # Each served request took at least as long as the work.
    quick = [bound for bound in totals.buckets["200"] if float(bound) < WORK_SECONDS]
    assert len(quick) > 5
    assert [totals.buckets["200"][bound] for bound in quick] == [0] * len(quick)


@NEEDS_WRK
def test_counts_agree_with_what_wrk_sent(service: Service) -> None:
    """Two runs of wrk at once: one with too many connections, one whose path does not exist."""
    loads = {"/": CONNECTIONS, "/nowhere": NOWHERE_CONNECTIONS}
    with ExitStack() as running:
        processes = {
            path: running.enter_context(services.wrk(service.url + path, connections, MOST_SECONDS))
            for path, connections in loads.items()
        }
        running.callback(lambda: [process.kill() for process in processes.values()])

        def enough() -> Totals | None:
            totals = service.totals()
            assert 0 <= totals.working <= LIMIT
            statuses = totals.by_status()
            plenty = all(statuses.get(status, 0) >= 5 * LIMIT for status in ("200", "404", "503"))
            return totals if plenty and totals.in_flight > 0 else None

        services.eventually(enough)
        for process in processes.values():
            process.send_signal(signal.SIGINT)
        outcomes = {path: services.sent(process) for path, process in processes.items()}

    totals = service.at_rest()
    assert totals.in_flight == totals.working == 0
    busy, nowhere = totals.by_status("/"), totals.by_status("unknown")
    assert {*busy} == {"200", "503"} and {*nowhere} == {"404"}
    assert services.cut_off(outcomes["/"], busy, CONNECTIONS) <= CONNECTIONS
    assert services.cut_off(outcomes["/nowhere"], nowhere, NOWHERE_CONNECTIONS) <= NOWHERE_CONNECTIONS
    assert sum(busy.values()) + sum(nowhere.values()) == sum(totals.by_status().values())
    check_buckets(totals)


@NEEDS_WRK
def test_a_load_that_is_measured(service: Service) -> None:
    """Below the limit, as `python -m benchmarks services` does it."""
    record = services.load(service, "a service", connections=2, seconds=1)
    assert (record.served, record.shed) == (record.completed + record.cut_off, 0)
    assert sum(record.latencies["200"].values()) == record.served


def test_each_request_is_counted_once(service: Service) -> None:
    """The requests come one after the other, so the counts are exact."""
    before = service.at_rest()
    paths = {"/": 200, "/error": 500, "/nowhere": 404, "/elsewhere": 404}
    for path, status in paths.items():
        assert status_of(service, path) == status
    totals = service.at_rest()
    assert before.requests == {}
    assert totals.requests == {("/", "200"): 1, ("/error", "500"): 1, ("unknown", "404"): 2}
    check_buckets(totals)


def test_what_metrics_says_is_read() -> None:
    """Buckets are cumulative there, and each family has a creation time in addition to its samples."""
    text = """# TYPE http_requests_total counter
http_requests_total{route="/",status="200"} 5.0
# TYPE http_requests_created gauge
http_requests_created{route="/",status="200"} 1.7e+09
# TYPE http_latency_seconds histogram
http_latency_seconds_bucket{le="0.1",status="200"} 2.0
http_latency_seconds_bucket{le="1.0",status="200"} 4.0
http_latency_seconds_bucket{le="+Inf",status="200"} 5.0
http_latency_seconds_bucket{le="0.1",status="503"} 7.0
http_latency_seconds_bucket{le="1.0",status="503"} 7.0
http_latency_seconds_bucket{le="+Inf",status="503"} 7.0
http_latency_seconds_count{status="200"} 5.0
http_latency_seconds_sum{status="200"} 3.5
# TYPE http_in_flight gauge
http_in_flight 3.0
# TYPE http_working gauge
http_working 2.0
# TYPE http_working_limit gauge
http_working_limit 8.0
"""
    buckets = {
        "200": {"0.1": 2, "1.0": 2, "+Inf": 1},
        "503": {"0.1": 7, "1.0": 0, "+Inf": 0},
    }
    assert services.parsed(text) == Totals({("/", "200"): 5}, buckets, in_flight=3, working=2)


def test_the_readme_starts_them() -> None:
    """Its commands install the extra and start the services that are tested here."""
    started = re.findall(r'^.*"\.\[examples\]" && \.venv/bin/python (.*)$', README.read_text(), re.MULTILINE)
    ours = [command for command in started if "examples/services" in command]
    assert ours == list(services.COMMANDS.values())
