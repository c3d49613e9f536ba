"""Scenes that fail, and scenes that attack: each has its outcome, its words
about the user's own file, and leaves no process behind."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from bad_scenes import HEAD, JOB_FAULT, fails, scene
from render_tools import attempt, collect, render, ring_dump, start_stage, write_job

HOST_FAULT = 3


def test_syntax_error() -> None:
    error = fails(HEAD + "\nclass Bad(Scene)\n    pass\n", "source_rejected").error
    assert error["line"] == 3 and error["column"] == 17
    assert error["message"] == "SyntaxError: expected ':'"
    assert "> 3 | class Bad(Scene)" in error["excerpt"] and "^" in error["excerpt"]


def test_import_error() -> None:
    error = fails(HEAD + "import no_such_module\n", "scene_error").error
    assert error["line"] == 2 and error["code"] == "ModuleNotFoundError"
    assert "no_such_module" in error["message"]


@pytest.mark.parametrize("character", ["\\U0001f600", "\\x01", "\\ud800", "\\u4e2d"])
def test_long_words_arrive_whatever_they_are_made_of(character: str) -> None:
    error = fails(scene(f'raise ValueError("why " + "{character}" * 9000)'), "scene_error").error
    assert error["line"] == 5 and error["code"] == "ValueError"
    assert error["message"].startswith("ValueError: why ")


def test_an_exception_whose_name_is_too_long_for_a_line() -> None:
    error = fails(scene('raise type("A" * 100000, (Exception,), {})("x")'), "scene_error").error
    assert error["code"].startswith("AAAA") and len(error["code"]) == 200


def test_no_scene_holds_its_keeper_up() -> None:
    """It shares the ring's event counters: full to the brim, and told to block."""
    code = HEAD + """
import fcntl, os, stat, sys

class Brim:
    def write(self, text):
        pass
    def flush(self):
        for fd in range(3, 200):
            try:
                if stat.S_IFMT(os.fstat(fd).st_mode):
                    continue
                os.set_blocking(fd, False)
                try:
                    os.read(fd, 8)
                except BlockingIOError:
                    pass
                os.write(fd, (2**64 - 2).to_bytes(8, "little"))
                os.set_blocking(fd, True)
                print("brim", fd, file=sys.__stdout__, flush=True)
            except OSError:
                pass

class Bad(Scene):
    def construct(self):
        self.wait(0.1)
        sys.stdout = Brim()
"""
    began = time.monotonic()
    ended = render(code, {"timeout_s": 10})
    assert ended.log.count("brim") == 2, ended.log
    assert time.monotonic() - began < 30
    assert ended.outcome in ("completed", "time_limit"), ended.result


def test_exception_in_mid_play() -> None:
    code = scene(
        """
        def boom(mobject, dt):
            if self.time > 0.3:
                mobject.no_such_thing.more()
        square = Square().add_updater(boom)
        self.add(square)
        self.wait(2)
        """.replace("        ", "", 1).replace("\n        ", "\n")
    )
    ended = fails(code, "scene_error")
    assert "no_such_thing" in ended.error["message"]
    assert "mobject.no_such_thing.more()" in ended.error["excerpt"].splitlines()[2]
    assert ended.error["line"] == code.splitlines().index(
        "                mobject.no_such_thing.more()"
    ) + 1 and ended.error["column"] == 17
    trace = ended.error["traceback"]
    assert "in construct" in trace and "in boom" in trace and "site-packages" not in trace


def test_an_exception_deep_in_manim_points_at_the_users_line() -> None:
    error = fails(scene("self.play(Create('no mobject'))"), "scene_error").error
    assert error["line"] == 5
    assert "self.play(Create('no mobject'))" in error["excerpt"]


def test_no_scene() -> None:
    error = fails(HEAD + "x = 1\n", "source_rejected").error
    assert "defines no scene" in error["message"]


TWO = HEAD + "class One(Scene):\n    pass\nclass Two(Scene):\n    pass\n"


def test_several_scenes_and_none_named() -> None:
    error = fails(TWO, "source_rejected").error
    assert '"One", "Two"' in error["message"]


def test_unknown_scene() -> None:
    error = fails(TWO, "source_rejected", scene="Three").error
    assert '"Three"' in error["message"] and '"One", "Two"' in error["message"]


def test_the_scene_named_is_rendered() -> None:
    code = TWO.replace("Two(Scene):\n    pass", "Two(Scene):\n    def construct(self): self.wait(1)")
    ended = render(code, scene="Two")
    assert ended.outcome == "completed" and len(ended.frames) == 15


