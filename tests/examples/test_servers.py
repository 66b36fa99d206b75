"""Real servers whose workers count in one segment: totals agree with what was sent, whoever is killed.

The test reads the segment itself, as an exporter would. A request that was answered was counted; one that was
cut off by the death of its worker may have been. So each total lies between the number of requests that were
answered and the number that were sent, and is exact where nothing was cut off.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from benchmarks.services import free_port

from atomicx.shared import Segment
from support.marks import NEEDS_C

HERE = Path(__file__).parent
WORKERS = 2
CLIENTS = 4
REQUESTS = 60  # that are answered, per client and round
ROUTES = ["/", "/cart", "/pay"]
# As in counted.py.
BOUNDS, LATENCIES = [1, 10, 100], [0.1, 1]
HELD = "held"
SIZES = [1, 5, 50, 500]  # one for each bucket
SECONDS = 60  # for anything that has to happen

REQUIRED = os.environ.get("ATOMICX_REQUIRE_EXAMPLES") == "1"
pytestmark = NEEDS_C

Request = tuple[str, int]  # a route and a size


@dataclass(frozen=True)
class Kind:
    """A server, and how it is started; {port} and {prefix} are filled in."""

    module: str
    arguments: str
    most_requests: int = 0  # that a worker serves before the server replaces it; 0: any number


GUNICORN = f"gunicorn --workers {WORKERS} --timeout 600 --bind 127.0.0.1:{{port}}"
UWSGI = f"uwsgi --master --processes {WORKERS} --need-app --disable-logging --virtualenv {{prefix}}"
UWSGI += " --http-socket 127.0.0.1:{port} --wsgi-file counted.py --callable wsgi"
UVICORN = f"uvicorn --workers {WORKERS} --timeout-worker-healthcheck 600 --port {{port}}"
CELERY = f"celery --app counted_tasks worker --pool prefork --concurrency {WORKERS}"

KINDS = {
    "gunicorn": Kind("gunicorn", f"{GUNICORN} counted:wsgi"),
    "gunicorn preload": Kind("gunicorn", f"{GUNICORN} --preload counted:wsgi"),
    "gunicorn gthread": Kind("gunicorn", f"{GUNICORN} --worker-class gthread --threads 4 counted:wsgi"),
    "gunicorn max-requests": Kind("gunicorn", f"{GUNICORN} --max-requests 20 counted:wsgi", most_requests=20),
    "uWSGI": Kind("uwsgi", UWSGI),
    "uWSGI threads": Kind("uwsgi", f"{UWSGI} --threads 4"),
    "uWSGI lazy-apps": Kind("uwsgi", f"{UWSGI} --lazy-apps"),
    "uvicorn workers": Kind("uvicorn", f"{UVICORN} counted:asgi"),
    "celery prefork": Kind("celery", f"{CELERY} --without-gossip --without-mingle --without-heartbeat"),
}


def missing(kind: Kind) -> str | None:
    """Return why this server cannot be tested here, or None."""
    if REQUIRED:
        return None
    if kind.module == "uwsgi":
        absent = not Path(sys.executable).with_name("uwsgi").exists()
    else:
        absent = find_spec(kind.module) is None
    if absent:
        return f"{kind.module} is not installed: it comes with the extra `servers`"
    if kind.module == "celery" and shutil.which("redis-server") is None:
        return "there is no redis-server on this machine"
    return None


def eventually(holds: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Return as soon as the condition holds; fail if the process ends before that."""
    until = time.monotonic() + SECONDS
    while not holds():
        assert process is None or process.poll() is None, "the server ended"
        assert time.monotonic() < until
        time.sleep(0.01)


