"""The scrapes that are measured: that the pages have what the workers counted, and what the table says."""

import os

import pytest
from benchmarks import results, scrapes, tables

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")


@pytest.mark.skipif(
    atomicx.backend != "c" or not hasattr(os, "fork"), reason="a segment needs the C module, and POSIX"
)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks where pytest may have threads
def test_a_short_run() -> None:
    few, many, files = scrapes.measure(1, {"segment": (8, 24), "files": (8,)})
    assert few["series"] == scrapes.COUNTERS + scrapes.GAUGES + 16 * scrapes.HISTOGRAMS
    assert few["bytes"] == many["bytes"] < files["bytes"]
    assert (few["files"], many["files"], files["files"]) == (1, 1, 3 * 8)
    assert all(case["seconds"] > 0 for case in (few, many, files))
    known = tables.Results([], [], [], [], [results.circumstances() | {"cases": [few, many, files]}])
    rows = tables.scrapes(known).splitlines()
    assert rows[3].startswith("| a segment | 24 | 1 | 0.2 MiB |")
    assert rows[4].startswith("| the library's files | 8 | 24 |")


def test_a_page_without_the_counts_is_an_error() -> None:
    prepared = scrapes.Prepared("segment", 8, scrapes.Path(), lambda: b'requests_total{path="/path/0"} 7.0\n')
    with pytest.raises(RuntimeError, match="segment, 8 workers: the page lacks"):
        scrapes.check(prepared)
