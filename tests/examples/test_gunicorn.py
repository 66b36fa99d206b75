"""examples/gunicorn_shared under load: its totals agree with what was sent, also when a worker is killed."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest
from benchmarks.services import free_port

from support.marks import NEEDS_C

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "gunicorn_shared"
WORKERS = 3  # as its configuration says
CLIENTS = 4
REQUESTS = 300  # per client
SECONDS = 60  # for the server to come up, or for the totals to agree

REQUIRED = os.environ.get("ATOMICX_REQUIRE_EXAMPLES") == "1"
pytestmark = [
    NEEDS_C,
    pytest.mark.skipif(
        not REQUIRED and importlib.util.find_spec("gunicorn") is None,
        reason="gunicorn is not installed: it comes with the extra `examples`",
    ),
]


@dataclass
class Client:
    """What was sent to the server, and what came back."""

    url: str
    answered: int = 0
    failed: int = 0
    workers: set[str] = field(default_factory=set)

    def get(self, path: str) -> tuple[bytes, str | None]:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read(), answer.headers.get("X-Worker")

    def totals(self) -> dict[str, float]:
        return json.loads(self.get("/totals")[0])

    def send(self, path: str, times: int) -> None:
        for _ in range(times):
            self.send_one(path)

    def send_one(self, path: str) -> None:
        try:
            body, worker = self.get(path)
        except (OSError, HTTPException):  # its worker was killed
            self.failed += 1
            return
        assert body == b"hello\n" and worker is not None
        self.answered += 1
        self.workers.add(worker)


@dataclass
class Server:
    url: str
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        command = ["ps", "-o", "pid=", "--ppid", str(self.process.pid)]
        # The status is 1 where there is none.
        listed = subprocess.run(command, capture_output=True, check=False).stdout
        return [int(pid) for pid in listed.split()]

    def all_workers(self) -> list[int]:
        """Return the workers as soon as there are as many as there should be."""
        until = time.monotonic() + SECONDS
        while len(workers := self.workers()) != WORKERS:
            assert time.monotonic() < until, workers
            time.sleep(0.02)
        return workers

    def totals_when(self, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """Return the totals as soon as they are what they must become."""
        until = time.monotonic() + SECONDS
        while True:
            with suppress(OSError, HTTPException):  # a worker that is about to exit
                if holds(totals := Client(self.url).totals()):
                    return totals
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    log = tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", "--config", str(EXAMPLE / "gunicorn.conf.py")]
    command += ["--chdir", str(EXAMPLE), "--bind", f"127.0.0.1:{port}", "app:application"]
    environment = os.environ | {"SHOP_SEGMENT": str(tmp_path / "segment"), "HOME": str(tmp_path)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        server = Server(f"http://127.0.0.1:{port}", process)
        server.all_workers()
        server.totals_when(lambda _: True)
        yield server
        process.terminate()
        assert process.wait(timeout=SECONDS) == 0
        assert not (tmp_path / "segment").exists()
    finally:
        process.kill()
        process.wait()
        print(log.read_text())


def load(server: Server, paths: list[tuple[str, int]], meanwhile: Callable[[], None]) -> Client:
    """Start all clients at once, each with one request after the other; return everything they sent."""
    clients = [Client(server.url) for _ in paths]
    threads = [
        threading.Thread(target=client.send, args=path) for client, path in zip(clients, paths, strict=True)
    ]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    return Client(
        server.url,
        sum(client.answered for client in clients),
        sum(client.failed for client in clients),
        set().union(*(client.workers for client in clients)),
    )


def nothing_in_flight(totals: dict[str, float]) -> bool:
    return totals["in_flight"] == 0


def test_totals_agree(server: Server) -> None:
    def watch() -> None:
        server.totals_when(lambda totals: totals["in_flight"] > 0)

    sent = load(server, [("/", REQUESTS)] * CLIENTS + [("/slow", 1)], meanwhile=watch)
    assert (sent.answered, sent.failed) == (CLIENTS * REQUESTS + 1, 0)
    assert len(sent.workers) > 1, "one worker alone answered"
    assert server.totals_when(nothing_in_flight)["requests"] == sent.answered


def test_totals_agree_when_workers_are_killed(server: Server) -> None:
    """Only the requests that dead workers had not answered are in doubt; they may have been counted."""
    first = server.all_workers()

    def kill_all() -> None:
        server.totals_when(lambda totals: totals["in_flight"] > 0)
        for worker in first:
            os.kill(worker, signal.SIGKILL)

    sent = load(server, [("/slow", 1)] + [("/", REQUESTS)] * CLIENTS, meanwhile=kill_all)
    assert sent.answered + sent.failed == CLIENTS * REQUESTS + 1
    assert sent.failed >= 1, "nothing was in flight when the workers were killed"
    totals = server.totals_when(nothing_in_flight)
    assert sent.answered <= totals["requests"] <= sent.answered + sent.failed
    assert not set(server.all_workers()) & set(first)
    sent.send("/", 10)
    assert sent.answered <= server.totals_when(nothing_in_flight)["requests"] <= sent.answered + sent.failed
