"""Every limit of a job is reached once, and the verdict is what was seen from
outside. docs/limits.md is the list; memory, processes and floods that crash are
in test_render_bad.py, each kind of memory in tests/bench/box_memory.py."""

from __future__ import annotations

import os
import signal
import time

import pytest
from render_tools import Outcome, attempt, collect, render, start_stage, write_job

HEAD = "from manim import *\nimport os, signal, time\n"
JOB_FAULT = 1
NOISE = (
    "self.add(ImageMobject(np.random.default_rng({seed}).integers(0, 256, (600, 800, 3), np.uint8))"
    ".scale_to_fit_width(14.3))"
)


def scene(*lines: str) -> str:
    """A file with one scene whose construct is `lines`."""
    body = "".join(f"        {line}\n" for line in lines)
    return f"{HEAD}class Limited(Scene):\n    def construct(self):\n{body}"


def ends(code: str, outcome: str, options: dict[str, object] | None = None, **fields: object) -> Outcome:
    """It must end so, by the job's fault, with nothing to store."""
    ended = render(code, options, **fields)
    assert ended.outcome == outcome, ended.result
    assert ended.status == JOB_FAULT and ended.result["outputs"] == []
    return ended


@pytest.mark.parametrize(
    "stop",
    [
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); os.kill(0, signal.SIGSTOP)",
        "time.sleep(1000)",
    ],
    ids=["itself", "its group", "asleep"],
)
def test_what_does_not_run_ends_in_time(stop: str) -> None:
    """A stopped process uses no CPU time and never ends by itself."""
    error = ends(scene("self.wait(0.1)", stop), "time_limit", timeout_s=1).error
    assert "1 seconds" in error["message"]


def test_time_goes_on_while_the_keeper_sleeps() -> None:
    """As when the machine is suspended: what passed meanwhile has passed."""
    with attempt() as directory:
        write_job(directory, scene("print('running')", "while True: self.wait(1)"), {"timeout_s": 3})
        stage = start_stage(directory)
        log = directory / "log"
        while stage.poll() is None and not (log.exists() and "running" in log.read_text()):
            os.sched_yield()
        stage.send_signal(signal.SIGSTOP)
        until = time.monotonic() + 3.5
        while time.monotonic() < until:
            signal.sigtimedwait([signal.SIGUSR2], until - time.monotonic())
        stage.send_signal(signal.SIGCONT)
        woken = time.monotonic()
        _, stderr = stage.communicate(timeout=30)
        assert time.monotonic() - woken < 3
        assert collect(directory, stage.returncode, stderr).outcome == "time_limit"


def test_cpu_time_of_children_that_nobody_waits_for() -> None:
    """Their time is in no parent's count, since SIGCHLD is ignored."""
    ended = ends(
        scene(
            "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
            "while True:",
            "    if os.fork() == 0:",
            "        until = time.process_time() + 0.4",
            "        while time.process_time() < until: pass",
            "        os._exit(0)",
            "    time.sleep(0.3)",
        ),
        "cpu_limit",
        cpu_s=2,
        timeout_s=60,
    )
    assert ended.result["cpu_ms"] >= 2000


@pytest.mark.parametrize("make", ["open(f'n{n}', 'w').close()", "os.mkdir(f'n{n}')"], ids=["files", "directories"])
def test_more_files_than_allowed(make: str) -> None:
    error = ends(
        scene("for n in range(400):", f"    {make}", "while True: time.sleep(1)"),
        "disk_limit",
        {"max_files": 300},
        timeout_s=60,
    ).error
    assert "more files than are allowed" in error["message"]


def test_as_many_files_as_allowed() -> None:
    code = scene("for n in range(200):", "    open(f'n{n}', 'w').close()", "self.wait(0.7)")
    assert render(code, {"max_files": 300}).outcome == "completed"


def test_log_at_its_limit() -> None:
    """The last byte that is allowed is no fault; the next one is."""
    at = "os.write(1, b'x' * {})"
    ended = render(scene(at.format(16 * 1024), "self.wait(0.2)"), {"max_log_kb": 16})
    assert ended.outcome == "completed" and len(ended.log) == 16 * 1024
    error = ends(scene(at.format(16 * 1024 + 1), "self.wait(0.2)"), "log_limit", {"max_log_kb": 16}).error
    assert "16384 bytes" in error["message"]


FRAMES = {
    "one too many": "self.wait(2)\n        self.play(Rotate(Square()), run_time=2)",
    "for ever": "while True: self.play(Rotate(Square()), run_time=1)",
    "in one wait": "self.wait(10**9)",
}


@pytest.mark.parametrize("how", FRAMES)
def test_more_frames_than_allowed(how: str) -> None:
    error = ends(scene(FRAMES[how]), "output_invalid", {"max_frames": 59}, timeout_s=60).error
    assert error["message"] == "the video has more than 59 frames, the most that the worker's max_frames allows"


def test_as_many_frames_as_allowed() -> None:
    ended = render(scene("self.wait(2)", "self.play(Rotate(Square()), run_time=2)"), {"max_frames": 60})
    assert ended.outcome == "completed" and len(ended.frames) == 60


@pytest.mark.parametrize("outputs", [["mp4"], ["png"]], ids=lambda kinds: kinds[0])
def test_more_output_than_allowed(outputs: list[str]) -> None:
    """Whether a spool passes it while frames come, or a file when it is done."""
    code = scene(
        "for seed in range(12):",
        f"    {NOISE.format(seed='seed')}",
        "    self.wait(0.1)",
        "    self.clear()",
        NOISE.format(seed="99"),
    )
    size = {"width": 800, "height": 600, "fps": 10}
    error = ends(code, "disk_limit", {"max_output_mb": 1}, outputs=outputs, timeout_s=60, **size).error
    assert "outputs are larger" in error["message"]
