"""How much CPU time a scene gets beyond its limit before it is stopped.

Run by `make bench-box-cpu`. Each way to use it is a scene, alone in a stage whose
processes are all in a control group of their own (cpuacct, of version 1), which
counts what they really used; what the same stage uses with an idle scene is not
the scene's. What is printed is what it got, as a multiple of its limit. The
watch has no such group: it must do with what processes tell of themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "stage"))

from render_tools import attempt, collect, start_stage, write_job  # noqa: E402

GROUPS = Path("/sys/fs/cgroup/cpuacct")
LIMIT_S = 3
#: Above this a row is no bound any more: docs/limits.md.
MOST = 4.0

HEAD = """
import os, signal, time
from manim import *
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
def sh(loops):
    command = ["/bin/sh", "-c", "i=0; while [ $i -lt %d ]; do i=$((i+1)); done" % loops]
    return os.posix_spawn(command[0], command, {})
class Burn(Scene):
    def construct(self):
"""
UNWAITED = "        signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
MOMENTS = """
        while True:
            for pid in [sh(%d) for _ in range(%d)]:
                try:
                    os.waitpid(pid, 0)
                except ChildProcessError:
                    pass
"""
CHILDREN = """
        while True:
            if os.fork() == 0:
                burn(%g)
                os._exit(0)
            time.sleep(%g)
"""
IDLE = HEAD + "        self.wait(0.1)\n"

KINDS = {
    "one process": HEAD + "        burn(1000)\n",
    "children, waited for": HEAD + MOMENTS % (4000, 1),
    "children of 0.4 s, nobody waits": HEAD + UNWAITED + CHILDREN % (0.4, 0.3),
    "children of 60 ms, nobody waits": HEAD + UNWAITED + CHILDREN % (0.06, 0.05),
    "moments of 4000 turns, nobody waits": HEAD + UNWAITED + MOMENTS % (4000, 1),
    "moments of 500 turns, nobody waits": HEAD + UNWAITED + MOMENTS % (500, 1),
    "four moments at a time, nobody waits": HEAD + UNWAITED + MOMENTS % (2000, 4),
}


def run(code: str, number: int) -> tuple[float, str, float]:
    """Seconds of CPU time that the stage's processes used, how it ended, and after how long."""
    group = GROUPS / f"manimd-bench-{os.getpid()}-{number}"
    group.mkdir()
    try:
        with attempt() as directory:
            write_job(directory, code, {"cpu_s": LIMIT_S, "timeout_s": 60})
            begun = time.monotonic()
            shell = ("sh", "-c", f"echo $$ > {group / 'cgroup.procs'} && exec \"$@\"", "sh")
            stage = start_stage(directory, prefix=shell)
            _, stderr = stage.communicate(timeout=120)
            ended = collect(directory, stage.returncode, stderr)
            took = time.monotonic() - begun
        return int((group / "cpuacct.usage").read_text()) / 1e9, ended.outcome, took
    finally:
        group.rmdir()


def measure(turns: int) -> tuple[list[dict[str, object]], bool]:
    """A row for each kind, and whether all are within MOST."""
    numbers = iter(range(10**6))
    idle = [run(IDLE, next(numbers)) for _ in range(3)]
    assert all(outcome == "completed" for _, outcome, _ in idle), idle
    rest = statistics.median(used for used, _, _ in idle)
    print(f"idle: the stage uses {rest:.2f} s")
    rows: list[dict[str, object]] = []
    well = True
    for kind, code in KINDS.items():
        seen = [run(code, next(numbers)) for _ in range(turns)]
        times = sorted((used - rest) / LIMIT_S for used, _, _ in seen)
        good = times[-1] <= MOST and all(outcome == "cpu_limit" for _, outcome, _ in seen)
        well &= good
        outcomes = sorted({outcome for _, outcome, _ in seen})
        rows.append({"kind": kind, "times": [round(one, 2) for one in times], "outcomes": outcomes})
        print(f"{'ok  ' if good else 'FAIL'} {kind:38} {' '.join(outcomes):12} {times[0]:.2f} to "
              f"{times[-1]:.2f} times its limit, {max(took for _, _, took in seen):.1f} s", flush=True)  # fmt: skip
    return rows, well


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "box_cpu.json")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not os.access(GROUPS / "cpuacct.usage", os.R_OK):
        print(f"not applicable: a CPU accounting group of version 1: {GROUPS} is not there for us")
        return 0
    print(f"limit {LIMIT_S} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    rows, well = measure(arguments.turns)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"limit_s": LIMIT_S, "kinds": rows}))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
