"""What happens to workers and stages: killed, stopped, hung, told to go; and cancels."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from bed import CRASHES, RECLAIM_S
from jobs import CANCELLED, DONE, LOST, cancel
from proxy import Pair, script_text
from trial import Trial, lease_passes


def killed_in_mid_render(t: Trial) -> None:
    """1: another worker completes the job soon after its worker's SIGKILL."""
    t.workers(3)
    t.push("a", sleep_ms=3000)
    holder = t.holder("a")
    holder.keep = False
    began = time.monotonic()
    holder.signal(signal.SIGKILL)
    t.wait("a", "queued", "completed", patience_s=RECLAIM_S)
    assert time.monotonic() - began < RECLAIM_S
    found = t.wait("a", "completed", patience_s=RECLAIM_S)
    assert found["crashes"] == "1" and found["worker"] != holder.name


def stopped_beyond_its_lease(t: Trial) -> None:
    """2: a worker that was away for too long hears so, and its late end changes nothing."""
    t.workers(2)
    t.push("a", sleep_ms=1500)
    late = t.holder("a")
    late.signal(signal.SIGSTOP)
    found = t.wait("a", "completed", patience_s=RECLAIM_S)
    assert found["worker"] != late.name
    winner = found["result"]
    late.signal(signal.SIGCONT)
    t.until("the late one hears", lambda: late.says("somebody else has it"))
    assert t.hash("a")["result"] == winner


def stages_that_end_badly(t: Trial) -> None:
    """4: each end has its class, and none of them holds up a slot or a beat."""
    t.workers(1, slots=4)
    t.push("hangs", frozenset({CANCELLED}), hang=1)
    t.push("deaf", frozenset({CANCELLED}), hang=1, deaf=1)
    t.push("fails", frozenset({("failed", "scene_error")}), exit=1)
    t.push("ours", frozenset({("dead", "host_error")}), exit=3)
    t.push("odd", frozenset({("dead", "host_error")}), exit=77)
    t.push("aborts", frozenset({("dead", "host_error")}), signal=6)
    t.push("killed", frozenset({("dead", "host_error")}), signal=9)
    t.push("flaky", fail_first=3)
    for name in ("hangs", "deaf"):
        t.wait(name, "active")
    lease_passes(3)
    t.push_many(10)
    t.wait("n9", "completed")
    began = time.monotonic()
    cancel(t.bed, "hangs")
    t.wait("hangs", "cancelled")
    assert time.monotonic() - began < 3, "a cancel takes a second, on an idle machine"
    cancel(t.bed, "deaf")
    assert "crashes" not in t.wait("deaf", "cancelled")


def a_stage_that_never_ends(t: Trial) -> None:
    """4: the backstop ends what does not heed its own limit."""
    t.workers(1, attempts=1)
    t.push("a", frozenset({("dead", "host_error")}), hang=1, deaf=1, fields={"timeout_s": 1})
    found = t.wait("a", "dead", patience_s=60)
    assert "did not end by itself" in found["result"], found["result"]


def stages_killed_at_random(t: Trial) -> None:
    """4: a stage that somebody kills is tried again."""
    t.workers(2, attempts=50, retry_base_ms=1)
    t.push_many(20, sleep_ms=300)
    killed = 0
    while killed < 15:
        stages = [pid for m in t.bed.fleet.members for pid in m.stages()]
        if stages:
            os.kill(t.random.choice(stages), signal.SIGKILL)
            killed += 1
        time.sleep(0.1)


def poison(t: Trial) -> None:
    """5: what kills its worker is dead after the limit; its neighbours complete."""
    t.workers(3)
    t.push("poison-a", frozenset({LOST}), poison=1)
    t.push("poison-b", frozenset({LOST}), poison=1, sleep_ms=200)
    t.push_many(30, sleep_ms=300)
    found = t.wait("poison-a", "dead", patience_s=RECLAIM_S * (CRASHES + 2))
    assert found["crashes"] == str(CRASHES + 1)


def cancel_races(t: Trial) -> None:
    """18: before it is admitted, at the claim, at the finish: one end each, and no cancel is lost."""
    t.workers(2)
    cancel(t.bed, "before")
    t.push("before", frozenset({CANCELLED}))
    for i in range(60):
        t.push(f"r{i}", DONE | {CANCELLED}, sleep_ms=t.random.randrange(1, 150))
        time.sleep(t.random.uniform(0, 0.1))
        cancel(t.bed, f"r{i}")
    t.push("long", frozenset({CANCELLED}), sleep_ms=20000)
    t.wait("long", "active")
    t.push("waits", frozenset({CANCELLED}), fields={"run_at": time.time() + 3600})
    cancel(t.bed, "long")
    cancel(t.bed, "waits")
    t.push("after")
    t.wait("after", "completed")
    cancel(t.bed, "after")


def rolling_deploy(t: Trial) -> None:
    """20: SIGTERM one after the other: nobody's attempt is charged."""
    t.workers(3, drain_timeout_s=30)
    t.push_many(40, sleep_ms=300)
    for member in list(t.bed.fleet.members):
        process = member.process
        assert process
        member.signal(signal.SIGTERM)
        t.until(f"{member.name} goes", lambda: process.returncode is not None)  # noqa: B023
    for i in range(40):
        found = t.wait(f"n{i}", "completed")
        assert (found["attempt"], found.get("crashes", "0")) == ("1", "0"), found


