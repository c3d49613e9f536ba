"""manimd-encode on well-behaved scenes: the files that it makes."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encode_helpers import Encode, pictures, probe
from PIL import Image


def video_stream(path: Path) -> dict[str, Any]:
    """The video's stream, with its frames counted by decoding them."""
    return dict(probe(path, "-count_frames", "-show_streams", "-select_streams", "v")["streams"][0])


def decode(path: Path, width: int, height: int) -> np.ndarray[Any, Any]:
    """All frames as RGB, by the colours that the file says it has."""
    run = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-vf", "scale=flags=accurate_rnd+full_chroma_int",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    return np.frombuffer(run.stdout, np.uint8).reshape(-1, height, width, 3)


def atoms(path: Path) -> list[str]:
    """The names of the file's outermost boxes."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        found.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4], "big")
    return found


def tone(seconds: float, rate: int, channels: int) -> np.ndarray[Any, Any]:
    """A 440 Hz sine, interleaved."""
    t = np.arange(int(seconds * rate)) / rate
    one = (np.sin(t * 440 * 2 * np.pi) * 12000).astype("<i2")
    return np.stack([one] * channels, axis=1)


def test_one_frame(tmp_path: Path) -> None:
    """The shortest video there is."""
    run = Encode(tmp_path / "out").start()
    run.frame(pictures(64, 48, 1)[0])
    result = run.end()
    assert result.code == 0, result.stderr
    assert result.last["outputs"] == [
        {"kind": "mp4", "name": "scene.mp4", "width": 64, "height": 48, "fps": 30,
         "frames": 1, "duration_s": pytest.approx(1 / 30)},
    ]  # fmt: skip
    assert video_stream(tmp_path / "out/scene.mp4")["nb_read_frames"] == "1"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["scene.mp4"]


@pytest.mark.parametrize("fps", [(15, 1), (60, 1), (30000, 1001), (120, 1)])
def test_repeats_are_counted_exactly(tmp_path: Path, fps: tuple[int, int]) -> None:
    """As many frames as the repeats add up to, evenly spaced, from 0 to the end."""
    repeats = [1, 2, 300, 1, 7, 13, 1]
    run = Encode(tmp_path / "out", fps=fps).start()
    for rgba, repeat in zip(pictures(64, 48, len(repeats)), repeats):
        run.frame(rgba, repeat)
    result = run.end()
    total = sum(repeats)
    assert (result.code, result.last["frames"], result.last["distinct"]) == (0, total, 7)
    path = tmp_path / "out/scene.mp4"
    stream = video_stream(path)
    assert stream["nb_read_frames"] == str(total)
    assert stream["avg_frame_rate"] == f"{fps[0]}/{fps[1]}"
    duration = total * fps[1] / fps[0]
    assert float(stream["duration"]) == pytest.approx(duration, abs=1e-3)
    assert result.last["outputs"][0]["duration_s"] == pytest.approx(duration)
    frames = probe(path, "-show_frames", "-select_streams", "v")["frames"]
    times = np.array([float(f["pts_time"]) for f in frames])
    assert times == pytest.approx(np.arange(total) * fps[1] / fps[0], abs=1e-4)


def test_container_and_colours(tmp_path: Path) -> None:
    """Plays while it loads; says which colours it has; shows the right ones."""
    run = Encode(tmp_path / "out", 320, 240).start()
    shots = pictures(320, 240, 12)
    for rgba in shots:
        run.frame(rgba)
    assert run.end().code == 0
    path = tmp_path / "out/scene.mp4"
    names = atoms(path)
    assert names.index("moov") < names.index("mdat")
    stream = video_stream(path)
    assert {k: stream[k] for k in ("codec_name", "pix_fmt", "color_range", "color_space",
                                   "color_transfer", "color_primaries", "codec_tag_string",
                                   "sample_aspect_ratio", "chroma_location")} == {
        "codec_name": "h264", "pix_fmt": "yuv420p", "color_range": "tv", "color_space": "bt709",
        "color_transfer": "bt709", "color_primaries": "bt709", "codec_tag_string": "avc1",
        "sample_aspect_ratio": "1:1", "chroma_location": "center",
    }  # fmt: skip
    assert b"nclx" in path.read_bytes()
    assert probe(path, "-show_format")["format"]["tags"]["title"] == "a title"
    for shown, drawn in zip(decode(path, 320, 240), shots, strict=True):
        # A wrong matrix or range is off by ten and more.
        assert np.abs(shown.astype(int) - drawn[..., :3]).mean() < 2.5


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (252, 98, 85), (88, 196, 221)])
def test_flat_colours_survive(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    """Black stays black; Manim's red and blue stay what they are."""
    rgba = np.full((48, 64, 4), (*colour, 255), np.uint8)
    run = Encode(tmp_path / "out").start()
    run.frame(rgba, 3)
    assert run.end().code == 0
    shown = decode(tmp_path / "out/scene.mp4", 64, 48)
    assert np.abs(shown.astype(int) - np.array(colour)).max() <= 2


