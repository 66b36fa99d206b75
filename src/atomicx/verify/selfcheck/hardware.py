"""The processor's own store buffer, observed from Python: the effect of a store without a fence.

Each of two threads stores to one place and then loads the other. On x86 too, both may load the old value: a
processor's store waits in its buffer while its load goes ahead. In Python hardly anything shows that, because
counting a reference to an object of another thread is a locked instruction, and so a fence. So here each
thread has its own views of one memory, and nothing that they share is touched between the store and the load.
Stores leave the buffer in their order, so this one waits long: it is the last of a block.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

from ..litmus import Actor, Litmus
from ..sampling.noise import BATCH
from ..sampling.programs import IMPOSSIBLE, Program
from .controls import SplitInt

STORE_BUFFERING = Program("x = 0; y = 0", ("x.store(1); a = y.load()", "y.store(1); b = x.load()"))

# In words of eight bytes: 32 cache lines. A state has two blocks, and the last word of each is x or y.
BLOCK = 256


def plain_store_buffering() -> Litmus:
    """Store buffering on plain memory, without any fence."""
    memory = bytearray(8 * 2 * BLOCK * BATCH)
    words = memoryview(memory).cast("q")
    places = cycle(range(0, len(words), 2 * BLOCK))
    zeros = memoryview(bytes(8 * 2 * BLOCK)).cast("q")

    def setup() -> int:
        place = next(places)
        words[place : place + 2 * BLOCK] = zeros
        return place

    def actor(name: str, mine: int, other: int) -> Actor:
        def prepare() -> Callable[[int], Any]:
            own_view = memoryview(memory).cast("q")
            own_ones = memoryview(b"\1\0\0\0\0\0\0\0" * BLOCK).cast("q")

            # Locals only: reading a variable of the enclosing function locks it, and a lock is a fence.
            def body(
                place: int,
                view: memoryview = own_view,
                ones: memoryview = own_ones,
                mine: int = mine,
                end: int = mine + BLOCK,
                other: int = other + BLOCK - 1,
            ) -> Any:
                start, stop, load = place + mine, place + end, place + other
                view[start:stop] = ones
                return view[load]

            return body

        return Actor(name, prepare)

    return Litmus(
        name="int-store-buffering-hardware, control",
        setup=setup,
        actors=(actor("first", 0, BLOCK), actor("second", BLOCK, 0)),
        outcomes=STORE_BUFFERING.outcomes(SplitInt),
        show=STORE_BUFFERING.show,
        unlisted=IMPOSSIBLE,
    )
