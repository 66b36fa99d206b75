"""Workers that come and go, as with gunicorn's --max-requests, as many as you like:

    python tests/shared/endurance.py 10000

Each counts and ends, or is killed at a random instant. Afterwards the file still has its size, stripes were
reused, and every total equals what the workers counted.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from atomicx.shared import Segment

AT_A_TIME = 16
COUNTS = 20
KILLED = 0.3  # of the workers


def work(segment: Segment, number: int, killed: bool) -> None:
    """Count one round. A worker that is to be killed counts many; the counter `done` says how many."""
    requests, histogram = (
        segment.counter("requests", "route"),
        segment.histogram("latency", [0.5, 1], "route"),
    )
    gauge, done = segment.gauge("in flight"), segment.counter("done")
    while True:
        with gauge.track():
            for count in range(COUNTS):
                requests.inc(count % 5)
                histogram.observe(count % 2, number % 3)
            done.inc()
        if not killed:
            return


def endure(workers: int) -> dict[str, int]:
    """Let `workers` of them come and go. Return what was observed; raise AssertionError if it is wrong."""
    chance = random.Random(workers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment"
        segment = Segment.create(path, 100, processes=2 * AT_A_TIME)
        size = path.stat().st_size
        own = segment.gauge("in flight")
        own.store(7)
        running: deque[tuple[int, bool]] = deque()
        kills = 0
        for number in range(workers + AT_A_TIME):
            if number < workers:
                killed = chance.random() < KILLED
                pid = os.fork()
                if not pid:
                    status = 1
                    try:
                        signal.alarm(60)
                        work(segment, number, killed)
                        status = 0
                    finally:
                        os._exit(status)
                running.append((pid, killed))
            if len(running) == AT_A_TIME or (number >= workers and running):
                pid, killed = running.popleft()
                if killed:
                    time.sleep(chance.random() * 0.001)
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                assert status == (-signal.SIGKILL if killed else 0), status
        assert path.stat().st_size == size
        usage = segment.usage()
        assert (usage.alive, own.load()) == (1, 7)
        assert usage.stripes <= AT_A_TIME + 1, usage
        assert usage.overflowed == 0
        done = segment.counter("done").load()
        requests = sum(child.load() for _, child in segment.counter("requests", "route").items())
        family = segment.histogram("latency", [0.5, 1], "route")
        observed = sum(sum(child.snapshot().counts) for _, child in family.items())
        # A killed worker had counted at most a part of one round.
        assert done * COUNTS <= observed <= requests <= done * COUNTS + kills * COUNTS
        assert requests - observed <= kills
        return {"workers": workers, "killed": kills, "stripes": usage.stripes, "requests": requests}


if __name__ == "__main__":
    print(endure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
