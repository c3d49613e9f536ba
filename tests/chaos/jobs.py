"""What producers push, and what has to come of it."""

from __future__ import annotations

import json
import random
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bed import AWAY, PREFIX, Bed

TINY = {"width": 16, "height": 16, "fps": 10}
DONE = frozenset({("completed", "completed")})
HOOKED = 3  # one job in so many has a webhook, where there is a receiver
CANCELLED = ("cancelled", "cancelled")
EXPIRED = ("failed", "expired")
LOST = ("dead", "worker_lost")


@dataclass
class Wish:
    """A job as its producer remembers it."""

    id: str
    text: str
    may_be: frozenset[tuple[str, str]] = DONE  # (state, outcome)
    kind: str = "plain"
    pushed_at: float = 0.0  # monotonic, of the first acknowledgement
    pushes: int = 0  # acknowledged ones, and those that may have arrived


@dataclass
class Ledger:
    """Every job that was acknowledged, by id, and what was pushed beside."""

    wishes: dict[str, Wish] = field(default_factory=dict)
    nameless: int = 0  # malformed inputs without an id
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, wish: Wish) -> Wish:
        """It was acknowledged."""
        with self.lock:
            self.wishes.setdefault(wish.id, wish)
        if not wish.pushed_at:
            wish.pushed_at = time.monotonic()
        return wish


def wish(bed: Bed, name: str, may_be: frozenset[tuple[str, str]] = DONE, *, fields: dict[str, Any] | None = None,
         kind: str = "plain", **orders: Any) -> Wish:
    """A job whose stages do what `orders` say."""
    lines = {"sleep_ms": 50} | orders
    if "fail_first" in lines:
        lines["marks"] = bed.marks
    code = "from manim import *\n" + "".join(f"# fake: {k} {v}\n" for k, v in lines.items())
    job = {"id": name, "code": code, "scene": "A"} | TINY | (fields or {})
    if bed.receiver and zlib.crc32(name.encode()) % HOOKED == 0:
        job.setdefault("webhook", bed.receiver.url)
    return Wish(name, json.dumps(job), may_be, kind)


def push(bed: Bed, ledger: Ledger, job: Wish) -> Wish:
    """Push until it is acknowledged, as a careful producer does: with the same id."""
    deadline = time.monotonic() + 120
    while True:
        job.pushes += 1
        try:
            with bed.connect() as db:
                db("LPUSH", PREFIX + "in", job.text)
            return ledger.add(job)
        except AWAY:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def cancel(bed: Bed, name: str) -> None:
    """A client's wish that a job end."""
    bed("SET", f"{PREFIX}cancel:{name}", "1", "EX", 86400)


# ── the mix ───────────────────────────────────────────────────────────────

MALFORMED = ["{", "17", "[" * 2000, '{"code": 5}', "\x00\xff", '{"scene": "A"}', '{"code": "x", "scen": 1}', "!!"]

Maker = Callable[[Bed, random.Random, str], Wish]


def _plain(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, sleep_ms=rng.randrange(50, 500), fields={"notify": rng.random() < 0.5})


def _quick(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, sleep_ms=50, fields={"priority": rng.randrange(10)})


def _flaky(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, kind="flaky", fail_first=rng.randrange(1, 3))


def _scene_error(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, frozenset({("failed", "scene_error")}), kind="scene_error", exit=1)


def _host_error(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, frozenset({("dead", "host_error")}), kind="host_error", exit=3, sleep_ms=10)


def _poison(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, frozenset({LOST}), kind="poison", poison=1)


def _delayed(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, kind="delayed", fields={"run_at": time.time() + rng.uniform(0.2, 3)})


def _expiring(bed: Bed, rng: random.Random, name: str) -> Wish:
    when = time.time() + rng.choice([-5, 0.5, 3])
    kind = rng.choice(["expires_at", "deadline_at"])
    may_be = frozenset({EXPIRED}) if when < time.time() else DONE | {EXPIRED}
    return wish(bed, name, may_be, kind="expiring", fields={kind: when})


def _too_long(bed: Bed, rng: random.Random, name: str) -> Wish:
    when = time.time() + rng.uniform(0.5, 2)
    return wish(bed, name, frozenset({EXPIRED}), kind="too long", sleep_ms=6000, deaf=rng.randrange(2),
                fields={"deadline_at": when})


def _cancelled_before(bed: Bed, rng: random.Random, name: str) -> Wish:
    cancel(bed, name)
    return wish(bed, name, frozenset({CANCELLED}), kind="cancelled before")


def _cancelled_soon(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, DONE | {CANCELLED}, kind="cancelled soon", sleep_ms=rng.randrange(50, 500))


def _cancelled_after(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, DONE, kind="cancelled after")


def _hanging(bed: Bed, rng: random.Random, name: str) -> Wish:
    return wish(bed, name, frozenset({CANCELLED}), kind="hanging", hang=1, deaf=rng.randrange(2))


def _refused(bed: Bed, rng: random.Random, name: str) -> Wish:
    may_be = frozenset({("failed", "source_rejected")})
    return wish(bed, name, may_be, kind="refused", fields={"fbs": 30})


KINDS: list[tuple[int, Maker]] = [
    (500, _plain), (200, _quick), (60, _flaky), (40, _scene_error), (20, _host_error), (3, _poison), (60, _delayed),
    (20, _expiring), (5, _too_long), (20, _cancelled_before), (20, _cancelled_soon), (10, _cancelled_after), (4, _hanging),
    (10, _refused),
]  # fmt: skip
"""How many of a thousand jobs are what."""


class Producer(threading.Thread):
    """Pushes the mix, with duplicates, conflicts and rubbish between, as fast as it is worked off."""

    def __init__(self, bed: Bed, ledger: Ledger, count: int, outstanding: Callable[[], int], most: int = 250) -> None:
        super().__init__(daemon=True)
        self.bed = bed
        self.ledger = ledger
        self.count = count
        self.pushed = 0
        self.failed: BaseException | None = None
        self._outstanding = outstanding
        self._most = most
        self._random = random.Random(bed.random.random())
        weights = [w for w, _ in KINDS]
        self._makers = self._random.choices([m for _, m in KINDS], weights, k=count)

    def run(self) -> None:
        """Until all are acknowledged."""
        try:
            for number, maker in enumerate(self._makers):
                while self._outstanding() > self._most:
                    time.sleep(0.02)
                self._one(maker(self.bed, self._random, f"j{number}"))
                self.pushed = number + 1
        except BaseException as error:  # told by whoever waits for us
            self.failed = error

    def _one(self, job: Wish) -> None:
        rng = self._random
        push(self.bed, self.ledger, job)
        if job.kind == "cancelled soon":
            threading.Timer(rng.uniform(0, 1), cancel, (self.bed, job.id)).start()
        if job.kind == "hanging":
            threading.Timer(rng.uniform(1, 3), cancel, (self.bed, job.id)).start()
        dice = rng.random()
        if dice < 0.03:
            push(self.bed, self.ledger, job)
        elif dice < 0.04:
            push(self.bed, Ledger(), Wish(job.id, job.text.replace("manim", "nanim")))
        elif dice < 0.07:
            with suppress(*AWAY), self.bed.connect() as db:
                db("LPUSH", PREFIX + "in", rng.choice(MALFORMED))
                self.ledger.nameless += 1
