"""A bar chart as SVG, without any library: one bar per row, all from zero on one linear scale.

A bar that is much longer than the rest would make the others invisible, so it is cut and marked as such. The
colours are readable on a light page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

INK, OURS, OTHERS, FLOOR = "#7a828c", "#2f81f7", "#9a6bd8", "#7a828c"
WIDTH, LABELS, BARS, ROW, TOP = 900, 380, 400, 22, 56
# A bar is cut if it is longer than this many times the median one.
LONGEST = 12


class Bar(NamedTuple):
    """A row of the chart."""

    label: str
    value: float
    color: str


def draw(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Return the chart as the text of an SVG file. Needs at least one bar, and no value below 0."""
    values = sorted(bar.value for bar in bars)
    scale = min(values[-1], LONGEST * values[len(values) // 2]) or 1.0
    cut = any(value > scale for value in values)
    height = TOP + ROW * len(bars) + 12
    subtitle = f"{unit}; lower is better" + ("; a bar with a gap is cut, it would be longer" if cut else "")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="42">{escape(subtitle)}</text>',
    ]
    for index, bar in enumerate(bars):
        lines += _drawn(bar, TOP + ROW * index, scale)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _drawn(bar: Bar, y: int, scale: float) -> list[str]:
    length = BARS * min(bar.value / scale, 1.0)
    lines = [
        f'<text x="{LABELS}" y="{y + 15}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{LABELS + 8}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" fill="{bar.color}"/>',
    ]
    if bar.value > scale:
        # The bar is drawn in two pieces, which leaves the gap.
        lines[-1:] = [
            f'<rect x="{LABELS + 8}" y="{y + 3}" width="{length - 24:.1f}" height="{ROW - 6}"'
            f' fill="{bar.color}"/>',
            f'<rect x="{LABELS + length:.1f}" y="{y + 3}" width="8" height="{ROW - 6}" fill="{bar.color}"/>',
        ]
    lines.append(f'<text x="{LABELS + 16 + length:.1f}" y="{y + 15}">{bar.value:,.1f}</text>')
    return lines