def test_output_settings_do_not_change_alpha(tmp_path: Path) -> None:
    """The mp4 leaves alpha out, as stock does; the png keeps it."""
    rgba = pictures(64, 48, 1)[0]
    rgba[:, 20:40, 3] = 100
    run = Encode(tmp_path / "out", outputs=("mp4", "png")).start()
    run.frame(rgba)
    assert run.end().code == 0
    image = np.asarray(Image.open(tmp_path / "out/frame.png"))
    assert image.shape == (48, 64, 4) and np.array_equal(image, rgba)
    shown = decode(tmp_path / "out/scene.mp4", 64, 48)[0]
    assert np.abs(shown.astype(int) - rgba[..., :3]).mean() < 6


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2), (37000, 1)])
def test_sound(tmp_path: Path, rate: int, channels: int) -> None:
    """PCM in uneven pieces becomes AAC of the same length and pitch, beside the pictures."""
    pcm = tone(2.5, rate, channels)
    run = Encode(tmp_path / "out").start()
    for i, rgba in enumerate(pictures(64, 48, 15)):
        run.frame(rgba, 5)
        run.sound(pcm[i * 1001 : (i + 1) * 1001], rate, channels)
    run.sound(pcm[15 * 1001 :], rate, channels)
    result = run.end()
    assert result.code == 0, result.stderr
    path = tmp_path / "out/scene.mp4"
    streams = probe(path, "-show_streams")["streams"]
    assert [s["codec_name"] for s in streams] == ["h264", "aac"]
    assert streams[1]["channels"] == channels
    assert float(streams[1]["duration"]) == pytest.approx(2.5, abs=0.03)
    packets = probe(path, "-show_packets")["packets"]
    position = {"video": 0.0, "audio": 0.0}
    for p in sorted(packets, key=lambda p: int(p["pos"])):
        position[p["codec_type"]] = float(p["dts_time"])
        assert abs(position["video"] - position["audio"]) < 0.5
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    wave = np.frombuffer(raw, "<i2").astype(float)[4800:100000]
    peak = np.argmax(np.abs(np.fft.rfft(wave))) * 48000 / len(wave)
    assert peak == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(12000 / np.sqrt(2), rel=0.1)


