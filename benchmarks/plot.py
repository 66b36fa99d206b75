"""Draws the documents' plots from the results files, or checks that they match the results files.

The same results give the same bytes, with the version of matplotlib that the extra `benchmarks` pins. Text
stays text, and the colours are readable on a light page and on a dark one.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from atomicx.bench.alternatives import LOCKED
from atomicx.bench.operations import SUBJECT

from .floor import NOTHING
from .floor import SUBJECT as FLOOR
from .plot_latencies import quantiles
from .plot_services import under_load
from .results import FOLDER, LATENCIES, SERVICES, TIMES, TOP, ResultsFile, read
from .tables import build_name, by_name

PLOTS = TOP / "docs" / "plots"

INK, OURS, OTHERS, STANDARD = "#7a828c", "#2f81f7", "#9a6bd8", "#c2772b"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "atomicx",
    "font.family": "sans-serif",
    "font.size": 11,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
}

# The job, and its name in the plot.
JOBS = (
    ("int.inc", "count one"),
    ("int.load", "read"),
    ("int.fetch_add", "count, and get the value"),
    ("int.compare_and_set", "compare and swap"),
    ("ref.load", "read a reference"),
    ("inflight", "count in and out of a block"),
)
# Longer bars are cut here, and marked as cut.
LONGEST = 40.0

SCALING = (
    "AtomicInt.inc()",
    "AtomicInt.fetch_add()",
    "AtomicRef.load()",
    "Counter.inc()",
    "Counter.inc(), loop in C",
    "Counter.inc(), striped from the start, loop in C",
    "ft_utils.AtomicInt64.incr()",
    "cereggii.AtomicInt64.increment_and_get()",
    "next(itertools.count())",
    LOCKED,
    NOTHING,
)


def color_of(case: dict[str, Any]) -> str:
    colors = {SUBJECT: OURS, FLOOR: INK, "Python": STANDARD}
    return colors.get(case["subject"], OTHERS)


def _legend(figure: Figure, colors: set[str]) -> None:
    """Say below the plot what each of its colours stands for."""
    names = {OURS: "atomicx", STANDARD: "Python's own", OTHERS: "other packages", INK: "an empty call"}
    handles = [Patch(color=color, label=name) for color, name in names.items() if color in colors]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def costs(result: ResultsFile) -> Figure:
    """Plot what a job costs with ours and with each alternative, in calls of an empty method."""
    floor = by_name(result)[NOTHING]["median_ns"]
    bars: list[tuple[str, float, str]] = []
    for job, name in JOBS:
        doing = [
            case
            for case in result["cases"]
            if job in case["jobs"] and (case["threads"], case["access"]) == (1, "local")
        ]
        bars.append((name, 0.0, ""))
        bars += [
            (case["label"], case["median_ns"] / floor, color_of(case))
            for case in sorted(doing, key=lambda case: case["subject"] != SUBJECT)
        ]
    figure = Figure(figsize=(9, 0.27 * len(bars) + 1.4), layout="constrained")
    axes = figure.subplots()
    _bars(axes, bars, LONGEST)
    axes.axvline(1, color=INK, linewidth=1, linestyle="--")
    axes.set_xlabel("time, as calls of an empty C method (dashed: one)")
    axes.set_title(f"What a job costs: {build_name(result)}", loc="left")
    _legend(figure, {color for _, _, color in bars})
    return figure


def _bars(axes: Axes, bars: list[tuple[str, float, str]], longest: float) -> None:
    """Draw bars from the top down; one without a colour is a heading."""
    places = range(len(bars))
    lengths = [min(value, longest) for _, value, _ in bars]
    axes.barh(places, lengths, color=[color or "none" for _, _, color in bars], height=0.72)
    axes.set_yticks(places, [label for label, _, _ in bars])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    for place, (_, value, color), label in zip(places, bars, axes.get_yticklabels(), strict=True):
        if color:
            cut = " (cut)" if value > longest else ""
            _label(axes, min(value, longest), place, f"{value:,.1f}{cut}")
        else:
            label.set_fontweight("bold")


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    """Write a text to the right of a bar's end."""
    axes.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)


def scaling(result: ResultsFile) -> Figure:
    """Plot what two threads do together, compared with what one does alone."""
    index = by_name(result)
    kinds = (("one object", 1.0), ("private objects", 0.45))
    rows = [(name, {kind: index.get(f"{name}, 2 threads, {kind}") for kind, _ in kinds}) for name in SCALING]
    rows = [(name, found) for name, found in rows if any(found.values())]
    figure = Figure(figsize=(9, 0.5 * len(rows) + 1.6), layout="constrained")
    axes = figure.subplots()
    for row, (_, found) in enumerate(rows):
        for number, (kind, opacity) in enumerate(kinds):
            case = found[kind]
            if case is not None:
                place = row + 0.36 * number - 0.18
                value = case["throughput"]
                axes.barh(place, value, height=0.33, color=color_of(case), alpha=opacity)
                _label(axes, value, place, f"{value:.2f} {kind}")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    for level in (1, 2):
        axes.axvline(level, color=INK, linewidth=1, linestyle="--")
    axes.set_xlim(0, 2.6)
    axes.set_xlabel("two threads together, compared with one alone (dashed: 1 and 2)")
    axes.set_title(f"Two threads: {build_name(result)}", loc="left")
    _legend(figure, {color_of(case) for _, found in rows for case in found.values() if case is not None})
    return figure


def svg(figure: Figure) -> str:
    """Return the figure as SVG: the same bytes for the same figure."""
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def drawn(
    known: list[ResultsFile], services: list[ResultsFile], latencies: list[ResultsFile]
) -> dict[str, str]:
    """Return every plot by the name of its file, from the results of times, services and latencies."""
    plots: dict[str, Callable[[ResultsFile], Figure]] = {"costs": costs, "threads": scaling}
    with matplotlib.rc_context(STYLE):
        found = {
            f"{name}-{result['interpreter']['name']}.svg": svg(draw(result))
            for result in known
            for name, draw in plots.items()
            if name != "threads" or not result["interpreter"]["gil"]
        }
        for name, draw, measured in (("services", under_load, services), ("quantiles", quantiles, latencies)):
            for result in measured:
                found[f"{name}-{result['interpreter']['name']}.svg"] = svg(draw(result))
        return found


def plot(*, check: bool, folder: Path = FOLDER, output: Path = PLOTS) -> int:
    """Draw the plots, or only compare. Returns the exit status."""
    wanted = drawn(read(TIMES, folder), read(SERVICES, folder), read(LATENCIES, folder))
    there = {path.name: path.read_text(encoding="utf-8") for path in output.glob("*.svg")}
    stale = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
    if check and stale:
        print(f"plots that are not the results files': {', '.join(stale)}; python -m benchmarks plot")
        return 1
    if not check:
        output.mkdir(parents=True, exist_ok=True)
        for name in there.keys() - wanted.keys():
            (output / name).unlink()
        for name, text in wanted.items():
            (output / name).write_text(text, encoding="utf-8")
    print(f"ok: {', '.join(sorted(wanted))} are drawn from the results files")
    return 0
