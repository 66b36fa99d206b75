"""Runs the services of examples/services under wrk, compares what they counted with what wrk sent, and writes
a results file.

The two need not agree to the last request: when wrk stops, each of its connections may be waiting for an
answer. The service counts an answer before it sends it, wrk once it has received it completely, and a
connection has one request at a time. So for each status the service has counted at least as many as wrk, and
in total at most one more per connection. `cut_off` checks that.
"""

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from atomicx._terminal import columns, shown_progress

from . import results

# The arguments of `python`, at the top of a clone.
COMMANDS = {
    "WSGI": "-m gunicorn --chdir examples/services --threads 16 wsgi:application",
    "ASGI": "-m uvicorn --app-dir examples/services --no-access-log asgi:application",
}
BINDING = {"WSGI": "--bind 127.0.0.1:{}", "ASGI": "--port {}"}
SCRIPT = Path(__file__).with_name("wrk.lua")

CONNECTIONS = (1, 2, 4, 8, 16, 32)
PATIENCE_SECONDS = 60.0  # after this, something counts as hung


class Disagreement(Exception):
    """What was counted does not fit what was sent."""


class Totals(NamedTuple):
    """What a service has counted."""

    requests: dict[tuple[str, str], int]
    """By route and status."""
    buckets: dict[str, dict[str, int]]
    """By status, then by bound: the latencies up to this bound, and above the previous one."""
    in_flight: int
    working: int

    def by_status(self, route: str | None = None) -> dict[str, int]:
        """Return the requests of a route, or all requests, by status."""
        found: Counter[str] = Counter()
        for (each, status), count in self.requests.items():
            if route in (None, each):
                found[status] += count
        return dict(found)

    def since(self, before: "Totals") -> "Totals":
        """Return what was added since an earlier total, without zeros."""
        requests = Counter(self.requests)
        requests.subtract(before.requests)
        buckets = {}
        for status, counts in self.buckets.items():
            difference = Counter(counts)
            difference.subtract(before.buckets.get(status, {}))
            if any(difference.values()):
                buckets[status] = dict(difference)
        return self._replace(requests={key: n for key, n in requests.items() if n}, buckets=buckets)


def parsed(exposition: str) -> Totals:
    """Return the totals in the text of an answer to /metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    totals = Totals({}, {}, 0, 0)
    below: Counter[str] = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            labels, value = sample.labels, int(sample.value)
            if sample.name == "http_requests_total":
                totals.requests[labels["route"], labels["status"]] = value
            elif sample.name == "http_latency_seconds_bucket":
                counts = totals.buckets.setdefault(labels["status"], {})
                counts[labels["le"]] = value - below[labels["status"]]
                below[labels["status"]] = value
            elif sample.name in ("http_in_flight", "http_working"):
                totals = totals._replace(**{sample.name.removeprefix("http_"): value})
    return totals


@dataclass
class Service:
    """A running service, on loopback."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_SECONDS) as answer:
            return str(answer.read().decode())

    def totals(self) -> Totals:
        return parsed(self.get("/metrics"))

    def at_rest(self) -> Totals:
        """Return the totals once nothing is in flight and two scrapes in a row are the same.

        A scrape reads one cell after the other. Totals that only grow, and were the same in two reads, all
        held at the moment between the two.
        """
        before = self.totals()

        def quiet() -> Totals | None:
            nonlocal before
            last, before = before, self.totals()
            return before if before == last and before.in_flight == before.working == 0 else None

        return eventually(quiet)


