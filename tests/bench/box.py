"""What the box costs, in time: `make bench-box`.

    python tests/bench/box.py             everything
    python tests/bench/box.py --only seal cold empty share

Four benchmarks, each a line of JSON for each figure with the goal beside it
(build/bench/box.json, plots beside it). Times depend on the machine and on what
else it does: so the load is told with them, and nothing fails.

seal   request -> sealed, from a warm zygote: the job socket is lent and the
       start message sent at once; ends when the scene process says "sealed".
cold   request -> exec of a boxed `true` from a small process: plan, fork, seal.
empty  box_empty() on a fork bomb of 400 processes, by uid and by process group.
share  the same scenes with the box (standard) and without any (a worker whose
       probe says that there is none), from a warm zygote, hard upon each other: by
       CPU time and by the time that passes, each with the interval that it lies in
       and with what two without a box differ by; and the CPU time that the keeper
       takes more with it: its own, and with that of those who help it to look,
       while a scene sleeps. If others work on the machine, under `chrt -r 20`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / os.environ.get("MANIMD_BUILD", "build")
OUT = ROOT / "build" / "bench"
sys.path[:0] = [str(HERE)]

import plot  # noqa: E402

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
STANDARD = 2
START_FDS = 6
MESSAGE_BYTES = 4096
BOMB = 400
SPARE_READY_S = 0.2  # twice of what harness/zygote.py waits for
RESAMPLINGS = 2000
SCENES = {"opening": 1, "warp": 1, "surface": 3}  # each with what its rounds are divided by

#: Nothing to draw and nothing to encode: what is used meanwhile is the watch's.
ASLEEP = """
import time
from manim import *
class Asleep(Scene):
    def construct(self):
        self.wait(0.1)
        time.sleep(3)
"""

figures: list[dict[str, Any]] = []


def figure(name: str, values: Sequence[float], unit: str, goal: float | None = None, by: str = "p95") -> None:
    """One line: median, 95th percentile and largest of what was measured; `by` which of them
    the goal is kept."""
    ordered = sorted(values)
    line: dict[str, Any] = {
        "figure": name,
        "unit": unit,
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 3),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
        "max": round(ordered[-1], 3),
        "load": round(os.getloadavg()[0], 2),
    }
    if goal is not None:
        line.update(goal=goal, kept=line[by] <= goal)
    figures.append(line)
    print(json.dumps(line), flush=True)


def slot_uid() -> int:
    """A uid for a box (root), or 0: level basic."""
    return (1 << 30) + random.randrange(1 << 29) if os.geteuid() == 0 else 0


def now_us() -> int:
    """The clock that the extension reads, too."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Zygote:
    """A warm interpreter, spoken to as the worker does (harness/zygote.py)."""

    def __init__(self, *ahead: str) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.python = sys.executable
        program = ROOT / "worker" / "render" / "harness" / "zygote.py"
        native = BUILD / "harness" / "_manimd.so"
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            fd = str(theirs.fileno())
            command = [self.python, "-P", "-s", "-B", str(program), fd, str(native), *ahead]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=ENVIRONMENT)
        about = self.control.recv(MESSAGE_BYTES)
        assert json.loads(about)["ready"], about

    def lend(self) -> socket.socket:
        """A job socket, whose other end a warden has."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self.control, [b"j"], [theirs.fileno()])
        return ours

    def stop(self) -> None:
        """End it."""
        self.control.close()
        self.process.wait()


@contextmanager
def zygote(*ahead: str) -> Iterator[Zygote]:
    """One that is ended; `ahead`: what it forks before it is asked to."""
    one = Zygote(*ahead)
    try:
        yield one
    finally:
        one.stop()


@contextmanager
def attempt(uid: int) -> Iterator[Path]:
    """A directory that the sandbox's uids can pass through, with one of theirs."""
    with tempfile.TemporaryDirectory(prefix="manimd-bench-") as name:
        path = Path(name)
        path.chmod(0o711)
        (path / "scene").mkdir(mode=0o700)
        if uid:
            os.chown(path / "scene", uid, uid)
        yield path


