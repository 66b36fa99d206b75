"""The plots of the services under wrk: what they did under each load, and how long it took."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .results import ResultsFile
from .tables import build_name

SERVED, SHED = "#2f81f7", "#c2772b"


def under_load(result: ResultsFile) -> Figure:
    """Plot one row per service: answers per second on the left, shares of the latencies on the right."""
    names = list(dict.fromkeys(case["service"] for case in result["cases"]))
    figure = Figure(figsize=(9, 3.4 * len(names) + 0.4), layout="constrained")
    rows = figure.subplots(len(names), 2, squeeze=False)
    for name, (left, right) in zip(names, rows, strict=True):
        cases = [case for case in result["cases"] if case["service"] == name]
        _throughput(left, cases)
        _latencies(right, cases)
        left.set_title(f"{name}: answers a second", loc="left")
        right.set_title(f"{name}: latency", loc="left")
        for axes in (left, right):
            axes.set_xticks(range(len(cases)), [str(case["connections"]) for case in cases])
            axes.set_xlabel("connections of wrk")
    rows[0, 0].legend(frameon=False, loc="upper left")
    figure.suptitle(f"The services under wrk: {build_name(result)}", x=0.01, ha="left")
    return figure


def _throughput(axes: Axes, cases: list[dict[str, Any]]) -> None:
    served = [case["served"] / case["seconds"] for case in cases]
    shed = [case["shed"] / case["seconds"] for case in cases]
    axes.bar(range(len(cases)), served, color=SERVED, width=0.7, label="served (200)")
    axes.bar(range(len(cases)), shed, bottom=served, color=SHED, width=0.7, label="shed (503)")
    for place, (count, more) in enumerate(zip(served, shed, strict=True)):
        axes.annotate(
            f"{count:,.0f}",
            (place, count + more),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=SERVED,
        )


def _latencies(axes: Axes, cases: list[dict[str, Any]]) -> None:
    """Draw one column per load, one row per bucket; a stronger colour is a larger share of that status."""
    bounds = list(dict.fromkeys(bound for case in cases for of in case["latencies"].values() for bound in of))
    for place, case in enumerate(cases):
        for status, color, shift in (("200", SERVED, -0.35), ("503", SHED, 0.0)):
            counts = case["latencies"].get(status, {})
            for row, bound in enumerate(bounds):
                if count := counts.get(bound, 0):
                    share = count / sum(counts.values())
                    field = Rectangle(
                        (place + shift, row), 0.33, 1, facecolor=color, alpha=0.08 + 0.92 * share, linewidth=0
                    )
                    axes.add_patch(field)
    axes.set_xlim(-0.6, len(cases) - 0.4)
    axes.set_ylim(0, len(bounds))
    # Each bound is the line between two buckets.
    axes.set_yticks(range(1, len(bounds)), [in_milliseconds(bound) for bound in bounds[:-1]])


def in_milliseconds(bound: str) -> str:
    return f"{float(bound) * 1000:g} ms"
