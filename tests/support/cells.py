"""One cell of each type, changed together: the lifecycle programs hammer them."""

import threading
from types import ModuleType
from typing import Any


def one_more(number: int) -> int:
    return number + 1


class Cells:
    """Changes every cell by one in each beat, so that after n beats each of them holds n."""

    def __init__(self, module: ModuleType) -> None:
        self.by_add = module.AtomicInt()
        self.by_swap = module.AtomicInt()
        self.by_update = module.AtomicInt()
        self.float = module.AtomicFloat()
        self.reference = module.AtomicRef(0)
        self.counter = module.Counter()
        self.flag = module.AtomicBool()
        self.in_flight = module.AtomicInt()
        self.admitted = module.AtomicInt()
        self.histogram = module.Histogram([0.5, 1.0, 2.0])
        self.exponential = module.ExponentialHistogram(0)
        self.timed = module.Histogram([1e9])
        self.timer = self.timed.time()
        self.family = module.Family(module.Counter, "method", "status")
        # The twin has no shared cells; a local one takes the place.
        has_shared = module.__name__ == "atomicx._core"
        self.shared = module.SharedInt(bytearray(8)) if has_shared else module.AtomicInt()
        self.shared_float = module.SharedFloat(bytearray(8)) if has_shared else module.AtomicFloat()

    def beat(self) -> None:
        with self.in_flight.track(), self.admitted.admit(2**40) as admitted, self.timer:
            assert admitted
            self.by_add.inc()
            while not self.by_swap.compare_and_set(now := self.by_swap.load(), now + 1):
                pass
            self.by_update.update(one_more)
            self.float.add(1.0)
            self.reference.update(one_more)
            self.counter.inc()
            self.flag.exchange(not self.flag.load())
            self.histogram.observe(1.0)
            self.exponential.observe(1.0)
            self.family["GET", 200].inc()
            self.shared.inc()
            self.shared_float.add(1.0)

    def loads(self) -> dict[str, Any]:
        return {
            "by_add": self.by_add.load(),
            "by_swap": self.by_swap.load(),
            "by_update": self.by_update.load(),
            "float": self.float.load(),
            "reference": self.reference.load(),
            "counter": self.counter.load(),
            "histogram": self.histogram.snapshot().counts[1],
            "exponential": self.exponential.snapshot().count,
            "timed": self.timed.snapshot().count,
            "family": self.family["GET", "200"].load(),
            "shared": self.shared.load(),
            "shared_float": self.shared_float.load(),
        }

    def check(self, beats: int) -> None:
        """Assert that nothing was lost in `beats` beats. No thread may be beating meanwhile."""
        self.check_between(beats, beats)
        assert self.in_flight.load() == 0, f"{self.in_flight.load()} are in flight, and nobody is there"
        assert self.admitted.load() == 0, f"{self.admitted.load()} are admitted, and nobody is there"
        assert self.histogram.snapshot() == ((0, beats, 0, 0), float(beats)), self.histogram.snapshot()
        snapshot = self.exponential.snapshot()
        assert snapshot.positive.offset == -1 or not beats, snapshot
        assert (snapshot.positive.counts, snapshot.sum) == ((beats,) if beats else (), beats), snapshot

    def check_between(self, least: int, most: int) -> None:
        wrong = {name: value for name, value in self.loads().items() if not least <= value <= most}
        assert not wrong, f"after {least} to {most} beats: {wrong}"


class Hammer:
    """Threads that beat until they are stopped."""

    def __init__(self, cells: Cells, threads: int, daemon: bool = False) -> None:
        self.cells = cells
        self.beats = [0] * threads
        self.stopped = False
        self.threads = [
            threading.Thread(target=self.hammer, args=(index,), daemon=daemon) for index in range(threads)
        ]

    def hammer(self, index: int) -> None:
        while not self.stopped:
            self.cells.beat()
            self.beats[index] += 1

    def __enter__(self) -> "Hammer":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped = True
        for thread in self.threads:
            thread.join()