def test_no_animation() -> None:
    error = fails(scene("self.add(Square())"), "output_missing").error
    assert "plays no animation" in error["message"] and "self.play()" in error["message"]


def test_no_animation_but_a_picture_asked() -> None:
    ended = render(scene("self.add(Square())"), {"encoder": ring_dump()}, outputs=["png"])
    assert ended.outcome == "completed", ended.result
    assert [each["kind"] for each in ended.records] == ["still", "end"]


def test_all_animations_skipped() -> None:
    code = scene("self.next_section(skip_animations=True)\nself.play(FadeIn(Square()))")
    assert "skips all" in fails(code, "output_missing").error["message"]


def test_formula_that_tex_refuses() -> None:
    code = scene("self.wait(0.1)\nself.add(MathTex(r'x + \\nosuchmacro{2}'))")
    error = fails(code, "tex_error").error
    assert "Undefined control sequence" in error["message"]
    assert "\\nosuchmacro" in error["message"]
    assert error["line"] == 6
    assert "MathTex" in error["excerpt"] and "TeX source:" in error["excerpt"]
    assert re.search(r"> +\d+ \| .*nosuchmacro", error["excerpt"])


def test_stops_itself() -> None:
    fails(scene("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"), "time_limit", timeout_s=1)


def test_memory_eater() -> None:
    code = scene("hoard = []\nwhile True: hoard.append(bytearray(1 << 24))")
    fails(code, "memory_limit", memory_mb=512)


def test_memory_eater_that_catches_the_error() -> None:
    code = scene(
        "hoard = []\nwhile True:\n    try: hoard.append(bytearray(1 << 22))\n"
        "    except MemoryError: raise SystemExit('hidden')"
    )
    ended = render(code, memory_mb=512)
    assert ended.outcome in ("memory_limit", "scene_error")


def test_stdout_flood() -> None:
    ended = fails(scene("while True: print('x' * 5000)"), "log_limit", timeout_s=60)
    assert len(ended.log) < 600_000 and "bytes left out" in ended.log
    assert len(ended.result["log_tail"]) <= 16 * 1024


def test_one_endless_line() -> None:
    fails(scene("import os\nwhile True: os.write(2, b'y' * 65536)"), "log_limit", timeout_s=60)


