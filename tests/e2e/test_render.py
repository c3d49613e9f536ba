"""`manimd render FILE`: no Redis, no S3, one's own machine."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import house
import pytest
from house import GOOD, MANIMD, ROOT, environment, manimd, plays, video_facts

SIZE = ("-q", "480p15")


class Place:
    """A folder with scripts, and a TMPDIR that must be empty afterwards."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tmp = path / "tmp"
        self.tmp.mkdir(mode=0o711)

    def write(self, name: str, text: str) -> Path:
        """Write a script."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def render(self, *words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Render, and leave nothing but what was asked for."""
        done = manimd("render", *words, cwd=self.path, env={"TMPDIR": str(self.tmp)}, **more)
        left = sorted(str(p.relative_to(self.tmp)) for p in self.tmp.rglob("*"))
        assert left == [], f"left in TMPDIR: {left}\n{done.stderr}"
        return done


@pytest.fixture
def place(directory: Path) -> Place:
    """A folder of the test's own."""
    directory.chmod(0o755)
    return Place(directory)


def test_a_file_becomes_a_video(place: Place) -> None:
    """-o says where."""
    place.write("good.py", GOOD)
    done = place.render("good.py", "Good", *SIZE, "-o", "out.mp4")
    assert done.returncode == 0, done.stderr
    plays(place.path / "out.mp4")
    assert video_facts(place.path / "out.mp4")["frames"] == 8 + 4
    assert "out.mp4" in done.stdout + done.stderr


def test_the_only_scene_and_a_name_of_its_own(place: Place) -> None:
    """Without SCENE and -o: the file is named after the scene, here."""
    place.write("good.py", GOOD)
    done = place.render("good.py", *SIZE)
    assert done.returncode == 0, done.stderr
    videos = list(place.path.rglob("*.mp4"))
    assert len(videos) == 1 and "Good" in videos[0].name, videos


def test_json_for_machines(place: Place) -> None:
    """The last line of stdout is the result."""
    place.write("good.py", GOOD)
    done = place.render("good.py", *SIZE, "-o", "out.mp4", "--json")
    result = json.loads(done.stdout.splitlines()[-1])
    result = result.get("result") or result
    assert result["state"] == "completed" and result["outputs"][0]["frames"] == 12


def test_what_a_scene_prints_is_told(place: Place) -> None:
    """Whoever looks for a mistake by print() finds it, whether it completes or not."""
    place.write("says.py", GOOD + "\n\nprint('so far so good')\n")
    done = place.render("says.py", *SIZE)
    assert done.returncode == 0 and "what it printed:\n  so far so good\n" in done.stderr, done
    place.write("fails.py", "from manim import *\n\nprint('so far so good')\nnothing\n")
    done = place.render("fails.py", *SIZE)
    assert done.returncode == 1 and "what it printed:\n  so far so good\n" in done.stderr, done
    quiet = place.render(place.write("good.py", GOOD), *SIZE)
    assert "printed" not in quiet.stderr, quiet


def test_television_rates(place: Place) -> None:
    """--fps takes what the job's field takes; what is no number is named."""
    place.write("good.py", GOOD)
    done = place.render("good.py", *SIZE, "--fps", "23.976", "--json", "-o", "out.mp4")
    assert done.returncode == 0, done.stderr
    assert house.video_facts(place.path / "out.mp4")["r_frame_rate"] == "24000/1001"
    for wrong in ("0", "121", "nan", "0x18", "1e1", "24fps", ""):
        done = place.render("good.py", f"--fps={wrong}")
        assert done.returncode == 2 and f'option --fps: "{wrong}" is no number from 1 to 120' in done.stderr, done


def test_an_error_is_told_as_a_compiler_does(place: Place) -> None:
    """FILE:LINE:COLUMN, the message, the line itself, exit 1."""
    place.write("bad.py", "from manim import *\n\nclass A(Scene):\n    def construct(self):\n        self.add(nothing)\n")
    done = place.render("bad.py", *SIZE)
    assert done.returncode == 1
    assert re.search(r"bad\.py:5(:\d+)?: .*name 'nothing' is not defined", done.stderr), done.stderr
    assert "self.add(nothing)" in done.stderr
    assert "site-packages" not in done.stderr


def test_a_syntax_error_has_its_column(place: Place) -> None:
    """Where Python points, we point."""
    place.write("bad.py", "from manim import *\nx = (1,\n")
    done = place.render("bad.py", *SIZE)
    assert done.returncode == 1 and re.search(r"bad\.py:2:5: ", done.stderr), done.stderr


