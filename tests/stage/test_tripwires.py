"""Calls that only an escape needs: refused, counted, and at last the end of the job."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from render_tools import SCENES, attempt, read_text, render, start_stage, write_job

HEAD = """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def met(number, *arguments):
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *arguments) < 0 else "went through"
"""
SCENE = """
from manim import *
class S(Scene):
    def construct(self): self.wait(0.2)
"""
#: of x86-64 and of aarch64
NUMBERS = {"x86_64": {"ptrace": 101, "bpf": 321, "unshare": 272}, "aarch64": {"ptrace": 117, "bpf": 280, "unshare": 97}}
CALLS = NUMBERS[os.uname().machine]


def test_a_few_are_refused_counted_and_forgiven() -> None:
    """A scene that tries three things completes, and the result says what it tried."""
    code = f"""{HEAD}
print(met({CALLS["ptrace"]}, 0, 0, 0, 0), met({CALLS["bpf"]}, 0, 0, 0))
for family in (socket.AF_INET, socket.AF_UNIX):
    try:
        socket.socket(family)
    except OSError as error:
        print(errno.errorcode[error.errno])
{SCENE}"""
    done = render(code)
    assert done.outcome == "completed", done.result
    assert done.log.split() == ["EPERM", "EPERM", "EAFNOSUPPORT", "EAFNOSUPPORT"]
    assert done.result["sandbox"]["tripwires"] == "active"
    # The local socket is what glibc asks for by itself: not counted.
    assert done.result["sandbox"]["tripped"] == {"ptrace": 1, "bpf": 1, "socket": 1}


def test_many_end_the_job() -> None:
    """One that goes on trying is stopped, whatever it makes of the answers."""
    code = f"""{HEAD}
for _ in range(1000):
    met({CALLS["unshare"]}, 0x10000000)
{SCENE}"""
    done = render(code)
    assert done.outcome == "sandbox_violation", done.result
    assert "unshare()" in done.error["message"]
    assert 64 < done.result["sandbox"]["tripped"]["unshare"] <= 1000


def test_children_and_threads_are_counted_too() -> None:
    """The listener is the box's, not the process's."""
    code = f"""{HEAD}
import threading
def attempt(): met({CALLS["ptrace"]}, 0, 0, 0, 0)
threads = [threading.Thread(target=attempt) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
if os.fork() == 0:
    attempt()
    os._exit(0)
os.wait()
{SCENE}"""
    done = render(code)
    assert done.outcome == "completed", done.result
    assert done.result["sandbox"]["tripped"] == {"ptrace": 5}


def test_any_number_when_the_operator_says_so() -> None:
    """0: they are counted and never end a job."""
    code = f"""{HEAD}
for _ in range(1000):
    met({CALLS["ptrace"]}, 0, 0, 0, 0)
{SCENE}"""
    done = render(code, {"tripwires": 0})
    assert done.outcome == "completed", done.result
    assert done.result["sandbox"]["tripped"] == {"ptrace": 1000}


@pytest.mark.parametrize("name", ["shapes", "formulas"])
def test_honest_scenes_trip_over_nothing(name: str) -> None:
    """Manim, TeX and dvisvgm at work."""
    done = render((SCENES / f"{name}.py").read_text())
    assert done.outcome == "completed", done.result
    assert done.result["sandbox"]["tripped"] == {}


def test_the_end_of_the_keeper_ends_who_trips() -> None:
    """It is killed in the midst of it: nothing of the box stays behind in a call.
    (That each call fails by itself then: tests/unit/sandbox/test_tripwire.c.)"""
    code = f"""{HEAD}
import time
os.write(1, b"trying\\n")
while True:
    met({CALLS["ptrace"]}, 0, 0, 0, 0)
"""
    with attempt() as directory:
        write_job(directory, code, {})
        stage = start_stage(directory, tripwires=0)
        while "trying" not in read_text(directory / "log"):
            assert stage.poll() is None
        stage.send_signal(signal.SIGKILL)
        stage.communicate(timeout=30)
        uid = (directory / "scene").stat().st_uid
        while uid and any(owner(path) == uid for path in Path("/proc").glob("[0-9]*")):
            pass  # the warden, told by the end of its socket, empties the box


def owner(path: Path) -> int:
    """Whose process that is; -1 when it has ended."""
    try:
        return path.stat().st_uid
    except OSError:
        return -1
