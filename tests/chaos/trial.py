"""What a scenario works with: a bed, what was pushed, and the check at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checker
from bed import CRASHES, LEASE_MS, PREFIX, RECLAIM_S, Bed, Member, house
from jobs import DONE, Ledger, Wish, push, wish
from proxy import Proxy


class NotApplicable(Exception):
    """This machine cannot run it; the words name the probe."""


class Trial:
    """One scenario's world; `conclude()` heals, stops and checks it."""

    def __init__(self, build: Path, seed: int) -> None:
        self.bed = Bed(build, seed)
        self.random = self.bed.random
        self.ledger = Ledger()
        self.tail: checker.Tail | None = checker.Tail(self.bed)
        self.tail.start()
        self.full = False  # the long suite

    def workers(self, count: int, **options: Any) -> list[Member]:
        """Start workers and wait until they are ready."""
        added = self.bed.fleet.add(count, **options)
        self.bed.fleet.ready()
        return added

    def proxy(self) -> Proxy:
        """A proxy of the scenario's own."""
        proxy = Proxy(self.bed.server.socket)
        self.bed.on_close(proxy.close)
        return proxy

    def push(self, name: str, may_be: frozenset[tuple[str, str]] = DONE, **more: Any) -> Wish:
        """Push a job."""
        return push(self.bed, self.ledger, wish(self.bed, name, may_be, **more))

    def push_many(self, count: int, prefix: str = "n", **more: Any) -> list[Wish]:
        """Push ordinary jobs."""
        return [self.push(f"{prefix}{i}", **more) for i in range(count)]

    def hash(self, name: str) -> dict[str, str]:
        """A job's hash."""
        return checker.pairs(self.bed("HGETALL", f"{PREFIX}job:{name}"))

    def wait(self, name: str, *states: str, patience_s: float = 30) -> dict[str, str]:
        """Wait until a job is in one of these states; give its hash."""
        return dict(house.until(
            f"{name} is {' or '.join(states)}",
            lambda: (found := self.hash(name)).get("state") in states and found,
            patience_s,
        ))

    def until(self, what: str, condition: Callable[[], Any], patience_s: float = 30) -> Any:
        """Wait for what sends no event."""
        return house.until(what, condition, patience_s)

    def holder(self, name: str) -> Member:
        """The worker that has an active job."""
        who = self.wait(name, "active")["worker"]
        return next(m for m in self.bed.fleet.members if m.name == who)

    def count(self, event: str) -> int:
        """How many such events there have been."""
        return int(self.bed("HGET", PREFIX + "stats", event) or 0)

    def conclude(self) -> list[str]:
        """Nothing is broken any more: all must be well, soon."""
        self.bed.fleet.resume()
        checker.settle(self.bed, self.ledger, RECLAIM_S * (CRASHES + 2))
        self.bed.fleet.stop()
        if self.tail:
            self.tail.stop()
        self.bed.sweep()
        return checker.violations(self.bed, self.ledger, self.tail)


def lease_passes(times: float = 1) -> None:
    """The fault itself is a stretch of time."""
    time.sleep(times * LEASE_MS / 1000)
