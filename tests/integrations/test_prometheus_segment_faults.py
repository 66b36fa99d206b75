"""install(segment=...) and SegmentCollector where something went wrong: closed segments, what others wrote.

Each test runs in a process of its own, and prints nothing if all is well.
"""

import os
from pathlib import Path

import pytest

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")

from integrations.segment_programs import START, check  # noqa: E402

pytestmark = pytest.mark.skipif(
    atomicx.backend != "c" or not hasattr(os, "fork"), reason="a segment needs the C module, and POSIX"
)


def test_install_after_the_segment_was_closed(tmp_path: Path) -> None:
    """The same file, opened again, or another: metrics must not go on counting in the closed one."""
    check(
        START
        + f"""
path = {str(tmp_path / "segment")!r}
segment = Segment.create(path, 100)
install(segment=segment)
client.Counter("before", "B.")
segment.close()
again, other = Segment.open(path), Segment.anonymous(100)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    install(segment=again)
    client.Counter("c", "C.").inc()
    again_found = scraped(again)
    again.close()
    install(segment=other)
    client.Counter("d", "D.").inc()
assert again_found == {{("before_total",): 0.0, ("c_total",): 1.0}}, again_found
assert scraped(other) == {{("d_total",): 1.0}}, scraped(other)
assert [str(warning.message) for warning in warned] == [
    f"metrics made before install() keep their values, outside the segment: {{name}}"
    for name in ("before", "c")
], warned
""",
    )