def test_a_tex_error_shows_the_tex_line(place: Place) -> None:
    """The formula, and the line of the script that made it."""
    place.write(
        "tex.py",
        "from manim import *\n\nclass A(Scene):\n    def construct(self):\n"
        "        self.add(MathTex(r'\\frac{1}{2} \\wrongmacro'))\n        self.wait(0.1)\n",
    )
    done = place.render("tex.py", *SIZE)
    assert done.returncode == 1
    assert "wrongmacro" in done.stderr and re.search(r"tex\.py:5", done.stderr), done.stderr


def test_an_error_in_a_sibling_names_the_sibling(place: Place) -> None:
    """The user's own file is where it happened, not where it was called."""
    place.write("helper.py", "def broken():\n    return {}['missing']\n")
    place.write(
        "main.py",
        "from manim import *\nimport helper\n\nclass A(Scene):\n    def construct(self):\n        helper.broken()\n",
    )
    done = place.render("main.py", *SIZE)
    assert done.returncode == 1 and re.search(r"helper\.py:2", done.stderr), done.stderr


def png(width: int, height: int) -> bytes:
    """A small picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x20\x90\xf0" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_siblings_and_pictures_beside_the_script(place: Place) -> None:
    """The script's folder can be read, wherever manimd is started."""
    place.write("film/shapes.py", "from manim import Square\n\ndef shape():\n    return Square()\n")
    (place.path / "film" / "picture.png").write_bytes(png(8, 6))
    square = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><rect width='9' height='9'/></svg>"
    place.write("film/drawing.svg", square)
    place.write(
        "film/main.py",
        "from manim import *\nfrom shapes import shape\n\nclass Film(Scene):\n    def construct(self):\n"
        "        self.add(ImageMobject('picture.png'), SVGMobject('drawing.svg'))\n"
        "        self.play(Create(shape()), run_time=0.3)\n",
    )
    done = place.render("film/main.py", *SIZE, "-o", "out.mp4")
    assert done.returncode == 0, done.stderr
    beside = sorted(p.name for p in (place.path / "film").iterdir())
    assert beside == ["drawing.svg", "main.py", "picture.png", "shapes.py"]


def test_the_script_cannot_write_beside_itself(place: Place) -> None:
    """Readable, not writable."""
    place.write(
        "bold.py",
        "from manim import *\nimport pathlib\n\nclass A(Scene):\n    def construct(self):\n"
        "        (pathlib.Path(__file__).parent / 'planted').write_text('x')\n        self.wait(0.1)\n",
    )
    done = place.render("bold.py", *SIZE)
    assert done.returncode == 1 and re.search("Permission denied|Read-only", done.stderr), done.stderr
    assert not (place.path / "planted").exists()


def test_frame_log(place: Place) -> None:
    """One line a record, and stock Manim's own frames."""
    place.write("good.py", GOOD)
    done = place.render("good.py", *SIZE, "-o", "out.mp4", "--frame-log", "frames.log")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in (place.path / "frames.log").read_text().splitlines()]
    assert [int(index) for index, _, _ in rows] == list(range(len(rows)))
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for _, _, digest in rows)
    ours = [digest for _, repeat, digest in rows for _ in range(int(repeat))]
    sys.path.insert(0, str(ROOT / "tests" / "bench"))
    import stock

    command = [sys.executable, str(ROOT / "tests/bench/stock.py"), "stock.log", "--silent", "--disable_caching"]
    command += ["--progress_bar", "none", "-ql", "--seed", "0", "--media_dir", "media", "good.py"]
    subprocess.run(command, cwd=place.path, env=stock.oracle_environment(), check=True, capture_output=True)
    theirs = [line.split() for line in (place.path / "stock.log").read_text().splitlines()]
    assert ours == [digest for repeat, digest in theirs for _ in range(int(repeat))]


def test_exit_codes(place: Place) -> None:
    """2 for usage, 3 for the host."""
    place.write("good.py", GOOD)
    assert place.render("none.py").returncode == 2
    assert place.render().returncode == 2
    assert place.render("good.py", "-q", "9000p").returncode == 2
    assert place.render("good.py", "Missing", *SIZE).returncode == 1
    host = place.render("good.py", *SIZE, "--python=/no/such/python")
    assert host.returncode == 3 and "/no/such/python" in host.stderr, host
    host = place.render("good.py", *SIZE, "-o", "/no/such/dir/out.mp4")
    assert host.returncode == 2 and "/no/such/dir" in host.stderr, host


