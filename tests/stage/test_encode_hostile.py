"""manimd-encode on what a hostile scene writes: the job's fault, never a crash."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from encode_helpers import (
    AUDIO, END, FRAME, PAD, SECTION, STILL, SUBTITLE, Encode, Result, pictures, record,
)  # fmt: skip
from PIL import Image

SIZE = (64, 48)
BYTES = 64 * 48 * 4
Writer = Callable[[Encode], object]


def put(kind: int, payload: bytes = b"", **fields: object) -> Writer:
    """A record whose header tells the truth about its payload unless told otherwise."""
    header = record(kind, **({"payload_bytes": len(payload)} | fields))  # type: ignore[arg-type]
    return lambda run: run.ring.put(header, payload, run.process)


def after_a_frame(run: Encode, writer: Writer) -> Result:
    """A good frame, then what the writer writes."""
    run.start()
    run.frame(pictures(*SIZE, 1)[0])
    writer(run)
    return run.result()


def head(value: int) -> Writer:
    """Publishes a head that is far from the truth."""
    return lambda run: run.ring.publish((run.ring.head + value) % (1 << 64))


FRAME_OK = {"repeat": 1, "size": SIZE}
HOSTILE: dict[str, Writer] = {
    "smaller picture": put(FRAME, bytes(32 * 24 * 4), repeat=1, size=(32, 24)),
    "larger picture": put(FRAME, bytes(128 * 96 * 4), repeat=1, size=(128, 96)),
    "other shape, same bytes": put(FRAME, bytes(BYTES), repeat=1, size=(48, 64)),
    "too few bytes": put(FRAME, bytes(BYTES - 4), **FRAME_OK),
    "no bytes": put(FRAME, b"", **FRAME_OK),
    "shown never": put(FRAME, bytes(BYTES), repeat=0, size=SIZE),
    "shown for years": put(FRAME, bytes(BYTES), repeat=0xFFFFFFFF, size=SIZE),
    "one frame over the limit": put(FRAME, bytes(BYTES), repeat=1000, size=SIZE),
    "still of another size": put(STILL, bytes(16), repeat=1, size=(2, 2)),
    "unknown kind": put(77, b"abcd"),
    "misplaced pad": put(PAD, bytes(64)),
    "longer than written": put(FRAME, bytes(64), payload_bytes=BYTES, **FRAME_OK),
    "longer than memory": put(FRAME, bytes(64), payload_bytes=(1 << 64) - 64, **FRAME_OK),
    "END with a payload": put(END, bytes(64)),
    "no channels": put(AUDIO, bytes(64), rate=44100, channels=0),
    "eight channels": put(AUDIO, bytes(64), rate=44100, channels=8),
    "rate of 1 Hz": put(AUDIO, bytes(64), rate=1, channels=2),
    "rate of 4 GHz": put(AUDIO, bytes(64), rate=0xFFFFFFFF, channels=2),
    "half a sample": put(AUDIO, bytes(63), rate=44100, channels=2),
    "5 MiB of sound": put(AUDIO, bytes(5 << 20), rate=44100, channels=2),
    "subtitle before time": put(SUBTITLE, b"x", start_us=-1, duration_us=1),
    "subtitle backwards": put(SUBTITLE, b"x", start_us=10, duration_us=-5),
    "subtitle at the end of time": put(SUBTITLE, b"x", start_us=(1 << 63) - 1, duration_us=9),
    "subtitle not UTF-8": put(SUBTITLE, b"\xff\xfe", start_us=0, duration_us=1),
    "huge subtitle": put(SUBTITLE, b"x" * 70000, start_us=0, duration_us=1),
    "section that is no JSON": put(SECTION, b"{"),
    "section that is a list": put(SECTION, b"[]"),
    "section of brackets": put(SECTION, b"[" * 60000),
    "head backwards": head(-64),
    "head not aligned": head(1),
    "head far away": head(1 << 40),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records(tmp_path: Path, name: str) -> None:
    """Each is output_invalid, with a sentence, and nothing is left but work in progress."""
    run = Encode(tmp_path / "out", *SIZE, limits={"frames": 1000})
    result = after_a_frame(run, HOSTILE[name])
    assert (result.code, result.outcome) == (1, "output_invalid"), result
    assert result.last["error"]["message"]
    assert "Sanitizer" not in result.stderr
    assert not (tmp_path / "out/scene.mp4").exists()


def test_sound_that_changes(tmp_path: Path) -> None:
    """One rate and one number of channels a video."""
    run = Encode(tmp_path / "out", *SIZE).start()
    run.frame(pictures(*SIZE, 1)[0])
    run.sound(np.zeros((100, 2), "<i2"), 44100, 2)
    run.sound(np.zeros((100, 2), "<i2"), 48000, 2)
    result = run.result()
    assert (result.code, result.outcome) == (1, "output_invalid")


def test_too_many_subtitles(tmp_path: Path) -> None:
    """A flood of small records is bounded too."""
    run = Encode(tmp_path / "out", *SIZE).start()
    for _ in range(20000):
        if not run.subtitle("x" * 60, 0, 1):
            break
    result = run.result()
    assert (result.code, result.outcome) == (1, "output_invalid")


def test_header_changes_while_it_is_read(tmp_path: Path) -> None:
    """A writer that keeps changing the header of a published record gains nothing."""
    run = Encode(tmp_path / "out", *SIZE, limits={"frames": 500}).start()
    good = record(FRAME, repeat=1, payload_bytes=BYTES, size=SIZE)
    bad = record(FRAME, repeat=1, payload_bytes=1 << 40, size=(9999, 9999))
    assert run.process
    while run.process.poll() is None and run.ring.head < 64 << 20:
        at = 4096 + run.ring.head % run.ring.data_bytes
        if not run.ring.put(good, bytes(BYTES), run.process):
            break
        for _ in range(20):
            run.ring.map[at : at + 64] = bad
            run.ring.map[at : at + 64] = good
    run.ring.put(record(END), b"", run.process)
    result = run.result()
    assert result.outcome in ("completed", "output_invalid"), result
    assert "Sanitizer" not in result.stderr


def test_each_payload_is_read_once(tmp_path: Path) -> None:
    """A picture that changes under the reader is one picture to all who want it: what
    is hashed for the frame log is, to the pixel, what the PNG shows."""
    width, height = 640, 480
    shots = [shot.tobytes() for shot in pictures(width, height, 2)]
    header = record(FRAME, repeat=1, payload_bytes=len(shots[0]), size=(width, height))
    torn = 0
    for turn in range(8):
        run = Encode(tmp_path / str(turn), width, height, outputs=("png",), frame_log=True).start()
        assert run.process
        at = 4096 + 64
        run.ring.put(header, shots[0], run.process)
        run.ring.put(record(END), b"", run.process)
        for flip in range(100_000):
            if run.process.poll() is not None:
                break
            run.ring.map[at : at + len(shots[0])] = shots[flip % 2]
        result = run.result()
        assert result.code == 0, result
        shown = np.asarray(Image.open(result.dir / "frame.png").convert("RGBA"))
        digest = hashlib.sha256(shown.tobytes()).hexdigest()[:16]
        assert (result.dir / "frames.log").read_text().split()[2] == digest
        torn += shown.tobytes() not in shots
    print(f"{torn} of 8 pictures were changed while they were read")


def test_damaged_ring_header(tmp_path: Path) -> None:
    """The scene can write the first page too, before the encoder looks at it."""
    run = Encode(tmp_path / "out", *SIZE)
    struct.pack_into("<Q", run.ring.map, 0, 0x1234)
    result = run.start().result()
    assert (result.code, result.outcome) == (1, "output_invalid")


def test_the_tail_is_not_trusted(tmp_path: Path) -> None:
    """The encoder keeps its own count: writing to the tail does nothing to it."""
    run = Encode(tmp_path / "out", *SIZE).start()
    shots = pictures(*SIZE, 5)
    for rgba in shots:
        run.frame(rgba)
    struct.pack_into("<Q", run.ring.map, 128, 1 << 50)
    run.ring.publish(run.ring.head)
    at = 4096 + run.ring.head % run.ring.data_bytes
    run.ring.map[at : at + 64] = record(END)
    run.ring.publish(run.ring.head + 64)
    result = run.result()
    assert (result.code, result.last["frames"]) == (0, 5)
