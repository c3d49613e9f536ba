"""Small plots, drawn as SVG by hand: bars with their figures, and a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

STYLE = "font-family:sans-serif;font-size:12px"
INK, OURS, THEIRS, RULE = "#222", "#2a7fb8", "#c9c9c9", "#e03c31"


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """A piece of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(words)}</text>'


def svg(width: int, height: int, parts: Sequence[str]) -> str:
    """A whole picture."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" style="{STYLE}">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>", ""])


def pairs(path: Path, title: str, rows: Sequence[tuple[str, float, float]], unit: str,
          legend: str = "blue: manimd    grey: stock") -> None:  # fmt: skip
    """Two bars a row, ours and the other's, with the ratio beside them."""
    top = max((max(ours, theirs) for _, ours, theirs in rows), default=1) or 1
    parts = [text(10, 20, title)]
    for row, (name, ours, theirs) in enumerate(rows):
        y = 38 + row * 34
        parts.append(text(110, y + 16, name, "end"))
        for offset, value, colour in ((0, ours, OURS), (13, theirs, THEIRS)):
            wide = 420 * value / top
            parts.append(f'<rect x="116" y="{y + offset}" width="{wide:.1f}" height="12" fill="{colour}"/>')
            parts.append(text(120 + wide, y + offset + 10, f"{value:.2f} {unit}"))
        parts.append(text(690, y + 16, f"{theirs / ours:.2f} x" if ours else "", "end"))
    parts.append(text(116, 52 + 34 * len(rows), legend))
    path.write_text(svg(700, 64 + 34 * len(rows), parts), encoding="utf-8")


def distribution(path: Path, title: str, values: Sequence[float], unit: str, mark: float) -> None:
    """The sorted values as a line from the smallest to the largest, with a goal."""
    ordered = sorted(values)
    top = max(ordered[-1], mark) * 1.05
    points = []
    for index, value in enumerate(ordered):
        points.append(f"{50 + 620 * index / max(1, len(ordered) - 1):.1f},{220 - 180 * value / top:.1f}")
    goal = 220 - 180 * mark / top
    parts = [
        text(10, 20, title),
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{OURS}" stroke-width="2"/>',
        f'<line x1="50" y1="{goal:.1f}" x2="670" y2="{goal:.1f}" stroke="{RULE}" stroke-dasharray="4"/>',
        text(670, goal - 4, f"{mark:g} {unit}", "end"),
        text(50, 236, "p0"),
        text(360, 236, "p50", "middle"),
        text(670, 236, "p100", "end"),
        text(44, 224, "0", "end"),
        text(44, 44, f"{top:.1f}", "end"),
    ]
    path.write_text(svg(700, 246, parts), encoding="utf-8")
