"""Is manimd-encode's picture no worse than stock Manim's, for how much work and how many bytes?

    python tests/bench/encode_quality.py [480p15 720p30 1080p60 …]

Each scene of encode_scenes.py is drawn once by stock Manim, and its frames are
kept. Then stock's own encoder class (one encoder a play, libx264 CRF 23 medium,
untagged BT.601) and manimd-encode get the same frames, and both files are
compared with them by ffmpeg's ssim filter: `yuv` in the file's own colour
matrix, as an encoder sees it; `rgb` after decoding, as people see it. CPU is
user + system time of encoding and muxing only. The table that the settings in
worker/encode/video.c were chosen by is in encode_quality.md.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[0] / "stage")]

from encode_helpers import Encode  # noqa: E402

QUALITIES = {"480p15": (854, 480, 15), "720p30": (1280, 720, 30), "1080p60": (1920, 1080, 60)}
SCENES = ("Lines", "Letters", "Space")


@dataclass
class Drawn:
    """The frames of a scene: distinct pictures in a file, and who shows them how often."""

    dir: Path
    width: int
    height: int
    fps: int

    @property
    def plays(self) -> list[list[int]]:
        """The repeats of each play's frames."""
        return list(json.loads((self.dir / "plays.json").read_text()))

    def pictures(self) -> Iterator[np.ndarray[Any, Any]]:
        """The distinct pictures, in order."""
        shape = (self.height, self.width, 4)
        with (self.dir / "frames").open("rb") as f:
            for _ in range(sum(len(p) for p in self.plays)):
                yield np.frombuffer(f.read(int(np.prod(shape))), np.uint8).reshape(shape)


def draw(scene: str, dir: Path, width: int, height: int, fps: int) -> None:
    """In a process of its own: run a scene, keep what its encoder would have got."""
    from manim import tempconfig
    from manim.scene import video_segment_encoder as stock

    plays: list[list[int]] = []
    with (dir / "frames").open("wb") as frames:

        def opened(self: Any, *, target: Path, spec: Any) -> None:
            (dir / "spec").write_bytes(pickle.dumps(spec))
            plays.append([])
            init(self, target=target, spec=spec)

        def write(self: Any, pixels: Any, *, repeat: int = 1) -> None:
            frames.write(pixels.tobytes())
            plays[-1].append(repeat)
            frame(self, pixels, repeat=repeat)

        init, frame = stock.VideoSegmentEncoder.__init__, stock.VideoSegmentEncoder.write_frame
        stock.VideoSegmentEncoder.__init__ = opened  # type: ignore[method-assign]
        stock.VideoSegmentEncoder.write_frame = write  # type: ignore[method-assign]
        settings = {
            "pixel_width": width, "pixel_height": height, "frame_rate": fps, "seed": 0,
            "disable_caching": True, "media_dir": str(dir / "media"), "progress_bar": "none",
            "verbosity": "ERROR",
        }  # fmt: skip
        with tempconfig(settings):
            import encode_scenes

            getattr(encode_scenes, scene)().render()
    (dir / "plays.json").write_text(json.dumps(plays))


def encode_stock(drawn: Drawn) -> None:
    """In a process of its own: stock's encoder over the kept frames; then joined."""
    from manim.scene.video_segment_encoder import VideoSegmentEncoder

    spec = pickle.loads((drawn.dir / "spec").read_bytes())
    pictures = drawn.pictures()
    names = []
    for i, repeats in enumerate(drawn.plays):
        names.append(f"file 'stock-{i}.mp4'\n")
        encoder = VideoSegmentEncoder(target=drawn.dir / f"stock-{i}.mp4", spec=spec)
        for repeat in repeats:
            encoder.write_frame(np.ascontiguousarray(next(pictures)), repeat=repeat)
        encoder.finish()
    (drawn.dir / "list").write_text("".join(names))


def encode_ours(drawn: Drawn) -> None:
    """Feed manimd-encode."""
    run = Encode(drawn.dir / "ours", drawn.width, drawn.height, fps=(drawn.fps, 1)).start()
    pictures = drawn.pictures()
    for repeats in drawn.plays:
        for repeat in repeats:
            run.frame(next(pictures), repeat)
    result = run.end()
    assert result.code == 0, result


