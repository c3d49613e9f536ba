"""The figures that manimd promises, measured in one run against stock Manim.

    python tests/bench/bench.py            everything, at full length
    python tests/bench/bench.py --check    the bounded part: small scenes, short waits
    python tests/bench/bench.py --only whole --scene warp --full-size

Each benchmark prints its figures and the bounds that they must keep; numbers go
to build/bench/NAME.json and plots to build/bench/NAME.svg. Exit 1 when a bound
is broken. Compared things alternate in one run, and medians are compared, so
that only ratios count and the machine's mood falls out. What remains of that
mood is no reason for a test to fail: with --check, figures that are times are
shown with their bounds, but only memory, commands and frames can break one.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(HERE)]

import plot  # noqa: E402
import stock  # noqa: E402
from house import MANIMD, QUEUE, TINY, Queue, Redis, Worker, environment, short_directory, until  # noqa: E402

OUT = ROOT / "build" / "bench"
SMALL, FULL = (256, 144, 10), (1280, 720, 30)


@dataclass
class Report:
    """What a benchmark found."""

    name: str
    judges_time: bool = True
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def bound_time(self, what: str, value: float, most: float, unit: str) -> None:
        """As bound(), for a figure made of times."""
        self.bound(what, value, most, unit, self.judges_time)

    def bound(self, what: str, value: float, most: float, unit: str, judged: bool = True) -> None:
        """Note a figure, and whether it keeps its bound."""
        kept = value <= most
        word = "" if kept else "  BROKEN" if judged else "  beyond it now: see a quiet machine"
        print(f"  {what}: {value:.3g} {unit} (at most {most:g}){word}", flush=True)
        if not kept and judged:
            self.broken.append(f"{self.name}: {what} is {value:.3g} {unit}, at most {most:g} wanted")

    def save(self) -> None:
        """Write it down."""
        OUT.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"figures": self.figures, "broken": self.broken}, indent=2)
        (OUT / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Scene:
    """A file of the corpus with its one scene, and the size to draw it at."""

    path: Path
    name: str
    width: int
    height: int
    fps: int

    @classmethod
    def load(cls, path: Path, full: bool) -> Scene:
        """Read its name, and a size of its own when its text names one."""
        text = path.read_text(encoding="utf-8")
        name = re.findall(r"^class (\w+)", text, re.M)[-1]
        width, height, fps = FULL if full else SMALL
        if own := re.search(r"^size: (\d+)x(\d+)$", text, re.M):
            scale = 1 if full else 2
            width, height = int(own[1]) // scale, int(own[2]) // scale
            width, height = width - width % 2, height - height % 2
        return cls(path, name, width, height, fps)

    @property
    def size(self) -> dict[str, int]:
        """As a job's fields."""
        return {"width": self.width, "height": self.height, "fps": self.fps}


@dataclass(frozen=True)
class Plan:
    """How long and how much."""

    check: bool
    scenes: tuple[Scene, ...]

    @property
    def idle_s(self) -> float:
        """How long an idle worker is watched."""
        return 30

    @property
    def pushes(self) -> int:
        """How many times push to claimed is measured."""
        return 100 if self.check else 300

    @property
    def rounds(self) -> int:
        """How many times a scene is rendered on each side."""
        return 3 if self.check else 5


def rss_kb(pid: int) -> int:
    """Resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]


def pss_kb(pid: int) -> int:
    """Resident memory, shared pages shared out."""
    try:
        return int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])  # type: ignore[index]
    except (FileNotFoundError, ProcessLookupError):
        return 0


class Stand:
    """A private Redis, and workers on it, for one benchmark."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.redis = Redis(directory / "redis")
        self.redis.start()
        self.queue = Queue(self.redis)
        self.workers: list[Worker] = []

    def worker(self, **options: Any) -> Worker:
        """Start one and wait until it is ready and has served one job."""
        worker = Worker(self.redis, self.directory / f"w{len(self.workers)}", options, {})
        self.workers.append(worker)
        worker.ready()
        assert self.queue.run()["outcome"] == "completed"
        return worker

    def stop(self) -> None:
        """Stop all."""
        for worker in self.workers:
            worker.stop()
        self.redis.stop()


def with_stand(measure: Callable[[Stand, Plan, Report], None]) -> Callable[[Plan, Report], None]:
    """Give a benchmark its stand."""

    @functools.wraps(measure)
    def run(plan: Plan, report: Report) -> None:
        with short_directory() as directory:
            stand = Stand(directory)
            try:
                measure(stand, plan, report)
            finally:
                stand.stop()

    return run


# ── (a) doing nothing costs nothing ───────────────────────────────────────


