"""The queue beside other queues: throughput, latency and idle cost, in one run.

    python tests/bench/queue_bench.py                with BullMQ, RQ and Celery (peers/setup)
    python tests/bench/queue_bench.py --check        ours alone, bounded; judges behaviour, not time
    python tests/bench/queue_bench.py --only drain --rounds 3 --system manimd --jobs 2000

What is measured and how is in queue.md. Compared things alternate in one run,
and medians over the rounds are compared. Numbers go to build/bench/queue.json
(--json prints them too), the plot to build/bench/queue.png. Exit 1 when a bound
is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import queue_peers as peers
import queue_plot
from queue_peers import ROOT, Place, Server, System, working

from house import QUEUE, descendants, short_directory, until, wait_exit  # isort: skip
from resp import Resp  # isort: skip

OUT = ROOT / "build" / "bench"
WARM = 20  # pushes that are not counted
RTT_US = 1000
SETTLE_S = 5.0


@dataclass
class Plan:
    """What is measured, and how much."""

    build: Path
    rounds: int
    jobs: int
    pushes: int
    idle_s: float
    drained: list[System]
    timed: list[System]
    slow: list[System]  # those timed through the proxy as well
    said: Callable[[str], None]
    seed: int


@dataclass
class Figures:
    """What was seen: a list per system, an entry per round."""

    jobs_per_s: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    latency_ms: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    slow_ms: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    idle: dict[str, dict[str, float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


# ── how many jobs a second ────────────────────────────────────────────────


def fill(system: System, plan: Plan, directory: Path) -> Path:
    """A Redis's directory with the jobs in it, to be copied for each round."""
    place = Place(plan.build, directory)
    server = Server(directory / f"full-{len(list(directory.glob('full-*')))}")
    place.port = server.port
    began = time.monotonic()
    system.fill(place, plan.jobs)
    plan.said(f"{system.kind}: {plan.jobs} jobs pushed in {time.monotonic() - began:.1f} s")
    server.stop()
    return server.directory


def drain(system: System, plan: Plan, full: Path, figures: Figures) -> float:
    """Jobs a second, from the first that is seen to have ended to the last."""
    wanted = min(plan.jobs, system.most)
    with short_directory() as directory, ExitStack() as ends:
        shutil.copytree(full, directory / "redis")
        server = Server(directory / "redis")
        ends.callback(server.stop)
        place = Place(plan.build, directory, server.port)
        db = ends.enter_context(server.connect())
        with working(system, place) as process:
            first, at, last = 0, 0.0, time.monotonic()
            seen = 0
            while seen < wanted:
                time.sleep(0.004)
                now, before = time.monotonic(), seen
                seen = system.done(db, plan.jobs)
                if seen > before:
                    last = now
                if seen and not first:
                    first, at = seen, now
                if now - last > 60:
                    figures.wrong.append(f"{system.name}: {seen} of {plan.jobs} jobs have ended, and nothing for a minute")
                    return 0.0
            spent = {"worker": ticks(tree(process.pid)), "redis": ticks([server.process.pid])}
            each = {name: t * 1e6 / os.sysconf("SC_CLK_TCK") / seen for name, t in spent.items()}
            figures.cpu_us.setdefault(system.name, []).append(each)
        if system.kind == "manimd":
            figures.wrong += [f"{system.name}: {words}" for words in unlike(db, plan.jobs)]
    return (seen - first) / (last - at) if last > at else 0.0


