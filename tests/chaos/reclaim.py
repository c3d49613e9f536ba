"""The figure: how long until a job whose worker was killed is taken again, at the default lease."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from jobs import CANCELLED, cancel
from trial import Trial

LEASE_MS = 30000
AT_MOST_S = 40


def reclaim_at_the_default_lease(build: Path, seed: int) -> str:
    """Kill the holder when the other has been connected for long enough to reap."""
    t = Trial(build, seed)
    try:
        t.workers(2, lease_ms=LEASE_MS)
        time.sleep(LEASE_MS / 1000 + 6)
        t.push("a", frozenset({CANCELLED}), sleep_ms=600000)
        holder = t.holder("a")
        time.sleep(11)  # a beat has renewed it
        began = time.monotonic()
        holder.signal(signal.SIGKILL)
        t.until("it is taken again", lambda: t.hash("a").get("attempt") == "2", 120)
        took = time.monotonic() - began
        cancel(t.bed, "a")
        wrong = t.conclude()
    finally:
        t.bed.close()
    assert not wrong, wrong
    assert took <= AT_MOST_S, f"{took:.1f} s"
    return f"{took:.1f} s after SIGKILL (at most {AT_MOST_S})"
