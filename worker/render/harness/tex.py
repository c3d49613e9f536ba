"""TeX as Manim starts it: bounded, and without the noise of our own settings.

A run has limits of its own: a formula that loops for ever is to be told as
such, with its line, and not as a job that ran too long. At the end of its time
TeX is interrupted first, as by Ctrl-C, since it then writes into its log what
it was reading; LuaTeX in its Lua code does not hear that, and is killed. What
a run started (kpathsea's scripts, that make fonts) does not outlive it.

With `openin_any=p` kpathsea says at every start that it does not read
/dev/null, in words that differ between TeX Live 2022 and 2024: expl3 looks for
that file to tell which system it runs on (l3sys). Nobody can act on it, and
ten formulas would fill the log that a user is shown.
"""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import IO, Any

from manim.utils import tex_file_writing

from . import errors, hints

NOISE = re.compile(rb"Not reading from /dev/null(\.tex)? \(openin_any = p[;)]")
FILE_MAX_BYTES = 64 << 20  # of a run's log, DVI, and whatever it writes besides
SHOWN_CHARS = 100  # of a formula, in the log
WORDS_MAX_BYTES = 64 << 10  # of its standard error, passed on
INTERRUPT_S = 1.0  # between asking it to stop and killing it


@dataclass
class Bounds:
    """What a run of TeX or dvisvgm may use."""

    seconds: float | None = None
    own_group: bool = False  # may it be made the head of a process group


bounds = Bounds()


class TexStopped(ValueError):
    """A run that was stopped; a ValueError, as Manim raises for TeX's own."""

    def __init__(self, why: str, log_path: str) -> None:
        super().__init__(why)
        self.why = why
        self.log_path = log_path


@contextmanager
def file_limit(largest: int) -> Iterator[None]:
    """Programs started meanwhile may write no larger file. Set on ourselves,
    since setting it in the child would cost a fork of the whole interpreter."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    lower = largest if soft == resource.RLIM_INFINITY else min(soft, largest)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lower, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def ended_within(process: subprocess.Popen[bytes], seconds: float | None) -> bool:
    """Waits without the steps that subprocess's own waiting with a limit takes."""
    if seconds is None:
        process.wait()
        return True
    fd = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
    finally:
        os.close(fd)
    process.wait()
    return True


def kill_rest(process: subprocess.Popen[bytes]) -> None:
    """It, if it still runs, and what it started."""
    if process.returncode is None:
        process.kill()
    if bounds.own_group:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nothing is left of it, as should be
    process.wait()


def finish(process: subprocess.Popen[bytes]) -> bool:
    """Until its end; whether that came within its time."""
    try:
        if ended_within(process, bounds.seconds):
            return True
        process.send_signal(signal.SIGINT)
        ended_within(process, INTERRUPT_S)
        return False
    finally:
        kill_rest(process)


def pass_on(words: IO[bytes]) -> None:
    """Its standard error, but for NOISE."""
    words.seek(0)
    lines = words.read(WORDS_MAX_BYTES).splitlines()
    text = b"\n".join(line for line in lines if line and not NOISE.search(line))
    if text:
        sys.stderr.write(text.decode(errors="backslashreplace") + "\n")


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """subprocess.run() within the bounds; TexStopped when it passes them."""
    group = {"process_group": 0} if bounds.own_group else {}
    with tempfile.TemporaryFile() as words:
        with file_limit(FILE_MAX_BYTES):
            process = subprocess.Popen(command, stderr=words, **options, **group)
        in_time = finish(process)
        pass_on(words)
    name, log_path = command[0], os.path.splitext(command[-1])[0] + ".log"
    if not in_time:
        why = f"{name} did not end within {bounds.seconds:g} s (the worker's tex_timeout_s)"
        raise TexStopped(why, log_path)
    if process.returncode == -signal.SIGXFSZ:
        largest = f"{FILE_MAX_BYTES >> 20} MB, or than disk_mb allows"
        raise TexStopped(f"{name} wrote a file larger than {largest}", log_path)
    return subprocess.CompletedProcess(command, process.returncode)


def telling(stock: Any) -> Any:
    """A generate_tex_file() that says in the scene's log, once a formula, when TeX will
    draw another one than was meant, and say nothing."""
    told: set[str] = set()

    def generate_tex_file(expression: str, *args: Any, **options: Any) -> Any:
        hint = hints.of_formula(expression)
        shown = " ".join(errors.without_marks(expression).split())[:SHOWN_CHARS]
        if hint and shown not in told:
            told.add(shown)
            print(f"manimd: {hint} (formula: {shown})", file=sys.stderr)
        return stock(expression, *args, **options)

    return generate_tex_file


def install() -> None:
    """Let Manim start TeX through run(), and look at each formula first."""
    tex_file_writing.generate_tex_file = telling(tex_file_writing.generate_tex_file)
    names = {"run": run, "DEVNULL": subprocess.DEVNULL, "PIPE": subprocess.PIPE}
    tex_file_writing.subprocess = SimpleNamespace(**names)  # type: ignore[assignment]


def bound(milliseconds: int, own_group: bool) -> None:
    """For the job that follows; 0: as long as the job itself."""
    bounds.seconds = milliseconds / 1000 if milliseconds > 0 else None
    bounds.own_group = own_group
