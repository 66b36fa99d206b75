"""The latencies of a server: every request is in every histogram, with the errors that are stated."""

import importlib.util

import pytest
from benchmarks import latencies, results, tables

pytestmark = pytest.mark.one_run


def test_every_request_is_in_every_histogram():
    histograms = latencies.made()
    ordered = latencies.load(5, histograms)
    assert len(ordered) == 5 * latencies.CLIENTS and ordered == sorted(ordered) and ordered[0] > 0
    cases = latencies.compared(ordered, histograms)
    assert [case["histogram"] for case in cases] == list(histograms)
    for case in cases:
        if case["stated_error"] is not None:
            assert latencies.worst(case) <= case["stated_error"] * (1 + 1e-12), case
    rungs = latencies.buckets(histograms["ExponentialHistogram(4)"])
    assert sum(count for _, _, count in rungs) == len(ordered)
    with pytest.raises(RuntimeError, match="has counted 20 of 19 requests"):
        latencies.compared(ordered[1:], histograms)


def test_exact_quantiles():
    ordered = [1.0, 2.0, 3.0, 4.0]
    found = [latencies.exact(ordered, q) for q in (0, 0.25, 0.26, 0.5, 0.99, 1)]
    assert found == [1.0, 1.0, 2.0, 2.0, 4.0, 4.0]


def made_up():
    quantiles = {"0.5": [0.002, 0.003], "0.99": [0.5, 0.4]}
    names = (latencies.FIXED, "ExponentialHistogram(2)", "ExponentialHistogram(4)")
    cases = [
        {"histogram": name, "in_use": 3, "size": 1234, "stated_error": None, "quantiles": quantiles}
        for name in names
    ]
    content = {"requests": 4, "clients": 2, "buckets": [[1.0, 2.0, 3], [4.0, 8.0, 1]], "cases": cases}
    return results.circumstances() | content


def test_the_table():
    known = tables.Results([], [], [], [], latencies=[made_up()])
    text = tables.latencies(known)
    assert "| 50 % | 2 | 3 (+50.0%) |" in text
    assert "| memory, in bytes |  | 1,234 |" in text


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib draws the plot")
def test_the_plot():
    from benchmarks.plot_latencies import quantiles

    left, right = quantiles(made_up()).axes
    assert [bar.get_height() for bar in left.patches] == [3, 1]
    assert [list(line.get_ydata()) for line in right.lines] == [pytest.approx([50, 20])] * 3
