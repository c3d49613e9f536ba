"""Promise 3: every frame is the one that stock Manim draws, in stock's order,
as often as stock shows it."""

from __future__ import annotations

import hashlib
import json

import pytest
from render_tools import SCENES, render, ring_dump, stock, stock_frames

ALL = sorted(path.stem for path in SCENES.glob("*.py"))


def first_difference(ours: list[str], theirs: list[str]) -> str:
    """Where two frame lists part."""
    for index, (one, other) in enumerate(zip(ours, theirs)):
        if one != other:
            return f"frame {index} of {len(ours)} and {len(theirs)}: {one} is not {other}"
    return f"{len(ours)} frames, stock has {len(theirs)}"


@pytest.mark.parametrize("name", ALL)
def test_frames_equal_stock(name: str) -> None:
    path = SCENES / f"{name}.py"
    record = stock(path)
    ours = render(path.read_text())
    assert ours.outcome == "completed", ours.result
    assert ours.result["render_path"] == "exact"
    expected = stock_frames(record)
    assert expected
    assert ours.frames == expected, first_difference(ours.frames, expected)
    assert ours.result["frames"] == len(expected)
    assert ours.result["frames_distinct"] <= len(record["frames"])


def test_the_oracle_would_notice() -> None:
    path = SCENES / "chance.py"
    other = render(path.read_text(), seed=8)
    assert other.outcome == "completed"
    assert other.frames != stock_frames(stock(path))


def test_a_render_repeats_itself() -> None:
    code = (SCENES / "chance.py").read_text()
    # Random numbers at import are unseeded in stock; ours repeat all the same.
    code = code.replace("class Chance", "PLACE = random.random()\n\n\nclass Chance")
    code = code.replace("self.add(dots)", "self.add(dots, Dot([PLACE, 0, 0]))")
    assert render(code).frames == render(code).frames


def test_sound_and_subtitles_equal_stock() -> None:
    path = SCENES / "sound.py"
    record = stock(path)
    ours = render(path.read_text(), {"encoder": ring_dump()})
    assert ours.outcome == "completed", ours.result
    audio = [each for each in ours.records if each["kind"] == "audio"]
    digest = hashlib.sha256(ours.pcm).hexdigest()
    assert [audio[0]["rate"], audio[0]["channels"], digest] == record["audio"]
    subtitles = [
        [r["text"], r["start_us"] / 1e6, (r["start_us"] + r["duration_us"]) / 1e6]
        for r in ours.records
        if r["kind"] == "subtitle"
    ]
    assert subtitles == record["subtitles"] and len(subtitles) == 2


def test_a_section_begins_with_its_first_frame() -> None:
    ours = render((SCENES / "sections.py").read_text(), {"encoder": ring_dump()})
    kinds = [each["kind"] for each in ours.records]
    names = [json.loads(each["text"]) for each in ours.records if each["kind"] == "section"]
    assert [each["name"] for each in names] == ["intro", "end"]
    assert names[1]["type"] == "presentation.sub.loop"
    for index, kind in enumerate(kinds):
        if kind == "section":
            assert kinds[index + 1] == "frame"
    assert kinds[-1] == "end"


def test_equal_neighbours_are_one_record() -> None:
    code = """
from manim import *
class Still(Scene):
    def construct(self):
        self.add(Square())
        self.wait(1)
        self.wait(1, frozen_frame=False)
        self.wait(1)
"""
    ours = render(code, {"encoder": ring_dump()})
    frames = [each for each in ours.records if each["kind"] == "frame"]
    assert [each["repeat"] for each in frames] == [45]
