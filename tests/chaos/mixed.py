"""The mixed run: every kind of job under every kind of fault, by a seed.

The faults come at points of progress, not of time: so many of them between so
many jobs, whatever the machine's speed. The same seed gives the same jobs and
the same schedule.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import checker
from bed import AWAY, CRASHES, RECLAIM_S, Bed, house, spawn
from jobs import DONE, Ledger, Producer


DEATHS_ENOUGH = 20  # of workers that nobody killed


@dataclass(frozen=True)
class Plan:
    """How much of what."""

    jobs: int
    faults: dict[str, int]
    workers: int = 4

    def scaled(self, jobs: int) -> Plan:
        """The same mixture, for another number of jobs."""
        share = jobs / self.jobs
        return Plan(jobs, {name: max(1, round(n * share)) for name, n in self.faults.items()}, self.workers)


WHOLE = Plan(10000, {
    "kill": 310, "stop": 110, "redis kill": 22, "client kill": 310, "stage kill": 200, "flush scripts": 40,
    "term": 60, "second term": 60, "hog": 20, "hang up": 60, "retry": 120, "retry webhook": 60,
})  # fmt: skip


@dataclass
class Report:
    """What happened."""

    seed: int
    jobs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0
    healed_s: float = 0
    hooks: Counter[str] = field(default_factory=Counter)

    def count(self, *words: str) -> int:
        """How many violations begin with one of these words."""
        return sum(w.startswith(words) for w in self.wrong)

    def text(self) -> str:
        """For people."""
        faults = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        return (
            f"seed {self.seed}: {self.jobs} jobs in {self.seconds:.0f} s ({dict(self.kinds)}); {faults}; "
            f"events {dict(self.events)}; webhooks {dict(self.hooks)}; healed in {self.healed_s:.1f} s; "
            f"{self.count('lost', 'unfinished')} lost, {self.count('doubled')} doubled, "
            f"{self.count('left', 'index')} left over, {len(self.wrong)} violations"
        )


class Faults:
    """What can be done to a bed; each counts itself when it was done."""

    def __init__(self, bed: Bed, rng: random.Random, ledger: Ledger, tail: checker.Tail) -> None:
        self.bed = bed
        self.random = rng
        self.ledger = ledger
        self.tail = tail
        self.done: Counter[str] = Counter()
        self._timers: list[threading.Timer] = []
        self.table: dict[str, Callable[[], bool]] = {
            "kill": lambda: self._signal(signal.SIGKILL),
            "term": lambda: self._signal(signal.SIGTERM),
            "second term": self._second_term,
            "stop": self._stop,
            "stage kill": self._stage_kill,
            "redis kill": self._redis_kill,
            "client kill": self._client_kill,
            "flush scripts": lambda: self._redis("SCRIPT", "FLUSH"),
            "hog": self._hog,
            "hang up": self._hang_up,
            "retry": self._retry,
            "retry webhook": self._retry_webhook,
        }

    def do(self, name: str) -> None:
        """Do it; count it when there was something to do it to."""
        if self.table[name]():
            self.done[name] += 1

    def _later(self, seconds: float, what: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, what)
        timer.start()
        self._timers.append(timer)

    def _signal(self, signo: int) -> bool:
        alive = [m for m in self.bed.fleet.members if m.alive]
        if alive:
            self.random.choice(alive).signal(signo)
        return bool(alive)

    def _second_term(self) -> bool:
        alive = [m for m in self.bed.fleet.members if m.alive]
        if alive:
            member = self.random.choice(alive)
            member.signal(signal.SIGTERM)
            self._later(self.random.uniform(0, 0.2), lambda: member.signal(signal.SIGTERM))
        return bool(alive)

    def _stop(self) -> bool:
        alive = [m for m in self.bed.fleet.members if m.alive]
        if alive:
            process = self.random.choice(alive).process
            assert process
            process.send_signal(signal.SIGSTOP)
            self._later(self.random.uniform(0.5, 3), lambda: process.send_signal(signal.SIGCONT))
        return bool(alive)

    def _stage_kill(self) -> bool:
        stages = [pid for m in self.bed.fleet.members for pid in m.children()]
        if stages:
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(stages), signal.SIGKILL)
        return bool(stages)

    def _redis_kill(self) -> bool:
        self.bed.server.crash()
        time.sleep(self.random.uniform(0, 0.5))
        self.bed.server.start()
        return True

    def _redis(self, *words: str) -> bool:
        with suppress(*AWAY), self.bed.connect() as db:
            db(*words)
            return True
        return False

    def _client_kill(self) -> bool:
        return self._redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def _hog(self) -> bool:
        """Redis answers nobody for a while."""
        return self._redis("DEBUG", "SLEEP", f"{self.random.uniform(0.3, 2):.2f}")

    def _hang_up(self) -> bool:
        """Another configuration, and SIGHUP: a new courier where that is of webhooks."""
        self.bed.configure(webhook_tries=self.random.choice((9, 10)), max_log_kb=self.random.choice((4096, 8192)))
        return self._signal(signal.SIGHUP)

    def _manimd(self, *words: str) -> bool:
        """An operator's command, which may find nothing to do any more."""
        command = [str(self.bed.manimd), *words, f"--redis-url={self.bed.server.url}"]
        return house.wait_exit(spawn(command, env=house.environment(), stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)) == 0

    def _ended(self, *states: str) -> list[str]:
        """Jobs that have ended so, and that are no danger to run again."""
        kinds = {name: wish.kind for name, wish in self.ledger.wishes.copy().items()}
        return sorted(name for name, ends in list(self.tail.ends.items())
                      if ends[-1][1] in states and kinds.get(name, "poison") != "poison")

    def _retry(self) -> bool:
        """An operator queues a dead or failed job again."""
        names = self._ended("dead", "failed")
        if not names:
            return False
        wish = self.ledger.wishes[self.random.choice(names)]
        if wish.kind in ("expiring", "too long"):
            wish.may_be |= DONE  # its time limits are taken away
        return self._manimd("retry", wish.id)

    def _retry_webhook(self) -> bool:
        """An operator has a webhook sent again."""
        names = [n for n in self._ended(*checker.TERMINAL) if '"webhook"' in self.ledger.wishes[n].text]
        return bool(names) and self._manimd("retry", "--webhook", self.random.choice(names))

    def heal(self) -> None:
        """Nothing is broken any more."""
        for timer in self._timers:
            timer.join()
        self.bed.fleet.resume()
        if self.bed.server.process is None:
            self.bed.server.start()