def unlike(db: Resp, jobs: int) -> list[str]:
    """Whether each of our jobs was admitted, lent and ended once, and nothing is left over."""
    stats = db.table("HGETALL", f"{QUEUE}:stats")
    found = {name: stats.get(name) for name in ("queued", "active", "completed")}
    wrong = [f"{name} {count} times, not {jobs}" for name, count in found.items() if count != str(jobs)]
    wrong += [f'counted as "{name}"' for name in stats if name not in found]
    left = {name: db(how, f"{QUEUE}:{name}") for name, how in (("ready", "ZCARD"), ("active", "ZCARD"), ("delayed", "ZCARD"))}
    left["in"] = sum(text != "!" for text in db("LRANGE", f"{QUEUE}:in", 0, -1))
    wrong += [f"{count} left in {name}" for name, count in left.items() if count]
    if (done := db("ZCARD", f"{QUEUE}:done")) != min(jobs, 10000):
        wrong.append(f"{done} in done, not {jobs}")
    for number in range(0, jobs, max(1, jobs // 100)):
        job = db.table("HGETALL", f"{QUEUE}:job:job-{number}")
        if job.get("state") != "completed" or job.get("attempt") != "1" or "token" in job:
            wrong.append(f"job-{number} is {job}")
    return wrong


def drains(plan: Plan, figures: Figures) -> None:
    """All systems by turns, each from the same preloaded Redis."""
    with short_directory() as directory:
        full: dict[str, Path] = {}
        for system in plan.drained:
            if system.kind not in full:
                full[system.kind] = fill(system, plan, directory)
        for number in range(plan.rounds):
            for system in plan.drained:
                rate = drain(system, plan, full[system.kind], figures)
                figures.jobs_per_s.setdefault(system.name, []).append(rate)
                cpu = ", ".join(f"{k} {v:.0f}" for k, v in figures.cpu_us[system.name][-1].items())
                plan.said(f"round {number + 1}: {system.name}: {rate:.0f} jobs/s, CPU us per job: {cpu}")


# ── how soon a job is begun ───────────────────────────────────────────────


def percentiles(values: list[float]) -> dict[str, float]:
    """The usual three, and the worst."""
    ordered = sorted(values)
    at = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * p))] for name, p in at.items()} | {"max": ordered[-1]}


def waits(system: System, plan: Plan, gaps: list[float], slow: bool) -> list[float]:
    """Milliseconds from before the push to the handler's first line, one job at a time."""
    with short_directory() as directory, ExitStack() as ends:
        server = Server(directory / "redis")
        ends.callback(server.stop)
        pushed = place = Place(plan.build, directory, server.port)
        if slow:
            proxy = subprocess.Popen([plan.build / "slow_proxy", str(server.port), str(RTT_US // 2)], stdout=subprocess.PIPE)
            ends.callback(wait_exit, proxy)
            ends.callback(proxy.kill)
            assert proxy.stdout
            place = Place(plan.build, directory, int(proxy.stdout.readline()))
            proxy.stdout.close()
        starts = directory / "starts"
        starts.touch()
        with working(system, place, starts, wait=True):
            producer = system.pace(pushed, gaps)
            assert wait_exit(producer, 120) == 0, (directory / "producer.log").read_text()
            until(f"{system.name} has begun all", lambda: starts.read_bytes().count(b"\n") >= len(gaps), 20)
        rows = [line.split() for line in starts.read_text().splitlines()]
        return [(int(begun) - int(pushed_ns)) / 1e6 for pushed_ns, begun in rows[WARM:]]


def latencies(plan: Plan, figures: Figures) -> None:
    """All systems by turns, with the same gaps between pushes."""
    for number in range(plan.rounds):
        chance = random.Random(plan.seed + number)
        gaps = [round(chance.uniform(10, 20), 3) for _ in range(plan.pushes + WARM)]
        for slow, systems, into in ((False, plan.timed, figures.latency_ms), (True, plan.slow, figures.slow_ms)):
            for system in systems:
                seen = percentiles(waits(system, plan, gaps, slow))
                into.setdefault(system.name, []).append(seen)
                words = ", ".join(f"{k} {v:.2f}" for k, v in seen.items())
                plan.said(f"round {number + 1}: {system.name}{', 1 ms away' if slow else ''}: {words} ms")


# ── what it costs to wait ─────────────────────────────────────────────────


def tree(pid: int) -> list[int]:
    """A process and all beneath it."""
    return [pid, *descendants(pid)]


def memory_kb(pids: list[int]) -> tuple[int, int]:
    """RSS and PSS of a tree."""
    rss = pss = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        rss += int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1])  # type: ignore[index]
        pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])  # type: ignore[index]
    return rss, pss