def idle(stand: Stand, plan: Plan, report: Report) -> None:
    """Memory of the supervisor and of its interpreters; Redis commands a second."""
    from house import descendants

    worker = stand.worker(slots=2)
    with stand.redis.connect() as db:

        def commands() -> int:
            return int(re.search(r"total_commands_processed:(\d+)", db("INFO", "stats"))[1])  # type: ignore[index]

        threading.Event().wait(3)  # what the last job left to do
        ticks = sum(map(int, Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        before, began = commands(), time.monotonic()
        threading.Event().wait(plan.idle_s)
        rate = (commands() - before - 1) / (time.monotonic() - began)
        spent = sum(map(int, Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) - ticks
    beside = descendants(worker.pid)
    others: list[dict[str, Any]] = [{"command": c, "rss_kb": rss_kb(p), "pss_kb": pss_kb(p)} for p, c in beside.items()]
    report.figures = {"supervisor_rss_kb": rss_kb(worker.pid), "supervisor_pss_kb": pss_kb(worker.pid)}
    report.figures |= {"commands_per_s": rate, "cpu_ticks": spent, "idle_s": plan.idle_s, "others": others}
    report.bound("supervisor", rss_kb(worker.pid) / 1024, 12, "MiB RSS")
    report.bound("Redis", rate, 1, "commands a second")
    for other in others:
        print(f"  beside it: {other['rss_kb'] / 1024:.0f} MiB RSS, {other['pss_kb'] / 1024:.0f} PSS: {other['command'][:60]}")
    print(f"  CPU: {spent} ticks in {plan.idle_s:g} s")


# ── (b) a pushed job is taken at once ─────────────────────────────────────


def claim(stand: Stand, plan: Plan, report: Report) -> None:
    """From before LPUSH to the event `active`, one job at a time, by the clock of this host.

    The worker is seen to be idle before each push: it blocks at the inbox."""
    stand.worker(slots=1)
    waits: list[float] = []
    refused = "raise SystemExit\n"
    with stand.redis.connect() as db, stand.redis.connect() as listener:
        last = db("XREVRANGE", f"{QUEUE}:ev", "+", "-", "COUNT", 1)[0][0]
        for number in range(plan.pushes):
            job = json.dumps({"id": f"c{number}", "code": refused} | TINY)
            until("the worker waits at the inbox", lambda: "\r\nblocked_clients:1\r\n" in db("INFO", "clients"))
            threading.Event().wait(random.uniform(0.05, 0.15))  # people do not push in step with us
            listener.send("XREAD", "BLOCK", 60000, "STREAMS", f"{QUEUE}:ev", last)
            began = time.perf_counter()
            db("LPUSH", f"{QUEUE}:in", job)
            taken = ended = False
            while not ended:
                for last, fields in listener.read()[0][1]:
                    event = dict(zip(fields[::2], fields[1::2], strict=True))
                    if event["event"] == "active" and not taken:
                        waits.append((time.perf_counter() - began) * 1000)
                        taken = True
                    ended = ended or event["event"] == "failed"
                if not ended:
                    listener.send("XREAD", "BLOCK", 60000, "STREAMS", f"{QUEUE}:ev", last)
    ordered = sorted(waits)
    report.figures = {"push_to_claimed_ms": ordered, "p50": statistics.median(ordered), "p99": ordered[len(ordered) * 99 // 100]}
    report.bound_time(f"push to claimed, p50 of {len(ordered)}", report.figures["p50"], 5, "ms")
    print(f"  p99: {report.figures['p99']:.2f} ms")
    plot.distribution(OUT / "claim.svg", "push to claimed, ms", ordered, "ms", 5)


# ── (c) every frame is stock's ────────────────────────────────────────────


def stock_command(scene: Scene, media: Path) -> list[str]:
    """`manim render` of a scene, as users run it but for caching."""
    command = ["render", "--silent", "--verbosity", "ERROR", "--progress_bar", "none", "--disable_caching", "--seed", "0"]
    command += ["-r", f"{scene.width},{scene.height}", "--fps", str(scene.fps), "--media_dir", str(media)]
    return [*command, str(scene.path), scene.name]


def job_of(scene: Scene) -> dict[str, Any]:
    """A scene as a job."""
    return {"code": scene.path.read_text(encoding="utf-8"), "scene": scene.name} | scene.size


def frames_of_ours(scene: Scene, directory: Path) -> list[str]:
    """The frame log of `manimd render`, a hash for each frame shown."""
    log = directory / "ours.log"
    command = [str(MANIMD), "render", str(scene.path), scene.name, "-o", str(directory / "ours.mp4")]
    command += ["--width", str(scene.width), "--height", str(scene.height), "--fps", str(scene.fps)]
    subprocess.run([*command, "--frame-log", str(log)], check=True, capture_output=True, env=environment())
    rows = [line.split() for line in log.read_text().splitlines()]
    return [digest for _, repeat, digest in rows for _ in range(int(repeat))]


def frames_of_stock(scene: Scene, directory: Path) -> list[str]:
    """What stock handed to its own writer, a hash for each frame shown."""
    log = directory / "stock.log"
    command = [sys.executable, str(HERE / "stock.py"), str(log), *stock_command(scene, directory / "media")]
    command.remove("render")
    subprocess.run(command, check=True, capture_output=True, env=stock.oracle_environment(), cwd=directory)
    rows = [line.split() for line in log.read_text().splitlines()]
    return [digest for repeat, digest in rows for _ in range(int(repeat))]


def frames(plan: Plan, report: Report) -> None:
    """The frame list of every scene of the corpus against stock classes."""
    for scene in plan.scenes:
        with short_directory() as directory:
            directory.chmod(0o755)
            try:
                ours, theirs = frames_of_ours(scene, directory), frames_of_stock(scene, directory)
            except subprocess.CalledProcessError as error:
                report.broken.append(f"frames: {scene.name}: {error.stderr.decode(errors='replace')[-800:]}")
                print(f"  {scene.name}: could not be rendered  BROKEN")
                continue
        differ = [i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]]
        same = ours == theirs and len(ours) > 0
        report.figures[scene.name] = {"frames": len(theirs), "ours": len(ours), "differ": differ[:20]}
        print(f"  {scene.name}: {len(ours)} frames, stock {len(theirs)}, {len(differ)} differ{'' if same else '  BROKEN'}", flush=True)
        if not same:
            report.broken.append(f"frames: {scene.name}: {len(ours)} frames, stock {len(theirs)}, {len(differ)} differ")


# ── (d) no scene is slower ────────────────────────────────────────────────


def whole(stand: Stand, plan: Plan, report: Report) -> None:
    """Push to result against `manim render`, by turns."""
    stand.worker(slots=1)
    rows = []
    for scene in plan.scenes:
        ours, theirs = [], []
        for _ in range(plan.rounds):
            began = time.perf_counter()
            result = stand.queue.result(stand.queue.push(**job_of(scene)), 600)
            ours.append(time.perf_counter() - began)
            if result["outcome"] != "completed":
                report.broken.append(f"whole: {scene.name}: {result['outcome']}: {result['error']}")
                break
            media = stand.directory / "media"
            began = time.perf_counter()
            command = [sys.executable, "-m", "manim", *stock_command(scene, media)]
            subprocess.run(command, check=True, capture_output=True, cwd=stand.directory, env=os.environ | {"PYTHONHASHSEED": "0"})
            theirs.append(time.perf_counter() - began)
            shutil.rmtree(media)
        if not theirs:
            continue
        mine, other = statistics.median(ours), statistics.median(theirs)
        rows.append((scene.name, mine, other))
        report.figures[scene.name] = {"manimd_s": ours, "stock_s": theirs, "ratio": other / mine}
        report.bound_time(f"{scene.name}: {mine:.2f} s, stock {other:.2f} s, of stock's time", mine / other, 1, "")
    plot.pairs(OUT / "whole.svg", "whole job, median seconds: push to result, against `manim render`", rows, "s")
    if rows:
        report.figures["geometric_mean_ratio"] = statistics.geometric_mean(o / m for _, m, o in rows)
        print(f"  {report.figures['geometric_mean_ratio']:.2f} times as fast as stock (geometric mean)")


BENCHMARKS: dict[str, Callable[[Plan, Report], None]] = {
    "idle": with_stand(idle),
    "claim": with_stand(claim),
    "frames": frames,
    "whole": with_stand(whole),
}


def arguments() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(description="Measures what manimd promises.")
    parser.add_argument("--check", action="store_true", help="the bounded part, with small scenes")
    parser.add_argument("--full-size", action="store_true", help="scenes at 720p30 instead of 144p10")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this benchmark (may be repeated)")
    parser.add_argument("--scene", action="append", default=[], help="this scene's file, without .py (may be repeated)")
    return parser.parse_args()


def main() -> int:
    """Run them one after the other."""
    given = arguments()
    files = sorted((HERE / "scenes").glob("*.py"))
    chosen = [path for path in files if not given.scene or path.stem in given.scene]
    full = given.full_size or not given.check
    plan = Plan(given.check, tuple(Scene.load(path, full) for path in chosen))
    OUT.mkdir(parents=True, exist_ok=True)
    broken: list[str] = []
    for name in given.only or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name].__doc__}", flush=True)
        report = Report(name, judges_time=not given.check)
        BENCHMARKS[name](plan, report)
        report.save()
        broken += report.broken
    for sentence in broken:
        print(f"broken: {sentence}")
    print(f"numbers and plots are in {OUT.relative_to(ROOT)}; {len(broken)} bounds broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