def schedule(plan: Plan, rng: random.Random) -> list[tuple[int, str]]:
    """(after so many jobs, what), in order."""
    points = [(rng.randrange(plan.jobs), name) for name, n in plan.faults.items() for _ in range(n)]
    return sorted(points)


def run(build: Path, seed: int, plan: Plan, say: Callable[[str], None] = lambda _: None) -> tuple[Report, Bed]:
    """One run; the bed is closed by the caller, who may want to look at it."""
    bed = Bed(build, seed)
    receiver = bed.receive()
    report = Report(seed)
    began = time.monotonic()
    ledger = Ledger()
    tail = checker.Tail(bed)
    tail.start()
    try:
        faults = rage(bed, ledger, tail, plan, say)
        finish(bed, ledger, tail, report)
    except BaseException:
        bed.close()
        raise
    report.hooks = receiver.counts
    report.faults, report.jobs, report.seconds = faults.done, len(ledger.wishes), time.monotonic() - began
    return report, bed


def rage(bed: Bed, ledger: Ledger, tail: checker.Tail, plan: Plan, say: Callable[[str], None]) -> Faults:
    """Push everything, do everything, heal."""
    bed.fleet.add(plan.workers)
    producer = Producer(bed, ledger, plan.jobs, lambda: len(ledger.wishes) - len(tail.ends))
    faults = Faults(bed, bed.random, ledger, tail)
    points = schedule(plan, bed.random)
    producer.start()
    began = told = time.monotonic()
    while producer.is_alive():
        while points and points[0][0] <= producer.pushed:
            faults.do(points.pop(0)[1])
        time.sleep(0.01)
        if len(bed.fleet.deaths) > DEATHS_ENOUGH:
            raise AssertionError(f"workers die by themselves: {bed.fleet.deaths[:5]}")
        if time.monotonic() - told > 30:
            told = time.monotonic()
            say(f"  {producer.pushed} pushed, {len(tail.ends)} ended, {sum(faults.done.values())} faults, "
                f"{told - began:.0f} s")
    for _, name in points:
        faults.do(name)
    if producer.failed:
        raise producer.failed
    faults.heal()
    return faults


def finish(bed: Bed, ledger: Ledger, tail: checker.Tail, report: Report) -> None:
    """Heal, stop, check."""
    healing = time.monotonic()
    # What kills workers is run alone, again and again, until it is given up.
    poison = sum(w.kind == "poison" for w in ledger.wishes.values())
    checker.settle(bed, ledger, RECLAIM_S * (CRASHES + 2) + 5 * poison)
    report.healed_s = time.monotonic() - healing
    bed.fleet.stop()
    tail.stop()
    bed.sweep()
    report.events = tail.counts
    report.kinds = Counter(w.kind for w in ledger.wishes.values())
    report.wrong = checker.violations(bed, ledger, tail)
