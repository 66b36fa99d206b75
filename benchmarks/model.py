"""What to expect beyond the cores that were measured: a small model, fed with measured costs.

A thread that counts in a loop alternates between two places. It thinks, for the time of a call and of its own
core's work. Then it waits for cache lines, each of which serves one core at a time, for as long as a line
takes to move between two cores. So each line is a queue, the threads are its customers, and the throughput of
such a closed network is known exactly (mean value analysis: Reiser and Lavenberg, "Mean-Value Analysis of
Closed Multichain Queuing Networks", JACM 1980).

Threads choose their stripe by their number. Threads made one after the other get different stripes as long as
there are enough. Where threads come and go, the numbers are as good as random, and some collide; that is
simulated.

The model knows nothing of sockets, of frequencies that fall when all cores work, or of two threads that
share a core.
"""

import functools
import math
import random
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .results import TOP

CORES = (2, 8, 32, 128)
TRIALS = 200
SEED = 1
# Between cores that do not share a cache, as on many servers. An assumption, not measured here.
FAR_NS = 100.0


# What is predicted, and the words for it: throughput compared with that of one thread.
COLUMNS = {
    "one_cell": "one cell",
    "striped": "stripes, threads made in turn",
    "striped_at_random": "stripes, any threads",
    "striped_at_worst": "the worst of 200",
    "shared_object": "one object whose references are counted",
}


class Costs(NamedTuple):
    """Nanoseconds."""

    call: float
    """A call from a loop in C, including its operation, without other threads."""
    transfer: float
    """How long a cache line serves one core before it can serve the next."""


def throughput(threads: int, think_ns: float, services_ns: Sequence[float]) -> float:
    """Return operations per nanosecond of a closed network: one place to think and one queue per service."""
    lengths = [0.0] * len(services_ns)
    rate = 0.0
    for customers in range(1, threads + 1):
        stays = [service * (1 + length) for service, length in zip(services_ns, lengths, strict=True)]
        rate = customers / (think_ns + math.fsum(stays))
        lengths = [rate * stay for stay in stays]
    return rate


def one_line(threads: int, costs: Costs, visits: int = 1) -> float:
    """Return the throughput on one line, with `visits` to it per operation, relative to one thread."""
    if threads == 1:
        return 1.0
    return throughput(threads, costs.call, [costs.transfer * visits]) * costs.call


def striped(crowds: Iterable[int], costs: Costs) -> float:
    """Return the throughput of stripes with these crowds of threads, relative to one thread."""
    return math.fsum(one_line(crowd, costs) for crowd in crowds if crowd)


@functools.cache
def most_stripes() -> int:
    """Return the maximum number of stripes, from csrc/core."""
    header = (TOP / "csrc" / "core" / "ax_stripe.h").read_text(encoding="utf-8")
    found = re.search(r"#define AX_MAX_STRIPES (\d+)", header)
    assert found is not None
    return int(found[1])


def stripe_count(cores: int) -> int:
    """Return the number that the counter chooses: the largest power of two up to twice the cores."""
    return min(most_stripes(), 1 << (2 * cores).bit_length() - 1)


def in_turn(threads: int, stripes: int) -> list[int]:
    """Return how many threads each stripe gets if they were made one after the other."""
    return [len(range(first, threads, stripes)) for first in range(stripes)]


def at_random(threads: int, stripes: int, source: random.Random) -> list[int]:
    """Return the same for threads with random numbers."""
    return list(Counter(source.randrange(stripes) for _ in range(threads)).values())


def predictions(costs: Costs) -> list[dict[str, Any]]:
    """Return, for each number of cores with one thread each, the throughput relative to one thread."""
    source = random.Random(SEED)
    rows = []
    for cores in CORES:
        stripes = stripe_count(cores)
        collided = [striped(at_random(cores, stripes, source), costs) for _ in range(TRIALS)]
        rows.append(
            {
                "cores": cores,
                "stripes": stripes,
                "one_cell": one_line(cores, costs),
                "striped": striped(in_turn(cores, stripes), costs),
                "striped_at_random": statistics.mean(collided),
                "striped_at_worst": min(collided),
                # Each call increments and decrements a reference count on the cell's line: two more visits.
                "shared_object": one_line(cores, costs, visits=3),
            }
        )
    return rows


Cases = dict[str, dict[str, Any]]

LOOPED = "Counter.inc(), loop in C"
STRIPED = "Counter.inc(), striped from the start"
BARE = "bare loop of atomic adds"
TWO = ", 2 threads, one object"


def measured_costs(cases: Cases) -> Costs:
    """Return a results file's costs. Two threads that only add keep a line busy: it serves them in turn."""
    return Costs(cases[LOOPED]["median_ns"], cases[BARE + TWO]["median_ns"] / 2)


def checks(cases: Cases) -> list[tuple[str, float, float]]:
    """Return what the model predicts for two threads, and what was measured."""
    costs = measured_costs(cases)
    by_python = costs._replace(call=cases["AtomicInt.inc()"]["median_ns"])
    in_stripes = striped(in_turn(2, stripe_count(2)), costs)
    return [
        ("one cell", one_line(2, costs), cases["AtomicInt.inc(), loop in C" + TWO]["throughput"]),
        ("stripes, compared with one thread on one cell", in_stripes, cases[LOOPED + TWO]["throughput"]),
        *(
            ("stripes, compared with one thread on stripes", in_stripes, cases[name]["throughput"])
            for name in (f"{STRIPED}, loop in C{TWO}",)
            if name in cases
        ),
        (
            "one object whose references are counted",
            one_line(2, by_python, visits=3),
            cases["AtomicInt.inc()" + TWO]["throughput"],
        ),
    ]
