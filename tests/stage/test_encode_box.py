"""manimd-encode in its box, at its limits, and when it is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encode_helpers import Encode, pictures, probe

UID = 1_900_000_001
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="not applicable: needs root for a uid")


def noise(count: int, width: int = 320, height: int = 240) -> Iterator[np.ndarray[Any, Any]]:
    """Frames that no encoder makes small."""
    random = np.random.default_rng(1)
    for _ in range(count):
        rgba = random.integers(0, 256, (height, width, 4), np.uint8)
        rgba[..., 3] = 255
        yield rgba


@pytest.fixture
def reachable(tmp_path: Path) -> Iterator[Path]:
    """A directory that another uid can reach."""
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(path.stat().st_mode | 0o711)
    yield tmp_path


@pytest.fixture
def small_disk(reachable: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    path = reachable / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("level", ["none", "basic", "standard"])
@as_root
def test_levels(reachable: Path, level: str) -> None:
    """The same files at every level, with everything that an output can have."""
    run = Encode(reachable / "out", 320, 240, outputs=("mp4", "png"), frame_log=True, level=level,
                 uid=UID if level == "standard" else 0, extra={"threads": 3}).start()  # fmt: skip
    run.section("one")
    for rgba in pictures(320, 240, 30):
        run.frame(rgba, 2)
    run.sound(np.zeros((44100, 2), "<i2"))
    run.subtitle("hello", 0, 1)
    result = run.end()
    assert result.code == 0, result
    assert result.last["sandbox"] == {"level": level}
    assert sorted(p.name for p in result.dir.iterdir()) == ["frame.png", "frames.log", "scene.mp4"]
    assert len(probe(result.dir / "scene.mp4", "-show_streams")["streams"]) == 3
    owner = UID if level == "standard" else 0
    assert {p.stat().st_uid for p in result.dir.iterdir()} == {owner}


@as_root
def test_full_disk_is_the_hosts_fault(small_disk: Path) -> None:
    """Exit 3 while frames come."""
    run = Encode(small_disk / "out").start()
    for rgba in noise(400, 64, 48):
        if not run.frame(rgba):
            break
    result = run.end()
    assert (result.code, result.outcome) == (3, "host_error"), result
    assert "No space left" in result.last["error"]["message"]


@as_root
@pytest.mark.parametrize(("kind", "most_kib"), [("mp4", 160), ("png", 28)])
def test_full_disk_at_any_moment(small_disk: Path, kind: str, most_kib: int) -> None:
    """From the first packet to the last byte of the index: whole, or the host's fault."""
    codes = []
    for kib in range(8, most_kib, 4):
        filler = small_disk / "filler"
        filler.write_bytes(bytes((1024 - kib) * 1024))
        run = Encode(small_disk / f"out{kib}", outputs=(kind,)).start()
        for rgba in noise(14, 64, 48):
            run.frame(rgba)
        result = run.end()
        codes.append(result.code)
        if result.code == 0:
            made = next(result.dir.iterdir())
            stream = probe(made, "-count_frames", "-show_streams")["streams"][0]
            assert stream["nb_read_frames"] == ("14" if kind == "mp4" else "1")
        else:
            assert (result.code, result.outcome) == (3, "host_error"), result
            assert "No space left" in result.last["error"]["message"]
        shutil.rmtree(result.dir)
        filler.unlink()
        (small_disk / f"out{kib}.spec.json").unlink()
    assert codes == sorted(codes, reverse=True) and {0, 3} == set(codes)


def test_outputs_larger_than_the_job_may_make(tmp_path: Path) -> None:
    """disk_limit, the job's fault."""
    run = Encode(tmp_path / "out", 320, 240, limits={"output_bytes": 200_000}).start()
    for rgba in noise(60):
        if not run.frame(rgba):
            break
    result = run.end()
    assert (result.code, result.outcome) == (1, "disk_limit"), result


