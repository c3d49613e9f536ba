"""The figure: how long until a job whose worker was killed is taken again, at the default lease."""

from __future__ import annotations

import json
import signal
import statistics
import time
from pathlib import Path

from jobs import CANCELLED, cancel
from trial import Trial

LEASE_MS = 30000
AT_MOST_S = 40
TIMES = 5


def _once(t: Trial, number: int) -> float:
    """Kill the holder at some moment between two beats, when the other has been connected for long enough to reap."""
    name = f"a{number}"
    t.push(name, frozenset({CANCELLED}), sleep_ms=600000)
    holder = t.holder(name)
    time.sleep(t.random.uniform(11, 21))  # a beat or two have renewed it
    began = time.monotonic()
    holder.signal(signal.SIGKILL)
    t.until("it is taken again", lambda: t.hash(name).get("attempt") == "2", 120)
    took = time.monotonic() - began
    cancel(t.bed, name)
    t.wait(name, "cancelled")
    return took


def reclaim_at_the_default_lease(build: Path, seed: int) -> str:
    """Several times in one run; the figures also go to chaos-reclaim.json in the build directory."""
    t = Trial(build, seed)
    try:
        t.workers(2, lease_ms=LEASE_MS)
        time.sleep(LEASE_MS / 1000 + 6)
        took = [round(_once(t, number), 2) for number in range(TIMES)]
        wrong = t.conclude()
    finally:
        t.bed.close()
    figures = {"reclaim_s": took, "median_s": statistics.median(took), "max_s": max(took), "lease_ms": LEASE_MS}
    (build / "chaos-reclaim.json").write_text(json.dumps(figures) + "\n")
    assert not wrong, wrong
    assert max(took) <= AT_MOST_S, figures
    return f"{json.dumps(figures)}: median {figures['median_s']} s after SIGKILL, worst {max(took)} s (at most {AT_MOST_S})"