def ticks(pids: list[int]) -> int:
    """CPU time of a tree so far."""
    return sum(sum(map(int, Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) for p in pids)


def commands(db: Resp) -> int:
    """What Redis has run so far, those inside scripts counted."""
    return int(re.search(r"total_commands_processed:(\d+)", db("INFO", "stats"))[1])  # type: ignore[index]


def idle(plan: Plan, figures: Figures) -> None:
    """All systems at the same time, each with a Redis of its own and nothing to do."""
    with ExitStack() as ends:
        rows: list[tuple[System, int, Resp, int, int]] = []
        for system in plan.timed:
            directory = ends.enter_context(short_directory())
            server = Server(directory / "redis")
            ends.callback(server.stop)
            place = Place(plan.build, directory, server.port)
            starts = directory / "starts"
            starts.touch()
            process = ends.enter_context(working(system, place, starts, wait=True))
            wait_exit(system.pace(place, [10] * WARM))
            until(f"{system.name} has begun all", lambda f=starts: f.read_bytes().count(b"\n") >= WARM)
            rows.append((system, process.pid, ends.enter_context(server.connect()), 0, 0))
        time.sleep(SETTLE_S)
        rows = [(s, pid, db, commands(db), ticks(tree(pid))) for s, pid, db, _, _ in rows]
        time.sleep(plan.idle_s)
        for system, pid, db, ran, spent in rows:
            pids = tree(pid)
            rss, pss = memory_kb(pids)
            rate = (commands(db) - ran - 1) / plan.idle_s
            figures.idle[system.name] = {
                "rss_mb": rss / 1024, "pss_mb": pss / 1024, "processes": len(pids),
                "cpu_ticks": ticks(pids) - spent, "commands_per_s": rate, "seconds": plan.idle_s,
            }  # fmt: skip
            plan.said(f"idle: {system.name}: {pss / 1024:.1f} MiB PSS, {ticks(pids) - spent} ticks, {rate:.2f} commands/s")


# ── what it comes to ──────────────────────────────────────────────────────


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of each percentile over the rounds."""
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def best(rates: dict[str, float], kind: str) -> float:
    """The best setting of a queue."""
    return max((rate for name, rate in rates.items() if name.startswith(kind)), default=0)


def summary(figures: Figures) -> dict[str, Any]:
    """Medians and ratios."""
    rates = {name: statistics.median(seen) for name, seen in figures.jobs_per_s.items()}
    ours = best(rates, "manimd")
    kinds = {name.split(",")[0] for name in rates} - {"manimd"}
    return {
        "jobs_per_s": rates,
        "times_as_many_as": {kind: round(ours / best(rates, kind), 2) for kind in sorted(kinds) if best(rates, kind)},
        "cpu_us_per_job": {name: medians(seen) for name, seen in figures.cpu_us.items()},
        "push_to_start_ms": {name: medians(seen) for name, seen in figures.latency_ms.items()},
        "push_to_start_1ms_away_ms": {name: medians(seen) for name, seen in figures.slow_ms.items()},
        "idle": figures.idle,
    }


def bounds(found: dict[str, Any]) -> list[str]:
    """The promises that this run did not keep."""
    broken = []
    for peer, ratio in found["times_as_many_as"].items():
        if peer == "BullMQ" and ratio < 1:
            broken.append(f"no-op jobs per second: {ratio} times BullMQ's, at least 1 wanted")
    for name, seen in found["push_to_start_ms"].items():
        for which, most in (("p50", 2.0), ("p99", 10.0)):
            if name.startswith("manimd") and seen[which] > most:
                broken.append(f"push to start, {name}: {which} is {seen[which]:.2f} ms, at most {most:g} wanted")
    return broken


def show(found: dict[str, Any], say: Callable[[str], None]) -> None:
    """Tables for people."""
    for name, rate in sorted(found["jobs_per_s"].items(), key=lambda row: -row[1]):
        cpu = found["cpu_us_per_job"][name]
        say(f"  {name:28} {rate:7.0f} jobs/s   CPU per job: worker {cpu['worker']:4.0f} us, Redis {cpu['redis']:4.0f} us")
    say("  ours at its best, times the other's best: " + ", ".join(f"{k} {v}" for k, v in found["times_as_many_as"].items()))
    for title, key in (("push to start", "push_to_start_ms"), ("… 1 ms away", "push_to_start_1ms_away_ms")):
        for name, seen in found[key].items():
            say(f"  {title:14} {name:28} " + "  ".join(f"{k} {v:6.2f}" for k, v in seen.items()) + " ms")
    for name, seen in found["idle"].items():
        say(
            f"  idle {seen['seconds']:g} s: {name:28} {seen['pss_mb']:6.1f} MiB PSS of {seen['processes']:.0f}, "
            f"{seen['cpu_ticks']:.0f} ticks, {seen['commands_per_s']:.2f} commands/s"
        )


def machine() -> dict[str, Any]:
    """Where and when this was."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    load = os.getloadavg()
    server = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout.split()
    return {"cpu": model[1] if model else "", "cores": len(peers.CORES), "load_before": load, "redis": server[2] if len(server) > 2 else ""}


# ── the command ───────────────────────────────────────────────────────────


def arguments() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(description="Measures the queue beside other queues.")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--check", action="store_true", help="ours alone, bounded, for behaviour")
    parser.add_argument("--json", action="store_true", help="numbers on the standard output")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part (may be repeated)")
    parser.add_argument("--system", action="append", help="systems whose names begin so (may be repeated)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--pushes", type=int)
    parser.add_argument("--idle-s", type=float)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


PARTS: dict[str, Callable[[Plan, Figures], None]] = {"drain": drains, "latency": latencies, "idle": idle}


def make_plan(given: argparse.Namespace) -> Plan:
    """From what the user wants."""

    def chosen(systems: list[System]) -> list[System]:
        wanted = given.system or (["manimd"] if given.check else [""])
        return [s for s in systems if any(s.name.startswith(w) for w in wanted)]

    rounds, jobs, pushes, idle_s = (1, 2000, 100, 10) if given.check else (5, 10000, 300, 60)
    one = [peers.of_ours(1), peers.of_bullmq(1)]
    rest = [peers.of_rq("simple"), peers.of_celery("prefork")]
    return Plan(
        given.build.resolve(),
        given.rounds or rounds,
        given.jobs or jobs,
        given.pushes or pushes,
        given.idle_s or idle_s,
        drained=chosen([peers.of_ours(1), peers.of_ours(64), peers.of_bullmq(1), peers.of_bullmq(50), *rest]),
        timed=chosen([*one, *rest]),
        slow=chosen(one),
        said=lambda words: print(words, file=sys.stderr, flush=True),
        seed=given.seed,
    )


def main() -> int:
    """Measure, print, write down."""
    given = arguments()
    plan = make_plan(given)
    figures = Figures()
    here = machine()
    began = time.monotonic()
    for name in given.only or PARTS:
        try:
            PARTS[name](plan, figures)
        except AssertionError as error:  # what was measured before is still told
            figures.wrong.append(f"{name}: {error}")
    here |= {"load_after": os.getloadavg(), "took_s": round(time.monotonic() - began, 1)}
    found = summary(figures)
    broken = figures.wrong + ([] if given.check else bounds(found))
    OUT.mkdir(parents=True, exist_ok=True)
    whole = {"machine": here, "rounds": plan.rounds, "jobs": plan.jobs, "pushes": plan.pushes, "seed": plan.seed}
    whole |= {"found": found, "seen": vars(figures), "broken": broken}
    text = json.dumps(whole, indent=2)
    (OUT / "queue.json").write_text(text + "\n", encoding="utf-8")
    note = f"{here['cpu']}, {here['cores']} cores, Redis {here['redis']}; load {here['load_before'][0]:.1f} before, {here['load_after'][0]:.1f} after"
    queue_plot.draw(OUT / "queue.png", found, note)
    show(found, plan.said)
    if given.json:
        print(text)
    for sentence in broken:
        plan.said(f"broken: {sentence}")
    plan.said(f"numbers and a plot are in {OUT.relative_to(ROOT)}/queue.json and queue.png; took {here['took_s']} s; {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
