"""examples/redis_flush with a real server and a real client: no count is lost or doubled, whatever breaks.

The obvious alternatives are tested too: they must lose or double counts.
"""

import importlib.util
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from atomicx import AtomicInt, Counter, Family, Histogram

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "redis_flush"

if os.environ.get("ATOMICX_REQUIRE_EXAMPLES") != "1":
    if importlib.util.find_spec("redis") is None:
        pytest.skip("redis is not installed: it comes with the extra `examples`", allow_module_level=True)
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server on this machine", allow_module_level=True)

import redis  # noqa: E402

from support.redis_server import (  # noqa: E402
    HALF_ANSWERED,
    LATE,
    LOST,
    ONCE,
    PASSED,
    SECONDS,
    UNANSWERED,
    Proxy,
    Server,
    redis_server,
)

FATES = [PASSED, LOST, UNANSWERED, HALF_ANSWERED, LATE]
TROUBLE = [UNANSWERED, HALF_ANSWERED, LOST]
COUNTED = 7  # between two flushes


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flusher", EXAMPLE / "flusher.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


flusher = load_example()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with redis_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.client.flushall()
    return running


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server, b"EVALSHA", b"HINCRBY") as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    with redis.Redis(port=proxy.port, retry=ONCE, socket_timeout=SECONDS) as client:
        yield client


def totals(server: Server, key: str = "totals") -> dict[str, float]:
    return {field: float(value) for field, value in server.client.hgetall(key).items()}


def until_it_succeeds(flush: Callable[[], None]) -> None:
    """Flush again after each failure; the number of failures is limited."""
    while True:
        with suppress(redis.ConnectionError):
            return flush()


# A way takes a cell that counts and a client, and returns a function that is called repeatedly.
Way = Callable[[Any, Any], Callable[[], None]]


def numbered_batches(cell: Any, client: Any) -> Callable[[], None]:
    """The example."""
    return flusher.Flusher(client, "totals", {"events": cell}).flush


def drain_then_send(cell: Any, client: Any) -> Callable[[], None]:
    return lambda: client.hincrby("totals", "events", cell.drain())


def load_send_subtract(cell: Any, client: Any) -> Callable[[], None]:
    def flush() -> None:
        count = cell.load()
        client.hincrby("totals", "events", count)
        cell.fetch_sub(count)

    return flush


def keep_and_send_again(cell: Any, client: Any) -> Callable[[], None]:
    kept = 0

    def flush() -> None:
        nonlocal kept
        kept += cell.drain()
        client.hincrby("totals", "events", kept)
        kept = 0

    return flush


def growing_batches(cell: Any, client: Any) -> Callable[[], None]:
    """Like the example, but what was counted meanwhile joins a batch that was already sent."""
    flusher_ = flusher.Flusher(client, "totals", {"events": cell})
    take = flusher_._take

    def flush() -> None:
        if flusher_._batch:
            flusher_._batch["events"] += cell.drain()
        else:
            take()
        flusher_._send()

    return flush


def unordered_numbers(cell: Any, client: Any) -> Callable[[], None]:
    """Like the example, but the server refuses only the last number, not those before it."""
    flusher_ = flusher.Flusher(client, "totals", {"events": cell})
    assert ">= number" in flusher.APPLY
    flusher_._apply = client.register_script(flusher.APPLY.replace(">= number", "== number"))
    return flusher_.flush


def counted_and_found(
    way: Way, cell: Any, client: Any, proxy: Proxy, fates: Sequence[str]
) -> tuple[int, float]:
    """Return what was counted, and what is on the server when everything is sent."""
    flush = way(cell, client)
    cell.inc()
    flush()  # so that the script is there
    counted = 1
    proxy.fates.extend(fates)
    for _ in fates:
        for _ in range(COUNTED):
            cell.inc()
        counted += COUNTED
        with suppress(redis.ConnectionError):
            flush()
    until_it_succeeds(flush)
    proxy.deliver()
    assert proxy.met == list(fates), "not all happened that was to happen"
    return counted, totals(proxy.server)["events"]


@pytest.mark.parametrize("fates", list(itertools.product(FATES, repeat=2)), ids=", then ".join)
def test_no_count_is_lost_or_doubled(client: Any, proxy: Proxy, fates: tuple[str, ...]) -> None:
    counted, found = counted_and_found(numbered_batches, Counter(), client, proxy, fates)
    assert found == counted


def test_no_count_is_lost_or_doubled_in_long_trouble(client: Any, proxy: Proxy) -> None:
    fates = random.Random(1).choices(FATES, k=200)
    counted, found = counted_and_found(numbered_batches, Counter(), client, proxy, fates)
    assert found == counted


@pytest.mark.parametrize("fate", FATES)
def test_a_client_that_sends_again_by_itself_does_no_harm(proxy: Proxy, fate: str) -> None:
    with redis.Redis(port=proxy.port, socket_timeout=SECONDS) as client:
        counted, found = counted_and_found(numbered_batches, Counter(), client, proxy, [fate])
    assert found == counted


