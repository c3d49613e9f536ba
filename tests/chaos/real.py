"""The real thing at the end: Manim's own scenes, in the sandbox, under a few faults."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import checker
from bed import OURS, PREFIX, house
from jobs import CANCELLED, DONE, Wish, cancel, push
from trial import NotApplicable, Trial

LONG = house.GOOD.replace("self.wait(0.3)", "for _ in range(40):\n            self.play(square.animate.rotate(1), run_time=0.2)")
BROKEN = house.GOOD.replace("self.wait(0.3)", "raise ValueError('no')")
ENDLESS = house.GOOD.replace("self.wait(0.3)", "while True: pass")


def _worker(t: Trial, name: str) -> house.Worker:
    options = {"store_dir": t.bed.store, "slots": 2, "lease_ms": 2000, "worker_name": name}
    # By the environment: house.Worker would have it empty at once, and what
    # SIGKILL left there goes with the next start.
    env = {"MANIMD_WORK_DIR": str(t.bed.work)}
    worker = house.Worker(t.bed.server, t.bed.directory / name, options, env)
    OURS.add(worker.pid)
    return worker.ready()


def _push(t: Trial, name: str, code: str, may_be: frozenset[tuple[str, str]] = DONE) -> None:
    queue = house.Queue(t.bed.server)


    push(t.bed, t.ledger, Wish(name, json.dumps(queue.job(code, id=name)), may_be, "real"))


def real_mix(build: Path, seed: int) -> str:
    """A worker killed, Redis killed, a cancel, a scene's own fault: and the videos play."""
    if not os.access(build / "manimd-encode", os.X_OK):
        raise NotApplicable(f"{build / 'manimd-encode'} is not built")
    house.MANIMD = build / "manimd"
    t = Trial(build, seed)
    t.bed.fleet.stop()  # there is none: the workers are real
    before = set(house.descendants(os.getpid()))
    try:
        first, second = _worker(t, "r0"), _worker(t, "r1")
        for i in range(3):
            _push(t, f"long{i}", LONG)
        _push(t, "broken", BROKEN, frozenset({("failed", "scene_error")}))
        _push(t, "endless", ENDLESS, frozenset({CANCELLED}))
        for i in range(3):
            _push(t, f"short{i}", house.GOOD)
        who = t.wait("long0", "active")["worker"]
        victim, other = (first, second) if who == "r0" else (second, first)
        victim.kill()
        t.bed.server.stop(signal.SIGKILL)
        t.bed.server.start()
        third = _worker(t, "r2")
        t.wait("endless", "active", patience_s=90)
        cancel(t.bed, "endless")
        checker.settle(t.bed, t.ledger, 120)
        for worker in (other, third):
            assert worker.stop() == 0
        t.bed.sweep()
        wrong = conclude(t, before)
    finally:
        t.bed.close()
    assert not wrong, "\n".join(wrong)
    return f"{len(t.ledger.wishes)} scenes, a worker and Redis killed"


def conclude(t: Trial, before: set[int]) -> list[str]:
    """The global check, and ffmpeg's."""
    assert t.tail
    t.tail.stop()
    ours = before | ({t.bed.server.process.pid} if t.bed.server.process else set())

    def left() -> dict[int, str]:
        house.reap_orphans(ours)
        return {p: c for p, c in house.descendants(os.getpid()).items() if p not in ours}

    house.until("every process is gone", lambda: not left(), 20)
    for name in t.ledger.wishes:
        if t.hash(name).get("state") == "completed":
            for path in (t.bed.store / name).rglob("*.mp4"):
                house.plays(path)
    assert int(t.bed("ZCARD", PREFIX + "active")) == 0
    return checker.violations(t.bed, t.ledger, t.tail)