def test_subtitles_and_chapters(tmp_path: Path) -> None:
    """A text track, one at a time; chapters of the sections that have frames."""
    run = Encode(tmp_path / "out").start()
    shots = pictures(64, 48, 4)
    run.section("nothing is played in here")
    run.section("first")
    run.frame(shots[0], 30)
    run.subtitle("later: überall ☺", 2.0, 5.0)
    run.subtitle("hello", 0.5, 1.0)
    run.section("second")
    run.frame(shots[1], 45)
    run.section("empty at the end")
    result = run.end()
    assert result.code == 0, result.stderr
    assert (result.last["subtitles"], result.last["sections"]) == (2, 2)
    path = tmp_path / "out/scene.mp4"
    srt = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:s", "-f", "srt", "-"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.sub("<[^>]*>", "", srt).split("\n\n")[:2] == [
        "1\n00:00:00,500 --> 00:00:01,500\nhello",
        "2\n00:00:02,000 --> 00:00:07,000\nlater: überall ☺",
    ]
    chapters = subprocess.run(
        ["ffprobe", "-v", "error", "-show_chapters", "-of", "csv=p=0", str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.split(",")[3:] for line in chapters.stdout.split()] == [
        ["0.000000", "1000", "1.000000", "first"],
        ["1.000000", "2500", "2.500000", "second"],
    ]


@pytest.mark.parametrize("size", [(64, 48), (33, 17)])
def test_png_is_the_last_frame_exactly(tmp_path: Path, size: tuple[int, int]) -> None:
    """Every pixel of the last frame, opaque: RGB."""
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 4), np.uint8)
    noise[..., 3] = 255
    run = Encode(tmp_path / "out", *size, outputs=("png",)).start()
    run.frame(pictures(*size, 1)[0])
    run.frame(noise, 3)
    run.still(pictures(*size, 1)[0])  # no use when something was played
    result = run.end()
    assert result.code == 0, result.stderr
    assert [o["kind"] for o in result.last["outputs"]] == ["png"]
    image = Image.open(tmp_path / "out/frame.png")
    assert image.mode == "RGB" and np.array_equal(np.asarray(image), noise[..., :3])


def test_png_of_a_scene_that_plays_nothing(tmp_path: Path) -> None:
    """The still then."""
    still = pictures(64, 48, 1)[0]
    run = Encode(tmp_path / "out", outputs=("png",)).start()
    run.still(still)
    assert run.end().code == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/frame.png")), still[..., :3])


@pytest.mark.parametrize("outputs", [("mp4",), ("png",), ("mp4", "png")])
def test_nothing_played(tmp_path: Path, outputs: tuple[str, ...]) -> None:
    """No frame: no video; no still either: no png."""
    run = Encode(tmp_path / "out", outputs=outputs).start()
    result = run.end()
    assert (result.code, result.outcome) == (1, "output_missing")
    assert list((tmp_path / "out").iterdir()) == []


def test_frame_log(tmp_path: Path) -> None:
    """A line per record: index, repeat, hash."""
    shots, repeats = pictures(64, 48, 3), [2, 400, 1]
    run = Encode(tmp_path / "out", frame_log=True).start()
    for rgba, repeat in zip(shots, repeats):
        run.frame(rgba, repeat)
    result = run.end()
    assert result.code == 0
    hashes = [hashlib.sha256(rgba.tobytes()).hexdigest()[:16] for rgba in shots]
    assert (tmp_path / "out/frames.log").read_text() == (
        f"0 2 {hashes[0]}\n2 400 {hashes[1]}\n402 1 {hashes[2]}\n"
    )
    assert [o["kind"] for o in result.last["outputs"]] == ["mp4"]


def test_progress_is_told_at_most_ten_times_a_second(tmp_path: Path) -> None:
    """Also within one long wait."""
    run = Encode(tmp_path / "out", 320, 240, fps=(60, 1)).start()
    run.frame(pictures(320, 240, 1)[0], 6000)
    result = run.end()
    assert result.code == 0
    progress = result.lines[:-1]
    seconds = result.last["encode_ms"] / 1000
    assert len(progress) <= seconds * 10 + 2
    assert [p["frames"] for p in progress] == sorted(p["frames"] for p in progress)
    assert any(0 < p["frames"] < 6000 for p in progress)
    assert all(p["seconds"] == pytest.approx(p["frames"] / 60) for p in progress)
