"""The picture of the queue's benchmark: jobs a second, latency, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cairo

INK, OURS, THEIRS, RULE = (0.13, 0.13, 0.13), (0.16, 0.5, 0.72), (0.75, 0.75, 0.75), (0.88, 0.24, 0.19)
WIDE, ROW, LEFT, BAR = 900, 22, 210, 400


class Picture:
    """Panels of bars, one beneath the other."""

    def __init__(self, height: int) -> None:
        self.surface = cairo.ImageSurface(cairo.FORMAT_RGB24, WIDE, height)
        self.ink = cairo.Context(self.surface)
        self.ink.set_source_rgb(1, 1, 1)
        self.ink.paint()
        self.ink.select_font_face("sans-serif")
        self.y = 12.0

    def text(self, x: float, y: float, words: str, size: float = 12, right: bool = False) -> None:
        """A piece of text."""
        self.ink.set_source_rgb(*INK)
        self.ink.set_font_size(size)
        self.ink.move_to(x - (self.ink.text_extents(words).x_advance if right else 0), y)
        self.ink.show_text(words)

    def bar(self, x: float, width: float, colour: tuple[float, float, float], thin: bool = False) -> None:
        """A bar in the row of now."""
        self.ink.set_source_rgb(*colour)
        self.ink.rectangle(x, self.y + (5 if thin else 2), width, ROW - (14 if thin else 6))
        self.ink.fill()

    def panel(self, title: str, rows: list[tuple[str, float, float, str]], goal: float = 0) -> None:
        """Rows of (name, value, a second value behind it or 0, words)."""
        self.text(14, self.y + 14, title, 13)
        self.y += 26
        top = max([goal, *(max(value, more) for _, value, more, _ in rows)]) * 1.02 or 1
        above = self.y
        for name, value, more, words in rows:
            colour = OURS if name.startswith("manimd") else THEIRS
            self.text(LEFT - 8, self.y + 14, name, 12, right=True)
            self.bar(LEFT, BAR * value / top, colour)
            if more:
                self.bar(LEFT, BAR * more / top, colour, thin=True)
            self.text(LEFT + BAR * max(value, more) / top + 6, self.y + 14, words, 11)
            self.y += ROW
        if goal:
            self.ink.set_source_rgb(*RULE)
            self.ink.rectangle(LEFT + BAR * goal / top, above, 1, self.y - above)
            self.ink.fill()
        self.y += 14


def draw(path: Path, found: dict[str, Any], note: str) -> None:
    """All that was measured."""
    panels: list[tuple[str, list[tuple[str, float, float, str]], float]] = []
    rates = sorted(found["jobs_per_s"].items(), key=lambda row: -row[1])
    panels.append(("no-op jobs a second, one worker process (median)", [(n, v, 0.0, f"{v:.0f}") for n, v in rates], 0))
    for title, key in (("", "push_to_start_ms"), (", Redis 1 ms away", "push_to_start_1ms_away_ms")):
        rows = [(n, v["p50"], v["p99"], f"{v['p50']:.2f} / {v['p99']:.2f}") for n, v in found[key].items()]
        panels.append((f"push to start, ms{title}: p50 (bar) and p99 (line); red: 10 ms", rows, 10 if rows else 0))
    rows = [(n, v["pss_mb"], 0.0, f"{v['pss_mb']:.1f} MiB, {v['commands_per_s']:.2f} commands/s, {v['cpu_ticks']:.0f} ticks")
            for n, v in found["idle"].items()]  # fmt: skip
    panels.append(("memory while idle (PSS of the process tree)", rows, 0))
    panels = [p for p in panels if p[1]]
    picture = Picture(40 + sum(40 + ROW * len(rows) for _, rows, _ in panels))
    for title, rows, goal in panels:
        picture.panel(title, rows, goal)
    picture.text(14, picture.y + 10, note, 10)
    picture.surface.write_to_png(str(path))
