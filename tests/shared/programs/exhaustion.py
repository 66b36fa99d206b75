"""Segments that find no memory."""

from types import ModuleType

from atomicx.shared import Segment
from support.child import program
from support.native import native

ARGUMENTS = (10, 3, bytes(16))


@program(dev=False)
def opening_without_memory(module: ModuleType) -> None:
    """Each allocation of the C code fails in turn: a MemoryError, after which opening succeeds."""
    allocator = native("allocator")
    refused, allocation = 1, 0
    while refused:
        segment = Segment.__new__(Segment)
        try:
            allocator.failing(allocation, False, segment._map_memory, *ARGUMENTS)
        except MemoryError:
            segment._map_memory(*ARGUMENTS)
        refused = allocator.refusals()
        segment.counter("counter").inc()
        assert segment.counter("counter").load() == 1
        allocation += 1
    assert allocation > 2, allocation
