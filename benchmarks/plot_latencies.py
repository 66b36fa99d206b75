"""The plot of the latencies of a server: their distribution, and the errors of the quantiles."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .latencies import FIXED
from .results import ResultsFile
from .tables import build_name

OURS, FINE, STANDARD = "#2f81f7", "#9a6bd8", "#c2772b"
DRAWN = {FIXED: STANDARD, "ExponentialHistogram(2)": FINE, "ExponentialHistogram(4)": OURS}


def quantiles(result: ResultsFile) -> Figure:
    """Plot the buckets in use on the left, and on the right the relative error of each quantile."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _distribution(left, result)
    _errors(right, result)
    figure.suptitle(
        f"{result['requests']:,} requests to a server, {result['clients']} clients: {build_name(result)}",
        x=0.01,
        ha="left",
    )
    return figure


def _distribution(axes: Axes, result: ResultsFile) -> None:
    lows, highs, counts = zip(*result["buckets"], strict=True)
    widths = [high - low for low, high in zip(lows, highs, strict=True)]
    axes.bar(lows, counts, widths, align="edge", color=OURS)
    for q in ("0.5", "0.99"):
        true, told = next(
            case["quantiles"][q] for case in result["cases"] if case["histogram"] == "ExponentialHistogram(4)"
        )
        axes.axvline(true, color=STANDARD, linewidth=1)
        axes.annotate(
            f"{float(q):.0%}: {told * 1000:.3g} ms\nexact {true * 1000:.3g} ms",
            (true, max(counts)),
            xytext=(3, -8),
            textcoords="offset points",
            va="top",
            fontsize=9,
        )
    axes.set_xscale("log")
    axes.set_title("ExponentialHistogram(4): observations per bucket", loc="left", fontsize=11)
    axes.set_xlabel("seconds")


def _errors(axes: Axes, result: ResultsFile) -> None:
    for case in result["cases"]:
        if color := DRAWN.get(case["histogram"]):
            places = range(len(case["quantiles"]))
            errors = [100 * abs(told - true) / true for true, told in case["quantiles"].values()]
            # Nothing is 0 on a logarithmic axis.
            axes.plot(
                places, [max(error, 0.01) for error in errors], "o-", color=color, label=case["histogram"]
            )
            if case["stated_error"]:
                axes.axhline(100 * case["stated_error"], color=color, linewidth=1, linestyle="--")
    names = [f"{100 * float(q):g}" for q in result["cases"][0]["quantiles"]]
    axes.set_xticks(range(len(names)), names)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.001)  # room for the legend
    axes.set_xlabel("quantile, in %")
    axes.set_title("error in %; dashed: what is stated", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