def told_twice(t: Trial) -> None:
    """20: a second SIGTERM gives back at once, an evicted worker loses nothing, attempts are refunded."""
    t.workers(2, drain_timeout_s=60)
    t.push_many(8, sleep_ms=4000)
    for _ in range(4):
        holder = t.holder(t.random.choice([w.id for w in t.ledger.wishes.values() if
                                           t.hash(w.id).get("state") == "active"] or ["n7"]))
        process = holder.process
        assert process
        began = time.monotonic()
        holder.signal(signal.SIGTERM)
        time.sleep(0.1)
        holder.signal(signal.SIGTERM)
        t.until(f"{holder.name} goes", lambda: process.returncode is not None, 10)  # noqa: B023
        assert time.monotonic() - began < 5, "it must be gone before the eviction's SIGKILL"
    for i in range(8):
        found = t.wait(f"n{i}", "completed", patience_s=60)
        assert (found["attempt"], found.get("crashes", "0")) == ("1", "0"), found


def evicted(t: Trial) -> None:
    """20: SIGTERM, and SIGKILL five seconds later in mid-render."""
    t.workers(2, drain_timeout_s=60)
    t.push_many(4, sleep_ms=7000)
    for i in range(4):
        t.wait(f"n{i}", "active")
    for member in list(t.bed.fleet.members):
        member.signal(signal.SIGTERM)
    time.sleep(5)
    for member in list(t.bed.fleet.members):
        if member.alive:
            member.signal(signal.SIGKILL)


def told_while_a_grant_is_on_its_way(t: Trial) -> None:
    """The claim has been granted, the worker has not heard of it, and is told to stop at once."""
    t.bed("SCRIPT", "LOAD", script_text("claim"))
    proxy = t.proxy()
    member = t.workers(1, keep=False, slots=1, redis_url=proxy.url)[0]

    def spring(_: Pair) -> None:
        for words in ("draining", "stopping"):
            member.signal(signal.SIGTERM)
            t.until(f"it is {words}", lambda words=words: member.says(words))

    trap = proxy.set_trap("claim", after=True, spring=spring, hold=True)
    t.push("a", fields={"run_at": time.time() + 1})
    t.until("the claim is called", trap.sprung.is_set)
    t.until("it has ended", lambda: not member.alive)
    found = t.hash("a")
    assert (found["state"], found["attempt"], found.get("crashes", "0")) == ("queued", "0", "0"), found
    t.workers(1)


# ── 3: at the border of each script ───────────────────────────────────────

BOUNDARIES = ("admit", "refuse", "claim", "beat", "finish", "release", "promote", "reap", "cancel")


def _provoke(t: Trial, script: str) -> None:
    """A job whose way leads through the script."""
    if script == "cancel":
        t.push("blocks", sleep_ms=14000)  # two ticks and more: one admits, one finds the wish
        t.wait("blocks", "active")
        t.push("a", frozenset({CANCELLED}))
        t.wait("a", "queued")
        cancel(t.bed, "a")
    elif script in ("promote", "claim"):  # straight from the inbox, it is lent by admit
        t.push("a", fields={"run_at": time.time() + 1})
    elif script == "refuse":
        t.push("a", frozenset({("failed", "source_rejected")}), fields={"fbs": 30})
    else:
        t.push("a", sleep_ms=1500)


def _boundary(t: Trial, script: str, after: bool, how: str) -> None:
    for name in BOUNDARIES:  # else the first call would only be told NOSCRIPT
        t.bed("SCRIPT", "LOAD", script_text(name))
    if script == "reap":
        first = t.workers(1, keep=False)[0]
        t.push("a", sleep_ms=1500)
        t.wait("a", "active")
        first.signal(signal.SIGKILL)
        t.until("it is gone", lambda: not first.alive)
    proxy = t.proxy()
    member = t.workers(1, keep=False, slots=1, redis_url=proxy.url)[-1]

    def spring(_: Pair) -> None:
        if how == "kill":
            member.signal(signal.SIGKILL)
            member.process and member.process.wait()

    trap = proxy.set_trap(script, after, spring)
    if script != "reap":
        _provoke(t, script)
    if script == "release":
        t.wait("a", "active")
        t.until("it has the grant", member.stages)
        member.signal(signal.SIGTERM)
        t.until("it heard the first", lambda: member.says("draining"))
        member.signal(signal.SIGTERM)
    t.until(f"{script} is called", trap.sprung.is_set)
    if how == "kill" or script == "release":
        t.workers(1)
    found = t.wait("a", "completed", "cancelled", "failed", patience_s=2 * RECLAIM_S)
    if how == "cut" and script != "reap":
        assert (found.get("crashes", "0"), found["attempt"]) in {("0", "1"), ("0", "0")}, found


def boundary(script: str, after: bool, how: str) -> Callable[[Trial], None]:
    """Make a scenario: the worker is killed, or its connection cut, at a script."""

    def scenario(t: Trial) -> None:
        _boundary(t, script, after, how)

    scenario.__name__ = f"{how}_{'after' if after else 'before'}_{script}"
    return scenario