def test_a_time_limit(place: Place) -> None:
    """--timeout ends a loop."""
    place.write("loop.py", "while True: pass\n")
    done = place.render("loop.py", *SIZE, "--timeout", "2")
    assert done.returncode == 1 and "it ran longer than 2 seconds; it was at line 1 [time_limit]" in done.stderr, done


FILM = GOOD.replace("self.wait(0.3)", "[self.play(square.animate.rotate(1), run_time=1) for _ in range(12)]")
TOLD = r"\d+%.*\d+ frames.*\d+\.\d fps.*(\d+:\d\d|-:--) left"


def test_progress_on_a_terminal_is_one_line(place: Place) -> None:
    """Redrawn in place: percent, frames per second, time left."""
    place.write("film.py", FILM)
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [str(MANIMD), "render", "film.py", *SIZE, "-o", "out.mp4"],
        cwd=place.path,
        env=environment(TMPDIR=str(place.tmp), TERM="xterm", COLUMNS="80"),
        stdin=child,
        stdout=child,
        stderr=child,
        preexec_fn=house.clean_of_quits,
    )
    os.close(child)
    screen = b""
    while True:
        try:
            screen += os.read(parent, 4096)
        except OSError:  # nobody holds the other end any more
            break
    os.close(parent)
    text = screen.decode()
    assert house.wait_exit(process) == 0, text
    shown = [part.removeprefix("\x1b[K") for part in re.split(r"[\r\n]+", text) if "%" in part]
    assert len(shown) > 1 and any(re.search(TOLD, line) for line in shown), text
    assert all(len(line) < 80 for line in shown), shown
    first, last = text.index(shown[0]), text.rindex(shown[-1])
    assert "\n" not in text[first:last], "a new line instead of the same one again"


def test_progress_through_a_pipe_is_plain_lines(place: Place) -> None:
    """No carriage return, no escape."""
    place.write("film.py", FILM)
    done = place.render("film.py", *SIZE, "-o", "out.mp4")
    assert done.returncode == 0, done.stderr
    assert any(re.search(TOLD, line) for line in done.stderr.splitlines()), done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr, done.stderr


SOMEBODY = 65532


def test_without_root_it_is_basic_and_says_so(place: Place) -> None:
    """A user's laptop: the notice on stderr, the level in the result."""
    if os.geteuid() != 0:
        pytest.skip("not applicable: only root can become somebody else; every other test here runs without root")
    place.write("good.py", GOOD)
    home = place.path / "home"
    home.mkdir()
    os.chown(home, SOMEBODY, SOMEBODY)
    command = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", str(MANIMD), "render"]
    done = subprocess.run(
        [*command, str(place.path / "good.py"), *SIZE, "-o", "out.mp4", "--json"],
        cwd=home,
        env=environment(HOME=str(home), TMPDIR=str(home)),
        capture_output=True,
        text=True,
        timeout=house.PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["sandbox"]["level"] == "basic"
    assert re.search(r"(?i)basic", done.stderr), done.stderr
    assert [path.name for path in home.iterdir()] == ["out.mp4"]
    assert (home / "out.mp4").stat().st_uid == SOMEBODY


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_leaves_nothing(signo: signal.Signals, place: Place) -> None:
    """Ctrl-C in mid-render: no process, no file."""
    place.write("long.py", GOOD.replace("self.wait(0.3)", "self.wait(600, frozen_frame=False)"))
    before = set(house.descendants(os.getpid()))
    process = subprocess.Popen(
        [str(MANIMD), "render", "long.py", *SIZE, "-o", "out.mp4"],
        cwd=place.path,
        env=environment(TMPDIR=str(place.tmp)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=house.clean_of_quits,
    )
    lines = house.Lines(process.stdout)
    lines.wait(r"\d+ ?%")
    process.send_signal(signo)
    assert house.wait_exit(process, 15) != 0
    lines.join()
    house.until("no process is left", lambda: not set(house.descendants(os.getpid())) - before, 10)
    assert list(place.tmp.iterdir()) == []
    assert not (place.path / "out.mp4").exists()


def test_output_is_replaced_only_by_a_whole_one(place: Place) -> None:
    """A failing render leaves yesterday's video alone."""
    place.write("bad.py", "import nothing_of_the_kind\n")
    old = place.write("out.mp4", "yesterday's")
    assert place.render("bad.py", *SIZE, "-o", "out.mp4").returncode == 1
    assert old.read_text() == "yesterday's"
