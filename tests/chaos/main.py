"""The chaos suite: `make chaos`, `make chaos-check`, `make soak`.

    main.py --build DIR            everything: each fault, then the mixed run of 10,000 jobs
    main.py --build DIR --check    the bounded part
    main.py --build DIR --soak M   M minutes of it, with flat memory, descriptors and keys
    main.py --build DIR --only W   the experiments whose name has W in it
    main.py … --seed N             again what a run with that seed did

Ends with `chaos: N passed, N failed`. What a failed experiment left is kept
beneath /tmp for a look, and its seed is printed.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bed  # noqa: F401  (first: it makes tests/e2e importable)
import mixed
import of_redis as r
import of_scripts
import of_workers as w
import selftest
import soak
from real import real_mix
from reclaim import reclaim_at_the_default_lease
from trial import NotApplicable, Trial

SIDE_BY_SIDE = 5  # experiments wait most of their time


@dataclass(frozen=True)
class Experiment:
    """A scenario and where it belongs."""

    scenario: Callable[[Trial], None]
    bounded: bool = True
    checked: bool = True  # by the global checker at its end

    @property
    def name(self) -> str:
        """For people, and --only."""
        return self.scenario.__name__


def experiments() -> list[Experiment]:
    """One for each fault of queue.md §3 that is in scope, and more."""
    every = [
        w.killed_in_mid_render, w.stopped_beyond_its_lease, w.stages_that_end_badly, w.stages_killed_at_random,
        w.poison, w.cancel_races, w.rolling_deploy, w.told_twice, w.told_while_a_grant_is_on_its_way, w.evicted,
        r.redis_killed, r.power_cut, r.redis_away, r.ten_minutes_by_its_clock, r.client_kill_storm, r.beats_in_a_black_hole,
        r.commands_in_a_black_hole, r.blocker_in_a_black_hole, r.everything_in_a_black_hole, r.clock_an_hour_off,
        r.memory_full, r.disk_full, r.scripts_flushed, r.flushed_all, r.indexes_deleted, r.garbage_flood,
        r.keys_of_the_wrong_kind, r.every_key_of_every_kind, r.half_a_hash, r.two_of_everything, r.killed_by_signal_while_redis_is_away,
        r.conflict, of_scripts.every_transition,
    ]  # fmt: skip
    found = [Experiment(selftest.checker_sees, checked=False)] + [Experiment(scenario) for scenario in every]
    for scenario in (r.away_for_eleven_minutes, r.away_for_nine_minutes, w.a_stage_that_never_ends):
        found.append(Experiment(scenario, bounded=False))
    for script in w.BOUNDARIES:
        for after in (False, True):
            for how in ("kill", "cut"):
                # In the bounded part one of the four, the one that loses most.
                found.append(Experiment(w.boundary(script, after, how), bounded=after and how == "kill"))
    return found


class Count:
    """What passed and what did not."""

    def __init__(self) -> None:
        self.passed = self.failed = 0
        self._lock = threading.Lock()

    def say(self, name: str, good: bool, text: str) -> None:
        """One line, or more when it is bad."""
        with self._lock:
            self.passed += good
            self.failed += not good
            print(f"{'ok  ' if good else 'FAIL'} {name:<42} {text}", flush=True)

    def absent(self, name: str, why: str) -> None:
        """This machine cannot run it."""
        with self._lock:
            print(f"---- {name:<42} not applicable: {why}", flush=True)


def perform(experiment: Experiment, build: Path, seed: int, full: bool, count: Count) -> None:
    """One experiment, from an empty bed to a checked one."""
    began = time.monotonic()
    trial = Trial(build, seed)
    trial.full = full
    wrong: list[str] = []
    try:
        experiment.scenario(trial)
        wrong = trial.conclude() if experiment.checked else []
    except NotApplicable as why:
        count.absent(experiment.name, str(why))
        trial.bed.close()
        return
    except BaseException:
        wrong = [traceback.format_exc()]
    trial.bed.close(keep=bool(wrong))
    text = f"{time.monotonic() - began:5.1f} s"
    if wrong:
        text += f"  seed {seed}, kept in {trial.bed.directory}\n     " + "\n     ".join(wrong[:20])
    count.say(experiment.name, not wrong, text)


def run_mixed(build: Path, seed: int, plan: mixed.Plan, count: Count) -> None:
    """The mixed run."""
    name = f"mixed_run_of_{plan.jobs}"
    try:
        report, world = mixed.run(build, seed, plan, lambda text: print(text, flush=True))
    except BaseException:
        count.say(name, False, f"seed {seed}\n{traceback.format_exc()}")
        return
    world.close(keep=bool(report.wrong))
    text = report.text() + "".join(f"\n     {v}" for v in report.wrong[:20])
    count.say(name, not report.wrong, text + (f"\n     kept in {world.directory}" if report.wrong else ""))


def run_one(name: str, what: Callable[[Path, int], str], build: Path, seed: int, count: Count) -> None:
    """Something with a bed of its own that gives its figure or raises."""
    try:
        count.say(name, True, what(build, seed))
    except NotApplicable as why:
        count.absent(name, str(why))
    except BaseException:
        count.say(name, False, f"seed {seed}\n{traceback.format_exc()}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Breaks everything around manimd and checks what is left.")
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--check", action="store_true", help="the bounded part")
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--only", help="experiments whose name has this in it; `mixed` is the mixed run")
    parser.add_argument("--jobs", type=int, help="of the mixed run")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    return parser.parse_args()


def run_chosen(asked: argparse.Namespace, build: Path, count: Count) -> None:
    """The experiments side by side, then what wants the machine for itself."""
    wanted = [e for e in experiments() if e.bounded or not asked.check or asked.only]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for experiment in wanted:
            if not asked.only or asked.only in experiment.name:
                pool.submit(perform, experiment, build, asked.seed, not asked.check, count)
    jobs = asked.jobs or (300 if asked.check else mixed.WHOLE.jobs)
    alone: list[tuple[str, bool, Callable[[], None]]] = [
        ("mixed_run", True, lambda: run_mixed(build, asked.seed, mixed.WHOLE.scaled(jobs), count)),
        ("real_mix", True, lambda: run_one("real_mix", real_mix, build, asked.seed, count)),
        ("reclaim", False, lambda: run_one(
            "reclaim_at_the_default_lease", reclaim_at_the_default_lease, build, asked.seed, count)),
    ]  # fmt: skip
    for name, bounded, what in alone:
        if (bounded or not asked.check) and (not asked.only or asked.only in name):
            what()


def main() -> int:
    """Run what was asked for."""
    asked = arguments()
    build = asked.build.resolve()
    count = Count()
    print(f"seed {asked.seed}", flush=True)
    if asked.soak:
        run_one("soak", lambda b, s: soak.run(b, s, asked.soak), build, asked.seed, count)
    else:
        run_chosen(asked, build, count)
    print(f"chaos: {count.passed} passed, {count.failed} failed")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
