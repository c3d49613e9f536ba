"""Stock Manim, watched: the oracle of promise 3.

    python stock.py FRAMES.log MANIM-ARGUMENTS…

Runs `manim render` with its own classes in this process, and writes one line
`REPEAT HASH` per frame record that the scene handed to stock's writer, HASH
being the first 16 hex digits of the SHA-256 of the RGBA bytes. Nothing else is
changed. The environment must be the product's own (`oracle_environment`).
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any, TextIO


def oracle_environment() -> dict[str, str]:
    """The environment in which two renders give the same pixels."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "LANG": "C.UTF-8"}


def watch(log: TextIO) -> None:
    """Have stock's writer tell `log` of each record before it goes its way."""
    from manim.scene.scene_file_writer import SceneFileWriter

    stock = SceneFileWriter.write_frame

    def write_frame(self: SceneFileWriter, frame: Any, *args: Any, **named: Any) -> None:
        repeat = named.get("repeat", args[0] if args else 1)
        pixels = frame if hasattr(frame, "tobytes") else frame.get_frame()
        log.write(f"{repeat} {hashlib.sha256(pixels.tobytes()).hexdigest()[:16]}\n")
        stock(self, frame, *args, **named)

    SceneFileWriter.write_frame = write_frame  # type: ignore[method-assign,assignment]


def main() -> None:
    """Watch one `manim render`."""
    import tqdm

    tqdm.tqdm.monitor_interval = 0
    from manim.__main__ import main as manim

    with open(sys.argv[1], "w", encoding="ascii") as log:
        watch(log)
        sys.argv = ["manim", "render", *sys.argv[2:]]
        manim()


if __name__ == "__main__":
    main()