@dataclass
class Sent:
    """What became of the requests that were sent."""

    answered: Counter[Request] = field(default_factory=Counter)
    cut_off: Counter[Request] = field(default_factory=Counter)

    def count(self, request: Request, answered: bool) -> None:
        (self.answered if answered else self.cut_off)[request] += 1

    def bounds(self, weights: dict[Request, int]) -> tuple[int, int]:
        """Return the least and the greatest total that requests with these weights can have left."""
        least = sum(weight * self.answered[request] for request, weight in weights.items())
        return least, least + sum(weight * self.cut_off[request] for request, weight in weights.items())


# Sends a request, and returns whether it was answered.
Send = Callable[[Request], bool]


@dataclass
class Running:
    """A server, and the segment of its workers as another process sees it."""

    process: subprocess.Popen[bytes]
    send: Send
    segment: Segment

    def requests(self, route: str) -> int:
        family = self.segment.counter("requests", "route", "status")
        return family[route, 200].load() if (route, 200) in family else 0

    def in_flight(self, route: str) -> int:
        family = self.segment.gauge("in flight", "route")
        return family[route].load() if route in family else 0

    def workers(self) -> set[int]:
        """Return the living workers that have counted."""
        return {
            int(labels[0]) for labels, cell in self.segment.gauge("alive", "pid").items() if cell.load() == 1
        }

    def kill_workers(self) -> None:
        """Kill all workers that have counted, and wait until they are counted as dead."""
        killed = self.workers()
        assert killed
        for worker in killed:
            with suppress(ProcessLookupError):  # the server ended it
                os.kill(worker, signal.SIGKILL)
        eventually(lambda: not self.workers() & killed, self.process)


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis server for celery; for the others nothing."""
    if request.getfixturevalue("kind").module != "celery":
        yield ""
        return
    from support.redis_server import redis_server

    with redis_server() as server:
        yield f"redis+socket://{server.address}"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found = KINDS[request.param]
    if (reason := missing(found)) is not None:
        pytest.skip(reason)
    return found


@pytest.fixture
def server(kind: Kind, broker: str, tmp_path: Path) -> Iterator[Running]:
    path, log, port = tmp_path / "segment", tmp_path / "log", free_port()
    program, *arguments = kind.arguments.format(port=port, prefix=sys.prefix).split()
    started = [str(Path(sys.executable).with_name(program))]
    if program != "uwsgi":
        started = [sys.executable, "-m", program]
    environment = os.environ | {"COUNTED_SEGMENT": str(path), "COUNTED_BROKER": broker, "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = str(HERE)
    with ExitStack() as ending, log.open("wb") as output:
        ending.callback(lambda: print(log.read_text()))
        process = subprocess.Popen(
            [*started, *arguments],
            cwd=HERE,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ending.callback(end, process)
        send = ending.enter_context(tasks(broker)) if broker else http(f"http://127.0.0.1:{port}")
        # Connections are refused until it listens.
        eventually(lambda: send((ROUTES[0], SIZES[0])), process)
        yield Running(process, send, Segment.open(path, readonly=True))


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the server, and all its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def http(url: str) -> Send:
    def send(request: Request) -> bool:
        route, size = request
        try:
            with urllib.request.urlopen(f"{url}/?route={route}&size={size}", timeout=SECONDS) as answer:
                return bool(answer.read() == b"counted\n")
        except (OSError, HTTPException):
            return False

    return send


@contextmanager
def tasks(broker: str) -> Iterator[Send]:
    """Send tasks to celery's workers, and wait for their results."""
    from celery import Celery

    sending = threading.Lock()
    celery = Celery(broker=broker, backend=broker, set_as_current=False)
    celery.conf.result_backend_thread_safe = True  # one connection pool, which is closed at the end

    def send(request: Request) -> bool:
        with sending:
            result = celery.send_task("count", request)
        until = time.monotonic() + SECONDS
        while not result.ready():
            assert time.monotonic() < until
            time.sleep(0.002)
        return bool(result.successful())

    try:
        yield send
    finally:
        celery.backend.result_consumer.stop()
        celery.backend.client.close()
        celery.close()