def start_message(directory: Path, uid: int, namespaces: bool) -> bytes:
    """As render/keeper_start.c writes it."""
    limits = {"wall_ms": 60000, "cpu_ms": 60000, "memory_bytes": 2 << 30, "disk_bytes": 1 << 30, "processes": 64}
    picture = {"width": 256, "height": 144, "fps_num": 10, "fps_den": 1, "transparent": False, "background": ""}
    start = {
        **{"dir": str(directory / "scene"), "level": STANDARD if uid else 1, "uid": uid, "gid": uid},
        **{"limits": limits, "picture": picture, "outputs": ["mp4"], "seed": 0, "sections": False},
        "namespaces": int(namespaces),
        "cgroup": "",
        "gpu": 0,
        **{"scene": None, "script_dir": None, "script_path": None},
    }
    return json.dumps(start).encode()


def hear(job: socket.socket) -> Iterator[tuple[int, dict[str, Any]]]:
    """The warden's and the scene's messages, each with when it came."""
    while data := job.recv(MESSAGE_BYTES):
        yield now_us(), json.loads(data)


def seal_once(z: Zygote, uid: int, namespaces: bool) -> dict[str, float]:
    """The steps of one start, in ms. The scene is an empty file: it ends at once."""
    with attempt(uid) as directory, open(os.devnull, "r+b") as null:
        start = start_message(directory, uid, namespaces)
        began = now_us()
        with z.lend() as job:
            socket.send_fds(job, [start], [null.fileno()] * START_FDS)
            steps: dict[str, float] = {}
            for came, message in hear(job):
                if "warden" in message:
                    steps["warden"] = (came - began) / 1000
                if "sealed" in message:
                    in_scene, planned, sealed = message["us"]
                    steps["scene"] = (in_scene - began) / 1000 - steps["warden"]
                    steps["plan"] = (planned - in_scene) / 1000
                    steps["seal"] = (sealed - planned) / 1000
                    steps["total"] = (sealed - began) / 1000
                assert "setup_failed" not in message, message
        return steps