def eventually(attempt: Callable[[], Totals | None]) -> Totals:
    """Repeat the attempt until it does not return None. Returns its result; TimeoutError after a minute."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := attempt()) is None:
        if time.monotonic() > until:
            raise TimeoutError(f"not so after {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def service(name: str, environment: dict[str, str] | None = None) -> Iterator[Service]:
    """Start a service as its README does, on a free port, and end it afterwards.

    If it does not start or does not end cleanly, its output is printed, and RuntimeError is raised.
    """
    port = free_port()
    command = [sys.executable, *COMMANDS[name].split(), *BINDING[name].format(port).split()]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=results.TOP, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        running = Service(f"http://127.0.0.1:{port}", process)

        def answers() -> Totals | None:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with status {process.returncode}")
            try:
                return running.totals()
            except (OSError, HTTPException):
                return None

        try:
            eventually(answers)
            yield running
            process.terminate()
            # When it has done everything else, uvicorn ends itself with the signal that it was sent.
            if process.wait(PATIENCE_SECONDS) not in (0, -signal.SIGTERM):
                raise RuntimeError(f"{name} ended with status {process.returncode}")
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


class Sent(NamedTuple):
    """What wrk sent and got complete answers to. Refused requests are those with a status of 400 or more."""

    completed: int
    refused: int
    microseconds: int
    connect: int
    read: int
    write: int
    timeout: int


def wrk(url: str, connections: int, seconds: int) -> subprocess.Popen[str]:
    """Start wrk, on one thread. SIGINT ends it early; `sent` returns the outcome."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--script", str(SCRIPT), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def sent(process: subprocess.Popen[str]) -> Sent:
    """Wait for wrk. Returns what it sent. Raises RuntimeError if it failed."""
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"wrk ended with status {process.returncode}: {output}")
    return Sent(**json.loads(output.splitlines()[-1]))


def cut_off(by_wrk: Sent, counted: dict[str, int], connections: int) -> int:
    """Return how many of the counted requests had no complete answer yet when wrk stopped.

    Raises Disagreement if fewer were counted than were answered, either served or refused, or if more than
    one per connection were counted above that.
    """
    refused = sum(count for status, count in counted.items() if int(status) >= 400)
    served = sum(counted.values()) - refused
    unseen = served - (by_wrk.completed - by_wrk.refused), refused - by_wrk.refused
    if min(unseen) < 0 or sum(unseen) > connections:
        raise Disagreement(
            f"counted {served} served and {refused} refused; wrk, on {connections} connections, had"
            f" {by_wrk.completed - by_wrk.refused} and {by_wrk.refused}"
        )
    return sum(unseen)


def check_latencies(totals: Totals) -> None:
    """Raise Disagreement unless a latency was observed for each request that was counted, by status."""
    observed = {status: sum(counts.values()) for status, counts in totals.buckets.items()}
    if observed != totals.by_status():
        raise Disagreement(f"latencies {observed}, requests {totals.by_status()}")


@dataclass
class Record:
    """A service under one number of connections, in a results file."""

    service: str
    connections: int
    seconds: float
    completed: int
    cut_off: int
    served: int
    shed: int
    errors: int
    latencies: dict[str, dict[str, int]]


def load(running: Service, name: str, connections: int, seconds: int) -> Record:
    """Send for this many seconds. Returns the record. Raises Disagreement where the counts do not fit."""
    before = running.at_rest()
    by_wrk = sent(wrk(running.url + "/", connections, seconds))
    counted = running.at_rest().since(before)
    check_latencies(counted)
    statuses = counted.by_status()
    return Record(
        service=name,
        connections=connections,
        seconds=round(by_wrk.microseconds / 1e6, 3),
        completed=by_wrk.completed,
        cut_off=cut_off(by_wrk, statuses, connections),
        served=statuses.get("200", 0),
        shed=statuses.get("503", 0),
        errors=by_wrk.connect + by_wrk.read + by_wrk.write + by_wrk.timeout,
        latencies=counted.buckets,
    )


def services(options: argparse.Namespace) -> int:
    """Run both services under every load, and write the results file. Returns the exit status."""
    if shutil.which("wrk") is None:
        print("wrk is not installed; Debian's package is called wrk", file=sys.stderr)
        return 1
    records = []
    with shown_progress("services") as progress:
        for name in COMMANDS:
            with service(name) as running:
                load(running, name, max(CONNECTIONS), 1)  # to warm up
                for connections in CONNECTIONS:
                    done = len(records) / (len(COMMANDS) * len(CONNECTIONS))
                    progress(done, f"{name}, {connections} connections")
                    records.append(load(running, name, connections, options.seconds))
    cases = [asdict(record) for record in records]
    path = results.write(results.SERVICES, results.circumstances() | {"cases": cases}, options.output)
    shown = ["service", "connections", "seconds", "completed", "cut_off", "served", "shed", "errors"]
    rows = [shown, *([str(case[key]) for key in shown] for case in cases)]
    print("\n".join(columns(rows, right=range(1, len(shown)))))
    print(f"written: {path}")
    return 0