def load(server: Running, meanwhile: Callable[[], Any] = lambda: None) -> Sent:
    """Let all clients send request after request until enough were answered, and `meanwhile` has ended."""
    outcomes, ended = [Sent() for _ in range(CLIENTS)], threading.Event()

    def run(client: int, sent: Sent) -> None:
        number = 0
        while sent.answered.total() < REQUESTS or not ended.is_set():
            number += 1
            request = ROUTES[number % len(ROUTES)], SIZES[(number + client) % len(SIZES)]
            sent.count(request, server.send(request))

    threads = [threading.Thread(target=run, args=each) for each in enumerate(outcomes)]
    for thread in threads:
        thread.start()
    try:
        meanwhile()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return sum_of(outcomes)


def sum_of(outcomes: list[Sent]) -> Sent:
    return Sent(
        sum((sent.answered for sent in outcomes), Counter()),
        sum((sent.cut_off for sent in outcomes), Counter()),
    )


def check(server: Running, sent: Sent) -> None:
    """Compare every series of the segment with what was sent."""

    def agrees(total: float, weights: dict[Request, int]) -> None:
        least, greatest = sent.bounds(weights)
        assert least <= total <= greatest

    sizes = dict(server.segment.histogram("sizes", BOUNDS, "route").items())
    latency = dict(server.segment.histogram("latency", LATENCIES, "route").items())
    for route in ROUTES:
        size, took = sizes[route,].snapshot(), latency[route,].snapshot()
        agrees(server.requests(route), {(route, size): 1 for size in SIZES})
        agrees(sum(took.counts), {(route, size): 1 for size in SIZES})
        assert took.sum > 0
        agrees(size.sum, {(route, size): size for size in SIZES})
        for count, one in zip(size.counts, SIZES, strict=True):
            agrees(count, {(route, one): 1})
    eventually(lambda: sum(map(server.in_flight, ROUTES)) == 0, server.process)


def test_totals_agree_with_what_was_sent(kind: Kind, server: Running) -> None:
    first = Sent(Counter({(ROUTES[0], SIZES[0]): 1}))
    # Nothing breaks.
    steady = load(server)
    assert not steady.cut_off
    check(server, sum_of([first, steady]))
    if kind.most_requests:
        everybody = len(server.segment.gauge("alive", "pid"))
        assert everybody >= CLIENTS * REQUESTS // kind.most_requests, "workers did not come and go"

    # All workers are killed under load, twice.
    def kill_twice() -> None:
        for _ in range(2):
            before = sum(map(server.requests, ROUTES))
            eventually(lambda: sum(map(server.requests, ROUTES)) > before + CLIENTS, server.process)  # noqa: B023
            server.kill_workers()

    sent = sum_of([first, steady, load(server, kill_twice)])
    check(server, sent)

    # All workers are killed while they hold a request each, which was counted and did not end.
    def hold(sent: Sent) -> None:
        sent.count((HELD, 1), server.send((HELD, 1)))

    outcomes = [Sent() for _ in range(WORKERS)]  # one per thread: a Counter would lose counts that meet
    threads = [threading.Thread(target=hold, args=(sent,)) for sent in outcomes]
    for thread in threads:
        thread.start()
    eventually(lambda: server.in_flight(HELD) == WORKERS, server.process)
    server.kill_workers()
    for thread in threads:
        thread.join()
    held = sum_of(outcomes)
    assert (held.answered.total(), held.cut_off.total()) == (0, WORKERS)
    assert (server.requests(HELD), server.in_flight(HELD)) == (WORKERS, 0)
    latency = server.segment.histogram("latency", LATENCIES, "route")
    assert latency[HELD].snapshot() == ((0, 0, 0), 0)

    # The new workers go on, and what all of them counted stays when the server has ended.
    sent = sum_of([sent, load(server)])
    check(server, sent)
    totals = [server.requests(route) for route in ROUTES]
    end(server.process)
    assert [server.requests(route) for route in ROUTES] == totals
    eventually(lambda: server.segment.usage().alive == 0)
