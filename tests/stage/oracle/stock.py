"""The oracle: stock Manim's own command line, with every picture that reaches
an encoder written down before it does.

    stock.py OUT.json MANIM-ARGUMENTS…

The hook is at the queue in front of stock's encoder thread, behind everything
that decides whether a frame counts.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import tqdm

tqdm.tqdm.monitor_interval = 0

from manim.cli.render.commands import render  # noqa: E402
from manim.manager import Manager  # noqa: E402
from manim.scene import scene_file_writer as stock  # noqa: E402

record: dict[str, Any] = {"frames": [], "subtitles": [], "audio": None, "time": None}


def watch() -> None:
    """Put the hooks in."""
    put = stock._PartialMovieEncodeJob.put
    finish = stock.SceneFileWriter.finish
    post_construct = Manager.post_construct

    def logged_put(self: Any, repeat: int, frame: Any) -> None:
        record["frames"].append([hashlib.sha256(frame.tobytes()).hexdigest()[:16], repeat])
        record["size"] = [frame.shape[1], frame.shape[0]]
        put(self, repeat, frame)

    def logged_finish(self: Any) -> None:
        finish(self)
        for each in self.subcaptions:
            record["subtitles"].append(
                [each.content, each.start.total_seconds(), each.end.total_seconds()]
            )
        if self.includes_sound:
            mix = self.audio_segment.set_sample_width(2)
            digest = hashlib.sha256(mix.raw_data).hexdigest()
            record["audio"] = [mix.frame_rate, mix.channels, digest]

    def logged_post_construct(self: Any) -> None:
        record["time"] = self.time
        post_construct(self)

    stock._PartialMovieEncodeJob.put = logged_put  # type: ignore[method-assign]
    stock.SceneFileWriter.finish = logged_finish  # type: ignore[method-assign]
    Manager.post_construct = logged_post_construct  # type: ignore[method-assign]


def main() -> None:
    """Render as the command line does, then write what was seen."""
    watch()
    render(args=sys.argv[2:], standalone_mode=False)
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(record, out)


if __name__ == "__main__":
    main()