def child(*arguments: str) -> float:
    """Run a part of this file by itself; its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, __file__, *arguments], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours_cpu(drawn: Drawn) -> float:
    """CPU seconds of manimd-encode alone."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    encode_ours(drawn)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ssim(file: Path, drawn: Drawn, matrix: str) -> tuple[float, float]:
    """The similarity of `file` to what was drawn: (yuv, rgb)."""
    accurate = "flags=bicubic+accurate_rnd"
    graph = (
        "[0:v]settb=AVTB,setpts=N,split[a][b];[1:v]settb=AVTB,setpts=N,split[r][s];"
        f"[r]scale=out_color_matrix={matrix}:out_range=tv:{accurate},format=yuv420p[ry];"
        "[a]format=yuv420p[ay];[ay][ry]ssim[y];"
        f"[b]scale=in_color_matrix={matrix}:in_range=tv:{accurate}+full_chroma_int,format=gbrp[bg];"
        "[s]format=gbrp[sg];[bg][sg]ssim[g]"
    )
    command = [
        "ffmpeg", "-hide_banner", "-i", str(file), "-f", "rawvideo", "-pix_fmt", "rgba",
        "-s", f"{drawn.width}x{drawn.height}", "-r", str(drawn.fps), "-i", "-",
        "-filter_complex", graph, "-map", "[y]", "-f", "null", "-", "-map", "[g]", "-f", "null", "-",
    ]  # fmt: skip
    run = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdin and run.stderr
    pid = os.fork()
    if pid == 0:  # ffmpeg's words must be read while it is fed
        pictures = drawn.pictures()
        for repeats in drawn.plays:
            for repeat in repeats:
                data = next(pictures).tobytes()
                for _ in range(repeat):
                    run.stdin.write(data)
        run.stdin.close()
        os._exit(0)
    run.stdin.close()
    words = run.stderr.read().decode()
    os.waitpid(pid, 0)
    assert run.wait() == 0, words
    found = {("rgb" if "R:" in line else "yuv"): float(all_)
             for line, all_ in re.findall(r"(SSIM .*All:([\d.]+))", words)}  # fmt: skip
    return found["yuv"], found["rgb"]


@dataclass(frozen=True)
class Row:
    """What an encoder made of a scene."""

    encoder: str
    kib: float
    yuv: float
    rgb: float
    cpu_s: float


def compare(scene: str, quality: str, root: Path) -> tuple[Row, Row]:
    """Stock's row of the table, and ours."""
    width, height, fps = QUALITIES[quality]
    drawn = Drawn(root, width, height, fps)
    size = [str(n) for n in (width, height, fps)]
    child("draw", scene, str(root), *size)
    idle = child("idle", scene, str(root), *size)
    stock_s = child("stock", scene, str(root), *size) - idle
    ours_s = ours_cpu(drawn)
    joined = root / "stock.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "concat", "-i", str(root / "list"), "-c", "copy", str(joined)],
        check=True,
    )  # fmt: skip
    rows = (
        ("stock", joined, "bt601", stock_s),
        ("manimd", root / "ours/scene.mp4", "bt709", ours_s),
    )
    made = [Row(name, file.stat().st_size / 1024, *ssim(file, drawn, matrix), cpu_s) for name, file, matrix, cpu_s in rows]
    return made[0], made[1]


def main() -> int:
    """All scenes at the qualities asked for, or one part in a child."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", default=["480p15", "720p30"])
    words = parser.parse_args().words
    parts = {"draw": lambda s, d: draw(s, d.dir, d.width, d.height, d.fps),
             "stock": lambda s, d: encode_stock(d),
             "idle": lambda s, d: __import__("manim.scene.video_segment_encoder")}  # fmt: skip
    if words and words[0] in parts:
        width, height, fps = (int(n) for n in words[3:])
        parts[words[0]](words[1], Drawn(Path(words[2]), width, height, fps))
        return 0
    print("| scene | encoder | KiB | SSIM yuv | SSIM rgb | CPU s |\n|---|---|---|---|---|---|")
    for quality in words:
        for scene in SCENES:
            with tempfile.TemporaryDirectory() as root:
                rows = compare(scene, quality, Path(root))
            for r in rows:
                print(f"| {scene} {quality} | {r.encoder} | {r.kib:.0f} | {r.yuv:.5f} | {r.rgb:.5f} | {r.cpu_s:.2f} |",
                      flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
