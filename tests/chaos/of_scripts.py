"""A job's whole life, on purpose: every Lua script is called, whatever the server."""

from __future__ import annotations

import signal
import subprocess

from bed import PREFIX, RECLAIM_S, house, spawn
from jobs import CANCELLED
from proxy import LUA, script_sha1
from trial import Trial

LATER = 4_000_000_000


def _manimd(t: Trial, *words: str) -> None:
    """An operator's command, which must do what it is for."""
    done = spawn([str(t.bed.manimd), *words, f"--redis-url={t.bed.server.url}"], env=house.environment(),
                 stdout=subprocess.DEVNULL)
    assert house.wait_exit(done) == 0, words


def _operator(t: Trial) -> None:
    """cancel, requeue, hook_again, mend, refuse and oversize."""
    t.push("waits", frozenset({CANCELLED}), fields={"run_at": LATER})
    t.wait("waits", "delayed")
    _manimd(t, "cancel", "waits")
    t.push("bad", frozenset({("failed", "scene_error")}), exit=1)
    t.wait("bad", "failed")
    _manimd(t, "retry", "bad")
    t.wait("bad", "failed")
    assert t.bed.receiver
    t.push("told", fields={"webhook": t.bed.receiver.url})
    for _ in range(2):
        t.until("its webhook is delivered", lambda: t.hash("told").get("hook") == "delivered")
        _manimd(t, "retry", "--webhook", "told")
    t.push("odd", frozenset({("failed", "source_rejected")}), fields={"fbs": 30})
    t.wait("odd", "failed")
    t.bed("LPUSH", PREFIX + "in", "x" * 2_000_000)
    t.until("what is too large is refused", lambda: t.count("rejected") == 2)
    t.bed("ZADD", PREFIX + "delayed", LATER * 1000, "nobody")
    _manimd(t, "doctor", "--queue", "--repair")


def every_transition(t: Trial) -> None:
    """Each script of worker/intake/lua has run, on the server that is under test."""
    t.bed.receive()
    first = t.workers(1)[0]
    _operator(t)
    t.push("long", sleep_ms=2500)
    t.wait("long", "active")
    process = first.process
    assert process
    first.signal(signal.SIGTERM)
    t.until("it heard the first", lambda: first.says("draining"))
    first.signal(signal.SIGTERM)  # gives it back
    t.until("it goes", lambda: process.returncode is not None)
    holder = t.holder("long")
    holder.signal(signal.SIGKILL)  # and now its lease has to run out
    t.until("it is reaped", lambda: t.hash("long").get("crashes") == "1", RECLAIM_S)
    t.push_many(8, sleep_ms=100)  # more than there are slots: the others are woken
    t.push("late", fail_first=1, fields={"notify": True})
    for name in ("long", "late"):
        t.wait(name, "completed", patience_s=RECLAIM_S)
    t.until("no webhook is owed", lambda: t.bed("ZCARD", PREFIX + "hooks") == 0)
    t.bed.fleet.stop()
    t.bed.sweep()  # a worker that ends when nothing is left
    names = sorted(path.stem for path in LUA.glob("*.lua") if path.stem != "lib")
    there = t.bed("SCRIPT", "EXISTS", *(script_sha1(name).decode() for name in names))
    unused = [name for name, one in zip(names, there, strict=True) if not one]
    assert names and not unused, f"never called: {unused}"