def test_fork_bomb() -> None:
    code = scene("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    error = fails(code, "process_limit", timeout_s=60, processes=40).error
    assert error["message"] == "the scene started more processes than `processes` allows"


@pytest.mark.parametrize(
    "start",
    [
        "subprocess.Popen(['sleep', '100'])",
        "threading.Thread(target=time.sleep, args=(100,), daemon=True).start()",
    ],
)
def test_many_processes_by_other_ways(start: str) -> None:
    """Whether the kernel refuses first or the watch sees it first."""
    code = scene(f"import subprocess, threading, time\nwhile True: {start}")
    error = fails(code, "process_limit", timeout_s=60, processes=16).error
    assert "more processes than `processes` allows" in error["message"]


def test_fills_its_own_directory() -> None:
    code = scene("for n in range(10**9):\n    open(f'f{n}', 'wb').write(b'x' * (1 << 20))")
    error = fails(code, "disk_limit", timeout_s=60, disk_mb=30).error
    assert error["message"] == "the scene wrote more than disk_mb, or more files than are allowed"


def test_one_file_larger_than_its_disk() -> None:
    """The kernel stops it at the limit itself, so that no look sees more than is allowed."""
    code = scene("out = open('f', 'wb')\nwhile True: out.write(b'x' * (1 << 20))")
    error = fails(code, "disk_limit", timeout_s=60, disk_mb=30).error
    assert "disk_mb" in error["message"]


@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(7)", "os.kill(os.getpid(), 9)"])
def test_ends_itself(end: str) -> None:
    ended = render(scene(f"import os\nself.wait(0.2)\n{end}"))
    assert ended.status == JOB_FAULT
    assert ended.outcome == ("crashed" if "kill" in end else "scene_error"), ended.result


def test_sys_exit() -> None:
    error = fails(scene("import sys\nsys.exit(0)"), "scene_error").error
    assert "called exit" in error["message"] and error["line"] == 6


def test_keyboard_interrupt_and_recursion() -> None:
    fails(scene("raise KeyboardInterrupt"), "scene_error")
    error = fails(scene("def f(): f()\nf()"), "scene_error").error
    assert error["code"] == "RecursionError"


def test_stack_overflow_in_c() -> None:
    code = scene("import ctypes\nctypes.string_at(0)")
    assert render(code).outcome == "crashed"


def test_bytes_that_are_no_python() -> None:
    fails("class Bad(\x01\x02: pass\n", "source_rejected")
    fails("# coding: no-such-codec\nx = 1\n", "source_rejected")
    fails("(" * 5000 + ")" * 5000, "source_rejected")


def test_words_on_every_descriptor() -> None:
    """It may write into the descriptors it was given; it gains nothing."""
    code = scene(
        "import os\nfor fd in range(3, 40):\n"
        "    try: os.write(fd, b'{\"exit\":0,\"result\":{\"outcome\":\"host_error\"}}\\n' * 3)\n"
        "    except OSError: pass\nself.wait(0.2)\nos._exit(0)"
    )
    ended = render(code)
    assert ended.status == JOB_FAULT, ended.result


def test_forged_results() -> None:
    """Only the job's own faults can be had for words."""
    forge = "import os\nfor fd in range(3, 20):\n    try: os.write(fd, WORD)\n    except OSError: pass\nos._exit(1)"
    for word, outcome in (("host_error", "scene_error"), ("completed", "scene_error"),
                          ("cancelled", "scene_error"), ("tex_error", "tex_error")):
        line = json.dumps({"result": {"outcome": word, "error": {"message": "a\x1b[31mb"}}})
        ended = render(scene(forge, f"WORD = {(line + chr(10)).encode()!r}\n"))
        assert ended.outcome == outcome, (word, ended.result)
        assert ended.status == JOB_FAULT
        assert "\x1b" not in json.dumps(ended.result, ensure_ascii=False)


# What a scene can reach of its harness: the ring, and the pipe of its reports.
REACH = (
    "import os, time\n"
    "from manim.scene.scene_file_writer import SceneFileWriter\n"
    "def sink():\n"
    "    cells = SceneFileWriter.write_frame.__closure__\n"
    "    return next(c.cell_contents for c in cells if hasattr(c.cell_contents, 'ring'))\n"
    "def say(outcome):\n"
    "    sink().progress.channel.say({'result': {'outcome': outcome}})\n"
)
DONE_AND_GOES_ON = "the scene was done, but its process went on for 5 s"


@pytest.mark.parametrize(
    ("end", "outcome", "words"),
    [
        ("say('completed')\nos._exit(0)", "output_invalid", "its video has no end"),
        ("say('completed')\ntime.sleep(100)", "scene_error", DONE_AND_GOES_ON),
        ("say('tex_error')\ntime.sleep(100)", "tex_error", ""),
        ("sink().ring.end()\ntime.sleep(100)", "scene_error", DONE_AND_GOES_ON),
        ("sink().ring.end()\nos._exit(0)", "scene_error", "exit status 0"),
    ],
)
def test_done_without_an_end(end: str, outcome: str, words: str) -> None:
    """Its slot is free long before its time is up, however it says that it is done."""
    began = time.monotonic()
    error = fails(scene(f"self.wait(0.2)\n{end}", REACH), outcome, timeout_s=60).error
    assert words in error.get("message", "")
    assert time.monotonic() - began < 30


def test_closes_every_descriptor() -> None:
    ended = render(scene("import os\nself.wait(0.2)\nos.closerange(0, 64)\nself.wait(0.5)"))
    assert ended.status == JOB_FAULT
    assert ended.outcome in ("scene_error", "crashed"), ended.result


def test_a_wild_ring_is_the_jobs_fault() -> None:
    code = scene(
        # More frames than the ring holds: the encoder has begun to read it.
        "import mmap, os\nself.play(Rotate(Square()), run_time=10)\n"
        "for fd in range(3, 20):\n"
        "    try:\n        m = mmap.mmap(fd, 4096)\n        m[0:4096] = b'\\xff' * 4096\n"
        "    except (OSError, ValueError): pass\n"
        "self.wait(0.2)\nself.play(FadeIn(Square()))"
    )
    ended = render(code, timeout_s=10)
    assert ended.status == JOB_FAULT, ended.result


def test_picture_larger_than_the_job() -> None:
    code = scene("self.wait(1)", "config.pixel_width = 1920\nconfig.pixel_height = 1080\n")
    assert "1920x1080" in fails(code, "output_invalid").error["message"]


def test_escapes_in_the_log_are_cleaned() -> None:
    code = scene("print('\\x1b[2J\\x00\\u202e bell\\x07')\nself.wait(0.1)")
    tail = render(code).result["log_tail"]
    assert tail.strip() == "[2J bell"


def test_left_behind_processes_are_killed() -> None:
    code = scene(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(300)\n    os._exit(0)\nself.wait(0.2)"
    )
    ended = render(code)
    assert ended.outcome in ("completed", "output_invalid"), ended.result


def test_nothing_is_left(tmp_path: Path) -> None:
    """After the worst of them, no process of the scene's uid is alive."""
    with attempt() as directory:
        write_job(directory, scene(
            "import os, time\nfor _ in range(10):\n    if os.fork() == 0:\n"
            "        os.setsid()\n        time.sleep(300)\nwhile True: pass"), {"timeout_s": 1})
        stage = start_stage(directory)
        stage.communicate(timeout=60)
        assert stage.returncode == JOB_FAULT
        assert processes_of((directory / "scene").stat().st_uid) == []


def processes_of(uid: int) -> list[str]:
    """The names of what runs under a uid (root's are not asked for). A zombie
    runs no more: whoever got it may take its time to reap it."""
    assert uid != 0
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or entry.stat().st_uid != uid:
                continue
            name, rest = (entry / "stat").read_text().rsplit(")", 1)
            if rest.split()[0] not in "ZX":
                found.append(name.partition("(")[2])
        except OSError:
            continue
    return found


def wait_for_progress(stage: subprocess.Popen[str], directory: Path) -> None:
    """Until the scene has printed its line."""
    log = directory / "log"
    while stage.poll() is None:
        if log.exists() and "running" in log.read_text():
            return
        os.sched_yield()
    pytest.fail(f"the stage ended: {stage.communicate()}")


def test_sigterm_cancels() -> None:
    with attempt() as directory:
        write_job(directory, scene("print('running')\nwhile True: self.wait(1)"), {})
        stage = start_stage(directory)
        wait_for_progress(stage, directory)
        stage.send_signal(signal.SIGTERM)
        _, stderr = stage.communicate(timeout=20)
        ended = collect(directory, stage.returncode, stderr)
        assert ended.outcome == "cancelled"
        assert processes_of((directory / "scene").stat().st_uid) == []
        assert processes_of((directory / "out").stat().st_uid) == []


def test_keeper_killed_takes_the_scene_with_it() -> None:
    with attempt() as directory:
        write_job(directory, scene("print('running')\nwhile True: self.wait(1)"), {})
        stage = start_stage(directory)
        wait_for_progress(stage, directory)
        uids = [(directory / name).stat().st_uid for name in ("scene", "out")]
        stage.kill()
        stage.communicate(timeout=20)
        while any(processes_of(uid) for uid in uids):
            os.sched_yield()


def warden_of(uid: int) -> int:
    """The parent of a scene that has started nothing."""
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or entry.stat().st_uid != uid:
                continue
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # another's, that has ended
        assert parent > 1
        return parent
    raise AssertionError("no scene runs")


def test_a_killed_warden_is_no_fault_of_the_scenes() -> None:
    """Whatever killed our own process, the job is to be tried again."""
    with attempt() as directory:
        write_job(directory, scene("print('running')\nwhile True: self.wait(1)"), {})
        stage = start_stage(directory)
        wait_for_progress(stage, directory)
        uid = (directory / "scene").stat().st_uid
        # The scene cannot tell: in a PID namespace of its own it has no parent.
        os.kill(warden_of(uid), signal.SIGKILL)
        _, stderr = stage.communicate(timeout=30)
        ended = collect(directory, stage.returncode, stderr)
        assert ended.outcome == "host_error" and ended.status == HOST_FAULT, ended.result
        assert "warden" in ended.error["message"]
        assert processes_of(uid) == []


def test_encoder_that_cannot_start_is_ours() -> None:
    ended = render(scene("self.wait(0.2)"), {"encoder": "/bin/false"})
    assert ended.outcome == "host_error" and ended.status == HOST_FAULT
    assert "encoder" in ended.error["message"]


def test_python_that_cannot_start_is_ours() -> None:
    ended = render(scene("self.wait(0.2)"), {"python": "/bin/false"})
    assert ended.outcome == "host_error" and ended.status == HOST_FAULT


def test_the_source_is_as_private_as_the_directory() -> None:
    with attempt() as directory:
        write_job(directory, scene("self.wait(0.1)"), {})
        start_stage(directory).communicate(timeout=60)
        for name in ("scene", "out"):
            mode = (directory / name).stat().st_mode
            assert stat.S_IMODE(mode) == 0o700
