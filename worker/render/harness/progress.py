"""How far a scene has come: a line of JSON at most ten times a second.

Nobody knows how many plays a scene will make. But `construct` has lines that
play, and the one that runs tells how far it is; within a play, the time that
has passed of its run time leads on to the next one. The estimate never goes back
(loops do). No trace function: that would slow the scene down; the stack is
looked at only when a line is due.
"""

from __future__ import annotations

import dis
import json
import os
import sys
import time
from types import CodeType
from typing import Any

INTERVAL_S = 0.1


def encoded(word: dict[str, Any]) -> bytes:
    """A word as it is sent. Not in ASCII, where a character may take twelve bytes."""
    return json.dumps(word, ensure_ascii=False).encode(errors="replace")


class Channel:
    """Lines to the keeper, each at most LINE_BYTES long: a longer one he skips."""

    LINE_BYTES = 60 * 1024

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def say(self, word: dict[str, Any]) -> None:
        """Write one line; a keeper that has gone is not our concern."""
        data = encoded(word) + b"\n"
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError:
            pass


WAYS_TO_PLAY = {"play", "wait", "pause", "wait_until"}


def play_lines(code: CodeType) -> list[int]:
    """The lines of a function that play something, in order; every line that
    holds instructions when none does (a scene that plays in its helpers)."""
    line = code.co_firstlineno
    playing: set[int] = set()
    every: set[int] = set()
    for step in dis.get_instructions(code):
        if step.positions and step.positions.lineno:
            line = step.positions.lineno
        every.add(line)
        if step.argval in WAYS_TO_PLAY:
            playing.add(line)
    return sorted(playing or every)


class Progress:
    """Watches one scene."""

    def __init__(self, channel: Channel, scene_class: type) -> None:
        construct = getattr(scene_class, "construct", None)
        self.channel = channel
        self.code: CodeType | None = getattr(construct, "__code__", None)
        self.lines = play_lines(self.code) if self.code else [0]
        self.best = 0.0
        self.next_time = 0.0
        self.plays = 0
        self.play_frames = 0
        self.play_total = 1.0

    def begin_play(self, duration: float, fps: float) -> None:
        """A play or wait begins that is to last `duration` seconds."""
        self.plays += 1
        self.play_frames = 0
        self.play_total = max(1.0, duration * fps)

    def frame(self, repeat: int, frames: int) -> None:
        """`repeat` frames were drawn; `frames` in all."""
        self.play_frames += repeat
        now = time.monotonic()
        if now >= self.next_time:
            self.next_time = now + INTERVAL_S
            self.tell(frames)

    def tell(self, frames: int) -> None:
        """Say where we are."""
        self.best = max(self.best, self.estimate())
        self.channel.say(
            {"progress": {"percent": round(self.best, 1), "frames": frames, "play": self.plays}}
        )

    def estimate(self) -> float:
        """0 … 99, from the line of `construct` that runs now."""
        frame = sys._getframe()
        while frame is not None and frame.f_code is not self.code:
            frame = frame.f_back  # type: ignore[assignment]
        if frame is None:
            return 0.0
        line = frame.f_lineno or self.lines[0]
        done = sum(1 for each in self.lines if each < line)
        within = min(1.0, self.play_frames / self.play_total)
        return min(99.0, 100.0 * (done + within) / len(self.lines))
