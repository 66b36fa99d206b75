"""What `count` counts beside our own operations: their equivalents in the peers that are installed, and,
without the GIL, the addition to a counter that is in stripes.

The times of such short calls differ more from one run to the next than between the packages.
"""

import dataclasses

from atomicx.bench.alternatives import peer_cases
from atomicx.bench.harness import Case
from atomicx.bench.operations import own_cases

from .cases import has_gil
from .model import STRIPED
from .striped import striped_module

COUNTER = "Counter.inc()"


def cases_beside() -> list[tuple[Case, str]]:
    """Return the cases, each with the name of our first operation that does the same. Builds nothing yet."""
    own = {case.name: case for case in own_cases()}
    pairs = [(peer, name) for peer in peer_cases()[0] for name, ours in own.items() if ours.equivalent(peer)]
    if not has_gil():
        in_stripes = dataclasses.replace(
            own[COUNTER], label=STRIPED, make=lambda: {"cell": striped_module().Counter()}
        )
        pairs.append((in_stripes, COUNTER))
    first = {case.name: (case, name) for case, name in reversed(pairs)}
    return list(reversed(first.values()))
