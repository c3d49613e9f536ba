"""A producer for manimd-encode: writes the ring as worker/base/ring.h lays it out.

It is written apart from ring.c on purpose: what both understand is the layout,
and a hostile record is only a few bytes away.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MAGIC = 0x31474E4952494E4D
PAGE = 4096
PAD, FRAME, STILL, AUDIO, SUBTITLE, SECTION, END = range(7)


def encoder() -> Path:
    """The executable under test, from $MANIMD_BUILD or build/."""
    return Path(os.environ.get("MANIMD_BUILD", ROOT / "build")).resolve() / "manimd-encode"


class Ring:
    """The writing side of a ring, obedient unless told otherwise."""

    def __init__(self, frame_bytes: int, data_bytes: int | None = None) -> None:
        aligned = (frame_bytes + 63) // 64 * 64 + 64
        wanted = data_bytes or max(8 << 20, min(256 << 20, aligned * 4))
        self.data_bytes = (wanted + PAGE - 1) // PAGE * PAGE
        self.memory = os.memfd_create("test-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.memory, PAGE + self.data_bytes)
        self.map = mmap.mmap(self.memory, PAGE + self.data_bytes)
        # Native words are stored in one piece; struct's "<Q" byte by byte.
        self.counts = memoryview(self.map)[:PAGE].cast("Q")
        struct.pack_into("<QQ", self.map, 0, MAGIC, self.data_bytes)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.memory, fcntl.F_ADD_SEALS, seals)
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        self.data_ready = os.eventfd(0, flags)
        self.space_free = os.eventfd(0, flags)
        self.head = 0
        self.broken = False

    def close(self) -> None:
        """Gives everything back."""
        self.counts.release()
        self.map.close()
        for fd in (self.memory, self.data_ready, self.space_free):
            os.close(fd)

    def tail(self) -> int:
        """How far the encoder has read."""
        return int(self.counts[128 // 8])

    def _room(self, wanted: int, process: subprocess.Popen[bytes] | None) -> bool:
        """Waits for space; False when the encoder ended before there was any."""
        while self.data_bytes - (self.head - self.tail()) < wanted:
            if process and process.poll() is not None:
                return False
            try:
                os.eventfd_read(self.space_free)
            except BlockingIOError:
                time.sleep(0.001)  # its end would not wake an eventfd
        return True

    def publish(self, head: int) -> None:
        """Sets the head to whatever is given and wakes the reader."""
        self.head = head
        self.counts[64 // 8] = head
        os.eventfd_write(self.data_ready, 1)

    def put(self, header: bytes, payload: bytes | memoryview, process: Any = None) -> bool:
        """One record with a header of 64 bytes as given."""
        size = 64 + (len(payload) + 63) // 64 * 64
        to_end = self.data_bytes - self.head % self.data_bytes
        if size > to_end:
            if not self._room(to_end, process):
                return False
            at = PAGE + self.head % self.data_bytes
            self.map[at : at + 64] = record(PAD, payload_bytes=to_end - 64)
            self.publish(self.head + to_end)
        if not self._room(size, process):
            return False
        at = PAGE + self.head % self.data_bytes
        self.map[at : at + 64] = header
        self.map[at + 64 : at + 64 + len(payload)] = bytes(payload)
        self.publish(self.head + size)
        return True


def record(
    kind: int,
    *,
    repeat: int = 0,
    payload_bytes: int = 0,
    size: tuple[int, int] = (0, 0),
    rate: int = 0,
    channels: int = 0,
    start_us: int = 0,
    duration_us: int = 0,
) -> bytes:
    """struct ring_record."""
    return struct.pack(
        "<IIQIIIIqqQQ",
        kind, repeat, payload_bytes, *size, rate, channels, start_us, duration_us, 0, 0,
    )  # fmt: skip


@dataclass
class Result:
    """How a run ended."""

    code: int
    lines: list[dict[str, Any]]
    stderr: str
    dir: Path

    @property
    def last(self) -> dict[str, Any]:
        """The closing line."""
        return self.lines[-1] if self.lines else {}

    @property
    def outcome(self) -> str:
        """The outcome that it names, or completed."""
        return str(self.last.get("error", {}).get("outcome", "completed"))


@dataclass
class Encode:
    """One run of manimd-encode in a directory of its own."""

    dir: Path
    width: int = 64
    height: int = 48
    fps: tuple[int, int] = (30, 1)
    outputs: tuple[str, ...] = ("mp4",)
    level: str = "none"
    uid: int = 0
    frame_log: bool = False
    limits: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()
    clogged: bool = False  # the report pipe is full from the start

    def __post_init__(self) -> None:
        self.dir.mkdir(parents=True, exist_ok=True)
        if self.uid:
            os.chown(self.dir, self.uid, self.uid)
        self.ring = Ring(self.width * self.height * 4)
        self.process: subprocess.Popen[bytes] | None = None

    def spec(self) -> dict[str, Any]:
        """SPEC.json."""
        limits = {"output_bytes": 1 << 30, "frames": 100_000, "wall_ms": 120_000,
                  "memory_bytes": 2 << 30} | self.limits  # fmt: skip
        return {
            "width": self.width, "height": self.height,
            "fps_num": self.fps[0], "fps_den": self.fps[1], "transparent": False,
            "outputs": list(self.outputs), "frame_log": self.frame_log,
            "uid": self.uid, "gid": self.uid, "level": self.level,
            "limits": limits, "job_id": "test", "title": "a title",
        } | self.extra  # fmt: skip

    def start(self) -> Encode:
        """Starts it with descriptors 3 to 6 as spec.h says."""
        spec = self.dir.parent / (self.dir.name + ".spec.json")
        spec.write_text(json.dumps(self.spec()))
        self.report, out = os.pipe()
        if self.clogged:
            size = fcntl.fcntl(out, fcntl.F_GETPIPE_SZ)
            os.write(out, b"\n" * size)
        ring = (self.ring.memory, self.ring.data_ready, self.ring.space_free)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 40) for fd in (*ring, out)]
        moves = " ".join(f"{n}<&{fd} {fd}<&-" for n, fd in zip((3, 4, 5), high))
        script = f'exec "$0" "$@" {moves} 6>&{high[3]} {high[3]}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", script, *self.wrapper, str(encoder()), str(spec)],
            cwd=self.dir, pass_fds=high, stderr=subprocess.PIPE,
            # The leak check is a ptrace, which no box allows.
            env=os.environ | ({"ASAN_OPTIONS": "detect_leaks=0"} if self.level != "none" else {}),
        )  # fmt: skip
        for fd in (*high, out):
            os.close(fd)
        return self

    def frame(self, rgba: np.ndarray[Any, Any], repeat: int = 1) -> bool:
        """A FRAME record."""
        header = record(FRAME, repeat=repeat, payload_bytes=rgba.nbytes,
                        size=(rgba.shape[1], rgba.shape[0]))  # fmt: skip
        return self.ring.put(header, rgba.tobytes(), self.process)

    def still(self, rgba: np.ndarray[Any, Any]) -> bool:
        """A STILL record."""
        header = record(STILL, repeat=1, payload_bytes=rgba.nbytes,
                        size=(rgba.shape[1], rgba.shape[0]))  # fmt: skip
        return self.ring.put(header, rgba.tobytes(), self.process)

    def sound(self, pcm: np.ndarray[Any, Any], rate: int = 44100, channels: int = 2) -> bool:
        """An AUDIO record."""
        header = record(AUDIO, payload_bytes=pcm.nbytes, rate=rate, channels=channels)
        return self.ring.put(header, pcm.tobytes(), self.process)

    def subtitle(self, text: str, start_s: float, duration_s: float) -> bool:
        """A SUBTITLE record."""
        data = text.encode()
        header = record(SUBTITLE, payload_bytes=len(data), start_us=int(start_s * 1e6),
                        duration_us=int(duration_s * 1e6))  # fmt: skip
        return self.ring.put(header, data, self.process)

    def section(self, name: str) -> bool:
        """A SECTION record."""
        data = json.dumps({"name": name, "type": "default.normal"}).encode()
        return self.ring.put(record(SECTION, payload_bytes=len(data)), data, self.process)

    def end(self) -> Result:
        """END, then its result."""
        self.ring.put(record(END), b"", self.process)
        return self.result()

    def result(self) -> Result:
        """Waits until it ends; a minute is far more than any test needs."""
        assert self.process
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        with os.fdopen(self.report, "rb") as report:
            lines = [json.loads(line) for line in report if line.strip()]
        stderr = self.process.communicate()[1].decode(errors="replace")
        watchdog.cancel()
        self.ring.close()
        return Result(self.process.returncode, lines, stderr, self.dir)


def pictures(width: int, height: int, count: int) -> list[np.ndarray[Any, Any]]:
    """Opaque pictures of a moving disc on a gradient."""
    y, x = np.mgrid[0:height, 0:width]
    found = []
    for i in range(count):
        rgba = np.zeros((height, width, 4), np.uint8)
        rgba[..., 0] = x * 255 // max(1, width - 1)
        rgba[..., 1] = y * 255 // max(1, height - 1)
        cx = width * (i + 1) // (count + 1)
        rgba[(x - cx) ** 2 + (y - height // 2) ** 2 < (height // 4) ** 2] = (250, 240, 20, 255)
        rgba[..., 3] = 255
        found.append(rgba)
    return found


def probe(path: Path, *arguments: str) -> dict[str, Any]:
    """What ffprobe says; it must have nothing to warn of."""
    run = subprocess.run(
        ["ffprobe", "-v", "warning", "-of", "json", *arguments, str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stderr == ""
    return dict(json.loads(run.stdout))