def rss_mib(pid: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


def seal_kinds() -> list[tuple[str, float, bool]]:
    """Names, pauses between jobs, and whether the box has namespaces (where they can be had)."""
    kinds = [("seal", SPARE_READY_S, False), ("seal.burst", 0.0, False)]
    command = ["doctor", "--json"]
    said = subprocess.run([str(BUILD / "manimd"), *command], capture_output=True, text=True, check=False)
    if json.loads(said.stdout).get("box.namespaces", {}).get("state") == "ok":
        kinds.append(("seal.namespaces", SPARE_READY_S, True))
    return kinds


def bench_seal(jobs: int) -> None:
    """Request to sealed child, split: after a pause, as a job mostly comes, and
    hard upon another, when no warden stands ready yet."""
    uid = slot_uid()
    for name, pause_s, namespaces in seal_kinds():
        with zygote("spare", *["namespaces"] * namespaces) as z:
            turns = []
            for _ in range(jobs):
                time.sleep(pause_s)
                turns.append(seal_once(z, uid, namespaces))
            for step in ("warden", "scene", "plan", "seal"):
                figure(f"{name}.{step}", [turn[step] for turn in turns], "ms")
            totals = [turn["total"] for turn in turns]
            figure(f"{name}.total", totals, "ms", goal=10)
            plot.distribution(OUT / f"box_{name}.svg", "request to sealed, from a warm zygote", totals, "ms", 10)
            figure(f"{name}.zygote_rss", [rss_mib(z.process.pid)], "MiB")


def helper(*arguments: object) -> list[dict[str, float]]:
    """box_bench.c's lines."""
    command = [str(BUILD / "bench" / "box-bench"), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def bench_cold(turns: int) -> None:
    """Request to exec, without a zygote, and what each layer takes of it."""
    uid = slot_uid()
    lines = helper("cold", turns, uid)
    figure("cold.plan", [line["plan_us"] / 1000 for line in lines], "ms")
    figure("cold.fork_seal_exec", [line["exec_us"] / 1000 for line in lines], "ms")
    totals = [line["total_us"] / 1000 for line in lines]
    figure("cold.total", totals, "ms", goal=3)
    plot.distribution(OUT / "box_cold.svg", "request to exec of a boxed program", totals, "ms", 3)
    lines = helper("layers", turns, uid)
    for layer in lines[0]:
        figure(f"layer.{layer}", [line[layer] / 1000 for line in lines], "ms")


def bench_empty(turns: int) -> None:
    """Kill to empty."""
    kinds = [("uid", slot_uid())] if os.geteuid() == 0 else []
    for name, uid in [*kinds, ("group", 0)]:
        lines = helper("empty", turns, uid, BOMB)
        figure(f"empty.{name}", [line["empty_us"] / 1e6 for line in lines], "s", goal=0.6, by="max")


@dataclass(frozen=True)
class Render:
    """What one cost, in seconds."""

    wall: float
    cpu: float  # of all: the scene and what it started, the encoder, the keeper and its helpers
    keeper_cpu: float  # the keeper's own
    stage_cpu: float  # and of what it started: encoder and helpers


class Renders:
    """The same scene in its box and without any, from one warm interpreter (which has
    no process ready for either)."""

    def __init__(self, z: Zygote) -> None:
        self.zygote = z
        self.described = ""  # the box, as a worker tells its stages: they need not probe

    def environment(self, level: str, job_fd: int) -> dict[str, str]:
        """What the worker would tell the stage."""
        env = {**ENVIRONMENT, "MANIMD_SANDBOX": level, "MANIMD_STAGE_ZYGOTE_FD": str(job_fd)}
        env.update(MANIMD_LOG_LEVEL="error", MANIMD_ENCODER=str(BUILD / "manimd-encode"))
        if level == "none":
            env.update(MANIMD_STAGE_SCENE_UID="0", MANIMD_STAGE_ENCODER_UID="0")
        elif self.described:
            env["MANIMD_STAGE_SANDBOX"] = self.described
        return env

    def render(self, code: str, level: str) -> Render:
        """One job by the render stage."""
        program = BUILD / ("manimd" if level == "standard" else "manimd-open")
        with tempfile.TemporaryDirectory(prefix="manimd-bench-") as name, self.zygote.lend() as job:
            directory = Path(name)
            directory.chmod(0o711)
            size = {"width": 854, "height": 480, "fps": 30}
            (directory / "job.json").write_text(json.dumps({"id": "b", "code": code, **size}))
            fd = job.fileno()
            began = time.monotonic()
            stage = subprocess.Popen(
                [str(program), "stage", "render", name], env=self.environment(level, fd), pass_fds=[fd]
            )
            os.waitid(os.P_PID, stage.pid, os.WEXITED | os.WNOWAIT)
            wall = time.monotonic() - began
            keeper = int(Path(f"/proc/{stage.pid}/schedstat").read_text().split()[0]) / 1e9
            _, status, used = os.wait4(stage.pid, 0)
            stage.returncode = os.waitstatus_to_exitcode(status)
            result = json.loads((directory / "render.json").read_text())
            assert stage.returncode == 0 and result["sandbox"]["level"] == level, result
            if level == "standard":
                self.described = json.dumps({key: result["sandbox"][key] for key in ("level", "layers")})
        stage_cpu = used.ru_utime + used.ru_stime
        return Render(wall, stage_cpu + result["cpu_ms"] / 1000, keeper, stage_cpu)


Pairs = dict[str, list[float]]  # by scene: percent that one of two cost more than the other


def middle(pairs: Pairs) -> float:
    """The mean over the scenes of the median over the pairs of each."""
    return statistics.fmean(statistics.median(values) for values in pairs.values())


def share_figure(name: str, pairs: Pairs, goal: float | None = None) -> None:
    """With the interval that 95 of 100 resamplings of the pairs lie in; a goal is kept
    when all of it is below."""
    draw = random.Random(1)
    again = sorted(
        middle({scene: draw.choices(values, k=len(values)) for scene, values in pairs.items()})
        for _ in range(RESAMPLINGS)
    )
    low, high = again[RESAMPLINGS // 40], again[-1 - RESAMPLINGS // 40]
    line: dict[str, Any] = {"figure": name, "unit": "%", "n": sum(map(len, pairs.values()))}
    line.update(p50=round(middle(pairs), 2), low=round(low, 2), high=round(high, 2))
    line["load"] = round(os.getloadavg()[0], 2)
    if goal is not None:
        line.update(goal=goal, kept=high <= goal)
    figures.append(line)
    print(json.dumps(line), flush=True)


def trios(renders: Renders, code: str, rounds: int) -> dict[str, list[Render]]:
    """Boxed, bare and bare again, hard upon each other, in every order; the two bare ones
    say what this machine takes for a difference that is none."""
    sides = ("boxed", "bare", "again")
    orders = list(itertools.permutations(sides))
    made: dict[str, list[Render]] = {side: [] for side in sides}
    for turn in range(rounds):
        for side in orders[turn % len(orders)]:
            made[side].append(renders.render(code, "standard" if side == "boxed" else "none"))
    return made


def more(of: list[Render], than: list[Render], what: str) -> list[float]:
    """Percent, pair by pair."""
    return [100 * (getattr(a, what) / getattr(b, what) - 1) for a, b in zip(of, than, strict=True)]


def bench_share(rounds: int) -> None:
    """The part of a render that goes to the box: by CPU time, which a busy machine changes
    little, and by the time that passes."""
    scenes = {name: (HERE / "scenes" / f"{name}.py").read_text() for name in SCENES}
    made: dict[str, dict[str, list[Render]]] = {}
    with zygote() as z:
        renders = Renders(z)
        for code in scenes.values():
            trios(renders, code, 1)  # while caches are cold
        for scene, code in scenes.items():
            made[scene] = trios(renders, code, rounds // SCENES[scene])
        asleep = trios(renders, ASLEEP, 3)
    for what in ("cpu", "wall"):
        for scene, of in made.items():
            share_figure(f"share.{what}.{scene}", {scene: more(of["boxed"], of["bare"], what)})
        share_figure(f"share.{what}.no_difference", {s: more(of["again"], of["bare"], what) for s, of in made.items()})
        # Against both: the noise of the one side is less then.
        both = {s: more(of["boxed"] * 2, of["bare"] + of["again"], what) for s, of in made.items()}
        share_figure(f"share.{what}", both, goal=2)
    for scene, of in made.items():
        keeper = [100 * (a.keeper_cpu - b.keeper_cpu) / a.wall for a, b in zip(of["boxed"], of["bare"], strict=True)]
        figure(f"share.keeper_cpu.{scene}", keeper, "% of one core", goal=2)
    watch = [100 * (a.stage_cpu - b.stage_cpu) / a.wall for a, b in zip(asleep["boxed"], asleep["bare"], strict=True)]
    figure("share.watch_cpu", watch, "% of one core", goal=2)
    walls = {s: [statistics.median(r.wall for r in of[side]) for side in ("boxed", "bare")] for s, of in made.items()}
    rows = [(scene, boxed, bare) for scene, (boxed, bare) in walls.items()]
    plot.pairs(OUT / "box_share.svg", "a render's seconds", rows, "s", "blue: in its box    grey: without any")


BENCHES = {
    "seal": (bench_seal, 50),
    "cold": (bench_cold, 50),
    "empty": (bench_empty, 50),
    "share": (bench_share, 18),
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--turns", type=int, help="instead of each benchmark's own number")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        bench, turns = BENCHES[name]
        bench(arguments.turns or turns)
    (OUT / "box.json").write_text("".join(json.dumps(line) + "\n" for line in figures), encoding="utf-8")


if __name__ == "__main__":
    main()
