"""SVG files that lie where a scene may not write.

Manim writes a changed copy beside each SVG before it parses it
(SVGMobject.generate_mobject). A script's own folder cannot be written to in the
box; so an SVG from there is copied into the job's directory first. What is
parsed, and so every picture, is the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from manim.mobject.svg import svg_mobject

stock_path = svg_mobject.SVGMobject.get_file_path


def writable_path(self: svg_mobject.SVGMobject) -> Path:
    """The file that Manim finds, or a copy of it in the job's directory."""
    path = Path(stock_path(self))
    if path.resolve().is_relative_to(os.environ["HOME"]):
        return path
    with tempfile.NamedTemporaryFile(prefix=f"{path.stem}-", suffix=path.suffix, delete=False) as copy:
        with path.open("rb") as original:
            shutil.copyfileobj(original, copy)
    return Path(copy.name)


def install() -> None:
    """Let Manim find SVGs through writable_path()."""
    svg_mobject.SVGMobject.get_file_path = writable_path  # type: ignore[method-assign]