# Each of these is right as long as nothing breaks, and wrong here.
@pytest.mark.parametrize(
    ("way", "cell", "fate", "wrong"),
    [
        (drain_then_send, Counter, LOST, "lost"),
        (load_send_subtract, AtomicInt, UNANSWERED, "doubled"),
        (keep_and_send_again, Counter, UNANSWERED, "doubled"),
        (keep_and_send_again, Counter, HALF_ANSWERED, "doubled"),
        (keep_and_send_again, Counter, LATE, "doubled"),
        (growing_batches, Counter, UNANSWERED, "lost"),
        (unordered_numbers, Counter, LATE, "doubled"),
    ],
)
def test_other_ways_lose_or_double(
    client: Any, proxy: Proxy, way: Way, cell: Any, fate: str, wrong: str
) -> None:
    """The controls."""
    counted, found = counted_and_found(way, cell(), client, proxy, [PASSED, PASSED])
    assert found == counted
    proxy.met.clear()
    proxy.server.client.flushdb()
    counted, found = counted_and_found(way, cell(), client, proxy, [fate, PASSED])
    assert (found < counted) if wrong == "lost" else (found > counted), (counted, found)


def test_the_client_itself_doubles_what_is_sent_without_a_number(proxy: Proxy) -> None:
    """The control: by default the client sends again what got no reply, and reports nothing."""
    with redis.Redis(port=proxy.port, socket_timeout=SECONDS) as client:
        counted, found = counted_and_found(drain_then_send, Counter(), client, proxy, [UNANSWERED])
    assert found == counted + COUNTED


def test_every_kind_of_cell(server: Server) -> None:
    requests, latency = Family(Counter, "method", "status"), Histogram([0.5, 1])
    sizes = Family(lambda: Histogram([1000]), "method")
    flush = flusher.Flusher(
        server.client, "totals", {"requests": requests, "latency": latency, "size": sizes}
    ).flush
    for _ in range(2):
        requests["GET", 200].inc()
        requests["PUT", 404].add(3)
        for seconds in (0.25, 0.5, 2):
            latency.observe(seconds)
        sizes["GET"].observe(5000)
        flush()
    expected = {"requests:GET:200": 2, "requests:PUT:404": 6, "size:GET:le:inf": 2, "size:GET:sum": 10000}
    expected |= {"latency:le:0.5": 4, "latency:le:inf": 2, "latency:sum": 5.5}
    assert totals(server) == expected
    latency.observe(math.inf)
    flush()
    assert totals(server) == expected | {"latency:le:inf": 3}


def test_producers_add_up(server: Server) -> None:
    cells = [Counter(number) for number in range(1, 4)]
    flushers = [flusher.Flusher(server.client, "totals", {"events": cell}) for cell in cells]
    for each in flushers:
        each.flush()
    assert totals(server) == {"events": 6}
    assert server.client.hlen("{totals}:batches") == 3


@pytest.mark.parametrize("refused", ["counter", "family:a", "histogram:sum"])
def test_a_batch_that_the_server_refuses_changes_nothing_and_is_kept(server: Server, refused: str) -> None:
    first, family, histogram = Counter(1), Family(Counter, "kind"), Histogram([1])
    cells = {
        "first": first,
        "new": Counter(1),
        "counter": Counter(1),
        "family": family,
        "histogram": histogram,
    }
    family["a"].inc()
    histogram.observe(0.5)
    flush = flusher.Flusher(server.client, "totals", cells).flush
    before = {"first": "41", refused: "no number"}
    server.client.hset("totals", mapping=before)
    for _ in range(2):
        with pytest.raises(redis.ResponseError):
            flush()
        assert server.client.hgetall("totals") == before
        assert not server.client.exists("{totals}:batches")
        first.inc()
    server.client.hdel("totals", refused)
    flush()
    expected = {
        "first": 44,
        "new": 1,
        "counter": 1,
        "family:a": 1,
        "histogram:le:1.0": 1,
        "histogram:sum": 0.5,
    }
    assert totals(server) == expected


def test_the_program_loses_nothing_while_the_server_comes_and_goes(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with redis_server() as server, Proxy(server, b"EVALSHA") as proxy, errors.open("wb") as stderr:
        command = [sys.executable, str(EXAMPLE / "count.py"), f"redis://127.0.0.1:{proxy.port}"]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)

        def until_more_arrives() -> None:
            before = totals(server, "shop")
            until = time.monotonic() + SECONDS
            while totals(server, "shop") == before:
                assert time.monotonic() < until and program.poll() is None, errors.read_text()
                time.sleep(0.01)

        try:
            for end in (server.kill, server.stop) * 3:
                until_more_arrives()
                proxy.fates.extend(TROUBLE)
                until_more_arrives()
                end()
                server.start()
            until_more_arrives()
            server.kill()
            program.send_signal(signal.SIGTERM)  # while there is no server
            server.start()
            output, _ = program.communicate(timeout=SECONDS)
        finally:
            program.kill()
            program.communicate()
        assert program.returncode == 0, errors.read_text()
        found = totals(server, "shop")
    methods, size = map(json.loads, output.splitlines())
    assert proxy.met == 6 * TROUBLE, "not all happened that was to happen"
    requests = {field: count for field, count in found.items() if field.startswith("requests:")}
    assert requests == {f"requests:{method}": count for method, count in methods.items()}
    buckets = [count for field, count in found.items() if field.startswith("size:le:")]
    assert sum(buckets) == sum(methods.values())
    assert found["size:sum"] == size
