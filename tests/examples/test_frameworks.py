"""examples/frameworks: the commands of docs/frameworks start servers; their metrics agree with the load."""

import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
from benchmarks.services import free_port

from support.marks import NEEDS_C

TOP = Path(__file__).parent.parent.parent
EXAMPLES = TOP / "examples" / "frameworks"
COMMAND = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    {
        command
        for page in (TOP / "docs" / "frameworks").glob("*.md")
        for block in COMMAND.findall(page.read_text(encoding="utf-8"))
        for command in block.splitlines()
    }
)
TASKS = [command for command in COMMANDS if "celery" in command]
SERVERS = [command for command in COMMANDS if command not in TASKS]
ROUTES = {
    "flask_app": "/items/<int:number>",
    "django_app": "/items/<int:number>",
    "fastapi_app": "/items/{number}",
    "starlette_app": "/items/{number:int}",
    "uwsgi.ini": "/items/<int:number>",
}
REQUESTS = 40
SECONDS = 60  # for a server to come up, or for the totals to agree

NEEDED = (
    "celery",
    "django",
    "fastapi",
    "flask",
    "gunicorn",
    "prometheus_client",
    "pyuwsgi",
    "redis",
    "uvicorn",
)
REQUIRED = os.environ.get("ATOMICX_REQUIRE_FRAMEWORKS") == "1"
pytestmark = [
    NEEDS_C,
    *(
        pytest.mark.skipif(
            not REQUIRED and importlib.util.find_spec(module) is None,
            reason=f"{module} is not installed: it comes with the extra `frameworks`",
        )
        for module in NEEDED
    ),
]

Samples = dict[tuple[str, ...], float]


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def samples(url: str) -> Samples:
    """Return the samples of the page, by name and label values."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def samples_when(url: str, holds: Callable[[Samples], bool]) -> Samples:
    """Return the samples as soon as they are what they must become."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            found = samples(url)
        except OSError:  # the server does not listen yet
            found = {}
        if found and holds(found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.02)


def of(found: Samples, name: str) -> Samples:
    """Return the samples of one name by label values, without those of the requests for the page itself."""
    return {key[1:]: value for key, value in found.items() if key[0] == name and key[1:2] != ("/metrics",)}


@contextmanager
def running(command: str, folder: Path, **variables: str) -> Iterator[None]:
    words = shlex.split(command)
    if words[0] == "python":
        words[0] = sys.executable
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = (
        os.environ | variables | {"PATH": path, "SHOP_SEGMENT": str(folder / "segment"), "HOME": str(folder)}
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=EXAMPLES,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the workers too
        process.wait()
        print(log.read_text(errors="replace"))


@pytest.mark.parametrize("command", SERVERS)
def test_all_workers_count_together(command: str, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    item = next(route for name, route in ROUTES.items() if name in command)
    with running(command.replace("8000", str(port)), tmp_path):
        samples_when(f"{url}/metrics", bool)
        paths = [f"{url}/items/{number}" for number in range(REQUESTS)] + [f"{url}/fail", f"{url}/nowhere"]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(status_of, paths)) == [200] * REQUESTS + [500, 404]
        found = samples_when(
            f"{url}/metrics", lambda page: sum(of(page, "http_requests_total").values()) == len(paths)
        )
    assert of(found, "http_requests_total") == {
        (item, "200"): REQUESTS,
        ("/fail", "500"): 1,
        ("unknown", "404"): 1,
    }
    assert of(found, "http_latency_seconds_count") == {(item,): REQUESTS, ("/fail",): 1, ("unknown",): 1}
    assert of(found, "http_in_flight") == {(): 1}, "only the request for the page"


SENDER = """
import celery_app, sys
for number in range(int(sys.argv[1])):
    celery_app.double.delay(number)
celery_app.fail.delay()
"""


def test_tasks_are_counted_in_every_child(tmp_path: Path) -> None:
    from support.redis_server import redis_server

    [command] = TASKS
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    with redis_server() as server:
        broker = {"SHOP_BROKER": f"redis+socket://{server.address}"}
        with running(command, tmp_path, SHOP_METRICS_PORT=str(port), **broker):
            environment = os.environ | broker | {"SHOP_SEGMENT": str(tmp_path / "another")}
            subprocess.run(
                [sys.executable, "-c", SENDER, str(REQUESTS)],
                cwd=EXAMPLES,
                env=environment,
                check=True,
                timeout=SECONDS,
            )
            found = samples_when(
                url, lambda page: sum(of(page, "task_seconds_count").values()) == REQUESTS + 1
            )
    assert found["tasks_running",] == 0
    states = {tuple(sorted(labels)): value for labels, value in of(found, "tasks_total").items()}
    assert states == {
        ("SUCCESS", "celery_app.double"): REQUESTS,
        ("FAILURE", "celery_app.fail"): 1,
    }
