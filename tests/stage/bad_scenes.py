"""Scenes that must fail: how they are written, and what each must come to."""

from __future__ import annotations

from typing import Any

from render_tools import Outcome, render

HEAD = "from manim import *\n"
JOB_FAULT = 1


def scene(body: str, before: str = "") -> str:
    """A file with one scene whose construct is `body`."""
    lines = "".join(f"        {line}\n" for line in body.strip().splitlines())
    return f"{HEAD}{before}\nclass Bad(Scene):\n    def construct(self):\n{lines}"


def fails(code: str | bytes, outcome: str, **fields: Any) -> Outcome:
    """Render; it must end so, and be the job's fault."""
    ended = render(code, fields.pop("options", None), **fields)
    assert ended.outcome == outcome, ended.result
    assert ended.status == JOB_FAULT
    assert ended.result["outputs"] == []
    return ended