@as_root
def test_rlimit_file_size(tmp_path: Path) -> None:
    """A file over the box's limit is no signal's death."""
    run = Encode(tmp_path / "out", 320, 240, wrapper=("prlimit", "--fsize=100000", "--")).start()
    for rgba in noise(60):
        if not run.frame(rgba):
            break
    result = run.end()
    assert (result.code, result.outcome) == (1, "disk_limit"), result


def test_sigterm_stops_at_once(tmp_path: Path) -> None:
    """In the middle of a wait of hours."""
    run = Encode(tmp_path / "out", 320, 240).start()
    run.frame(pictures(320, 240, 1)[0], 100_000)
    assert run.process
    os.read(run.report, 1)  # it has begun
    since = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    run.process.wait(timeout=5)
    assert time.monotonic() - since < 1
    assert run.process.returncode == 128 + signal.SIGTERM
    os.close(run.report)
    run.process.communicate()
    run.ring.close()
    assert {p.name for p in (tmp_path / "out").iterdir()} <= {".video.spool"}


@pytest.mark.parametrize("frames", [0, 1])
def test_ends_when_the_keeper_is_gone(tmp_path: Path, frames: int) -> None:
    """Nobody listens: idle or busy, it stops."""
    run = Encode(tmp_path / "out", 320, 240).start()
    if frames:
        run.frame(pictures(320, 240, 1)[0], 100_000)
        os.read(run.report, 1)
    os.close(run.report)
    assert run.process
    run.process.communicate(timeout=10)
    assert run.process.returncode == 3
    run.ring.close()


def test_a_keeper_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    """Progress lines are dropped while the pipe is full."""
    run = Encode(tmp_path / "out", clogged=True).start()
    rgba = pictures(64, 48, 1)[0]
    for _ in range(3 * run.ring.data_bytes // rgba.nbytes):
        assert run.frame(rgba)
    result = run.end()
    assert result.code == 0
    assert list(result.last)[0] == "done"


SPECS: dict[str, dict[str, Any]] = {
    "no such kind": {"outputs": ["exe"]},
    "a kind of later": {"outputs": ["webm"]},
    "no outputs": {"outputs": []},
    "no width": {"width": 0},
    "huge": {"width": 100_000},
    "no fps": {"fps_num": 0},
    "transparent": {"transparent": True},
    "no such level": {"level": "mighty"},
}


@pytest.mark.parametrize("name", SPECS)
def test_a_wrong_spec_is_the_hosts_fault(tmp_path: Path, name: str) -> None:
    """The keeper wrote it."""
    result = Encode(tmp_path / "out", extra=SPECS[name]).start().result()
    assert (result.code, result.outcome) == (3, "host_error")
    assert "spec" in result.last["error"]["message"] or "output" in result.last["error"]["message"]


def test_odd_size(tmp_path: Path) -> None:
    """4:2:0 has no half pixels."""
    result = Encode(tmp_path / "out", 65, 48).start().result()
    assert (result.code, result.outcome) == (1, "output_invalid")
    assert "65×48" in result.last["error"]["message"]


@as_root
def test_a_box_that_cannot_be_had(tmp_path: Path) -> None:
    """standard without a uid of its own is refused, not weakened."""
    result = Encode(tmp_path / "out", level="standard").start().result()
    assert (result.code, result.outcome) == (3, "sandbox_setup")


@as_root
def test_a_small_job_still_has_a_large_picture(reachable: Path) -> None:
    """The job's memory is its scene's; 4K is encoded in a box whatever it is."""
    run = Encode(reachable / "out", 3840, 2160, level="standard", uid=UID,
                 limits={"memory_bytes": 64 << 20}, extra={"threads": 4}).start()  # fmt: skip
    shots = pictures(3840, 2160, 2)
    for i in range(40):
        run.frame(shots[i % 2])
    result = run.end()
    assert result.code == 0, result
