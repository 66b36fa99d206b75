"""Reprs that show what is inside, and stop where they would contain themselves."""

from __future__ import annotations

from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The (object, thread) pairs whose repr is running. Adding and removing are one C call each.
reprs_running: set[tuple[int, int]] = set()


def shown_once(shown: object, show: Callable[[], str], again: str) -> str:
    """Return show(), or `again` if this thread is running it for this object already: it would never end."""
    visit = (id(shown), get_ident())
    if visit in reprs_running:
        return again
    reprs_running.add(visit)
    try:
        return show()
    finally:
        reprs_running.discard(visit)
