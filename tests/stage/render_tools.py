"""Runs the render stage on a directory, and stock Manim beside it.

`MANIMD_BUILD` names the build directory (default `build`).
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("MANIMD_BUILD", "build")).resolve()
MANIMD = BUILD / "manimd"
SCENES = Path(__file__).parent / "scenes"
STOCK = Path(__file__).parent / "oracle" / "stock.py"
SEED = 7

STOCK_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@functools.cache
def runtime_python() -> str:
    """The interpreter that has Manim."""
    command = [str(ROOT / "scripts" / "setup"), "--print-runtime"]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    return out.stdout.strip() + "/bin/python3"


@functools.cache
def ring_dump() -> str:
    """The encoder's stand-in, built when it is needed."""
    program = BUILD / "stage" / "ring_dump"
    command = ["make", "-s", f"BUILD={os.path.relpath(BUILD, ROOT)}", os.path.relpath(program, ROOT)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return str(program)


@contextmanager
def attempt() -> Iterator[Path]:
    """A directory that the sandbox's uids can pass through."""
    path = Path(tempfile.mkdtemp(prefix="manimd-render-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass
class Outcome:
    """What a stage left."""

    status: int
    result: dict[str, Any]
    frames: list[str]  # hashes, each as often as it is shown
    log: str
    stderr: str
    records: list[dict[str, Any]] = field(default_factory=list)
    pcm: bytes = b""

    @property
    def outcome(self) -> str:
        """How it ended."""
        return str(self.result["outcome"])

    @property
    def error(self) -> dict[str, Any]:
        """The error's fields; fails when there is none."""
        error = self.result["error"]
        assert isinstance(error, dict), self.result
        return error


def stage_environment(options: dict[str, Any]) -> dict[str, str]:
    """For `manimd stage render`, started by hand."""
    env = {**os.environ, "MANIMD_STAGE_FRAME_LOG": "1"}
    env.update({f"MANIMD_{key.upper()}": str(value) for key, value in options.items()})
    return env


def write_job(directory: Path, code: str | bytes, fields: dict[str, Any]) -> None:
    """job.json, small and fast unless the fields say otherwise."""
    if isinstance(code, bytes):
        code = code.decode("utf-8", "surrogateescape")
    job = {"id": "test", "code": code, "width": 214, "height": 120, "fps": 15, "seed": SEED}
    job.update(fields)
    text = json.dumps({key: value for key, value in job.items() if value is not None})
    (directory / "job.json").write_text(text)


def read_text(path: Path) -> str:
    """A file's text, "" when there is none."""
    return path.read_text(errors="replace") if path.exists() else ""


def expand(frame_log: str) -> list[str]:
    """`INDEX REPEAT HASH` lines as one hash per frame shown."""
    out: list[str] = []
    for line in frame_log.splitlines():
        _, repeat, digest = line.split()
        out.extend([digest] * int(repeat))
    return out


def collect(directory: Path, status: int, stderr: str) -> Outcome:
    """Read what the stage left."""
    result = json.loads(read_text(directory / "render.json") or "null")
    records = [json.loads(line) for line in read_text(directory / "out" / "records").splitlines()]
    pcm = directory / "out" / "pcm"
    return Outcome(
        status=status,
        result=result,
        frames=expand(read_text(directory / "out" / "frames.log")),
        log=read_text(directory / "log"),
        stderr=stderr,
        records=records,
        pcm=pcm.read_bytes() if pcm.exists() else b"",
    )


def start_stage(
    directory: Path, prefix: tuple[str, ...] = (), **options: Any
) -> subprocess.Popen[str]:
    """The stage as a process, for tests that act while it runs; `prefix` is a
    command that ends with executing what follows it."""
    return subprocess.Popen(
        [*prefix, str(MANIMD), "stage", "render", str(directory)],
        env=stage_environment(options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
    )


def render(code: str | bytes, options: dict[str, Any] | None = None, **fields: Any) -> Outcome:
    """Run the stage on a job made of `code` and `fields`."""
    with attempt() as directory:
        write_job(directory, code, fields)
        stage = start_stage(directory, **(options or {}))
        _, stderr = stage.communicate(timeout=120)
        return collect(directory, stage.returncode, stderr)


def stock(path: Path, scene: str | None = None, **size: int) -> dict[str, Any]:
    """What stock Manim shows for the same file."""
    with attempt() as directory:
        width, height, fps = size.get("width", 214), size.get("height", 120), size.get("fps", 15)
        command = [
            *(runtime_python(), "-P", "-s", "-B", str(STOCK), str(directory / "out.json")),
            *("-r", f"{width},{height}", "--fps", str(fps), "--seed", str(SEED)),
            *("--disable_caching", "--media_dir", str(directory / "media")),
            *("--progress_bar", "none", "-v", "ERROR", str(path)),
            *([scene] if scene else []),
        ]
        env = {**STOCK_ENVIRONMENT, "HOME": str(directory), "TMPDIR": str(directory)}
        done = subprocess.run(command, env=env, cwd=directory, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads((directory / "out.json").read_text())


def stock_frames(record: dict[str, Any]) -> list[str]:
    """One hash per frame shown."""
    return [digest for digest, repeat in record["frames"] for _ in range(repeat)]
