"""When a test can run. Apart from what the programs in other processes import, since pytest loads slowly."""

import os
import sys

import pytest

from support.race import GIL

NEEDS_C = pytest.mark.skipif(
    os.environ.get("ATOMICX_PURE") == "1",
    reason="ATOMICX_PURE=1 leaves out the C module, and without it there are no shared cells",
)
NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason=f"{sys.platform} has no fork")
NARROW_SPLITS_SHOW = pytest.mark.skipif(
    GIL, reason="with the GIL one C call is one step, so a cell that is split inside it is not broken"
)
