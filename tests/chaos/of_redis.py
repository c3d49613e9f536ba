"""What happens to Redis and the way to it: killed, cut off, full, wrong, emptied."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

import checker
from bed import AWAY, LEASE_MS, PREFIX, Clock, house, spawn
from jobs import CANCELLED, DONE, MALFORMED, Wish, cancel
from trial import NotApplicable, Trial, lease_passes


def _never_retried(t: Trial, *names: str) -> None:
    """Each was done by the worker that had it first."""
    for name in names:
        found = t.wait(name, "completed")
        assert (found["attempt"], found.get("crashes", "0")) == ("1", "0"), f"{name}: {found}"


def redis_killed(t: Trial) -> None:
    """6: kill -9 again and again: what was acknowledged is there."""
    t.workers(2)
    for round_ in range(4):
        t.push_many(15, f"n{round_}-", sleep_ms=150)
        time.sleep(t.random.uniform(0, 0.5))
        t.bed.server.crash()
        t.bed.server.start()


def power_cut(t: Trial) -> None:
    """7: the file's last second is gone: losses only inside it, running renders are adopted."""
    t.workers(1, slots=4)
    t.push_many(10, "old", sleep_ms=50)
    for i in range(10):
        t.wait(f"old{i}", "completed")
    t.push("kept", sleep_ms=5000, fields={"run_at": time.time() + 2})
    t.wait("kept", "delayed")
    time.sleep(1.2)  # an fsync has passed
    safe = t.bed.server.file().stat().st_size
    recorded = time.monotonic()
    t.wait("kept", "active")
    t.push_many(20, "new", sleep_ms=100)
    t.wait("new0", "completed")
    file = t.bed.server.file()
    t.bed.server.crash()
    os.truncate(file, safe)
    t.bed.server.start()
    found = t.wait("kept", "completed")
    assert (found["attempt"], found.get("crashes", "0")) == ("1", "0"), f"not adopted: {found}"
    for name, job in list(t.ledger.wishes.items()):
        if not t.hash(name):
            assert job.pushed_at >= recorded, f"{name} was lost outside the window"
            del t.ledger.wishes[name]
    if t.tail:  # it saw what never was; the stream as it is now decides
        t.tail.stop()
    t.tail = checker.Tail(t.bed)
    t.tail.start()


def redis_away(t: Trial) -> None:
    """8: away for much longer than the lease: renders are kept, nobody is reaped, all commit after."""
    t.workers(3, slots=2)
    t.push_many(3, "short", sleep_ms=1500)
    t.push_many(3, "long", sleep_ms=12000)
    for name in t.ledger.wishes:
        t.wait(name, "active")
    t.bed.server.crash()
    time.sleep(60 if t.full else 6)
    t.bed.server.start()
    _never_retried(t, *t.ledger.wishes)
    assert t.count("reaped") == 0


GIVE_UP_S = 600  # GIVE_UP_MS of worker/intake/queue_beat.c


def ten_minutes_by_its_clock(t: Trial) -> None:
    """8: the boundary itself, by the worker's own clock: kept just before, given up just after.

    What it had finished is held all the same, and said when Redis is back.
    """
    clock = Clock(t.bed.directory / "boot", t.bed.build)
    limits = {"timeout_s": 3600, "max_timeout_s": 3600, "environment": clock.environment | {"CLOCK_SHIM_BOOT": "1"}}
    member = t.workers(1, keep=False, slots=2, **limits)[0]
    t.push("short", sleep_ms=1500)
    t.push("long", sleep_ms=15000)
    for name in t.ledger.wishes:
        t.wait(name, "active")
    t.until("the worker has both", lambda: len(member.stages()) == 2)  # the grant's answer may still be on its way
    t.bed.server.crash()
    t.until("one is finished", lambda: len(member.stages()) == 1)
    clock.set(GIVE_UP_S - 30)
    time.sleep(2)  # it beats in vain, every second
    assert len(member.stages()) == 1, "a render was given up before its time"
    clock.set(GIVE_UP_S + 30)
    t.until("the render is given up, without Redis", lambda: not member.stages(), 10)
    assert member.alive
    t.bed.server.start()
    _never_retried(t, "short")
    found = t.wait("long", "completed", patience_s=60)
    assert (found["attempt"], found["crashes"]) == ("2", "1"), found


def _away_in_earnest(t: Trial, seconds: float, long: frozenset[tuple[str, str]] = DONE) -> None:
    """At the default lease: one job ends while Redis is away, the other is still rendered when it is back."""
    t.workers(2, slots=1, lease_ms=30000, timeout_s=3600, max_timeout_s=3600)
    t.push("short", sleep_ms=60_000)
    t.push("long", long, sleep_ms=int((seconds + 30) * 1000))
    for name in t.ledger.wishes:
        t.wait(name, "active")
    t.bed.server.crash()
    time.sleep(seconds)
    t.bed.server.start()


def away_for_nine_minutes(t: Trial) -> None:
    """8, in real time: both are kept, nobody is reaped, both commit after."""
    _away_in_earnest(t, GIVE_UP_S - 60)
    for name in t.ledger.wishes:
        assert t.wait(name, "completed", patience_s=120)["attempt"] == "1"
    _never_retried(t, *t.ledger.wishes)
    assert t.count("reaped") == 0


def away_for_eleven_minutes(t: Trial) -> None:
    """8, in real time: what still runs after ten minutes is given up and done again; what had ended is not."""
    _away_in_earnest(t, GIVE_UP_S + 60, frozenset({CANCELLED}))
    assert not [pid for m in t.bed.fleet.members for pid in m.stages()], "a render was not given up"
    _never_retried(t, "short")
    t.until("it is taken again", lambda: (t.hash("long").get("attempt"), t.hash("long").get("crashes")) == ("2", "1"), 120)
    cancel(t.bed, "long")  # else it would take as long again


def client_kill_storm(t: Trial) -> None:
    """9: every connection cut again and again: nothing lost, nothing doubled, no descriptor leaks."""
    member = t.workers(1)[0]
    t.push("first")
    t.wait("first", "completed")
    time.sleep(0.2)
    before = member.descriptors()
    t.push_many(30, sleep_ms=100)
    for _ in range(80):
        with suppress(*AWAY), t.bed.connect() as db:
            db("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.03)
    _never_retried(t, *t.ledger.wishes)
    t.until(f"descriptors are {before} again", lambda: member.descriptors() <= before)


def _hole(t: Trial, kind: str) -> None:
    """A black hole for one kind of connection while a render runs."""
    proxy = t.proxy()
    t.workers(1, redis_url=proxy.url)
    t.workers(1, slots=1)
    t.push("other", sleep_ms=9000)
    t.push("other2", sleep_ms=9000)
    t.push("other3", sleep_ms=9000)
    for name in t.ledger.wishes:
        t.wait(name, "active")
    t.until(f"it has shown its {kind} connection", lambda: any(p.kind == kind for p in proxy.pairs))
    assert proxy.hole(kind) == 1
    lease_passes(2)
    _never_retried(t, *t.ledger.wishes)


def beats_in_a_black_hole(t: Trial) -> None:
    """11: a new connection renews the lease before it runs out."""
    _hole(t, "beats")


def commands_in_a_black_hole(t: Trial) -> None:
    """11: results are said again on a new connection."""
    _hole(t, "commands")


def blocker_in_a_black_hole(t: Trial) -> None:
    """10: a blocked peek that nobody will answer is given up."""
    proxy = t.proxy()
    t.workers(1, redis_url=proxy.url)
    t.until("it peeks", lambda: any(p.kind == "blocker" for p in proxy.pairs))
    assert proxy.hole("blocker") == 1
    began = time.monotonic()
    t.push("a")
    t.wait("a", "completed", patience_s=20)
    assert time.monotonic() - began < 18


def everything_in_a_black_hole(t: Trial) -> None:
    """13, from one side: a worker cut off in silence loses its jobs to another, and publishes nothing."""
    proxy = t.proxy()
    t.workers(1, redis_url=proxy.url)
    t.push("a", sleep_ms=1000)
    t.wait("a", "active")
    proxy.hole_all = True
    for pair in list(proxy.pairs):
        pair.hole = True
    t.workers(1)
    t.wait("a", "completed")
    proxy.hole_all = False
    for pair in list(proxy.pairs):
        pair.hole = False


def clock_an_hour_off(t: Trial) -> None:
    """15: forward may repeat work, backward may wait; no result is doubled, delays recover."""
    t.workers(2)
    before = int(t.bed("TIME")[0])
    t.bed.server.set_clock(3600)
    if int(t.bed("TIME")[0]) - before < 3000:
        raise NotApplicable("redis-server does not ask the preloaded clock (TIME did not jump)")
    t.bed.server.set_clock(0)
    t.push_many(10, sleep_ms=1500)
    t.push("delayed", fields={"run_at": time.time() + 8})
    for offset in (3600, -3600, 0):
        time.sleep(2)
        t.bed.server.set_clock(offset)
    t.push_many(5, "after")


def memory_full(t: Trial) -> None:
    """16: OOM: renders finish, results wait, nothing is lost."""
    t.workers(2)
    t.push_many(8, sleep_ms=1000)
    t.wait("n0", "active")
    t.bed("CONFIG", "SET", "maxmemory", "1")
    time.sleep(4)
    t.bed("CONFIG", "SET", "maxmemory", "0")
    t.push_many(4, "after")


def disk_full(t: Trial) -> None:
    """16: MISCONF: renders finish, results wait, nothing is lost."""
    t.workers(2)
    t.push_many(8, sleep_ms=1000)
    t.wait("n0", "active")
    t.bed.server.fill_disk()
    probe = ""
    for _ in range(40):
        try:
            with t.bed.connect() as db:
                db("SET", "probe", "x")
        except AWAY as error:
            probe = str(error)
            break
        time.sleep(0.1)
    if "MISCONF" not in probe:
        raise NotApplicable(f"a full disk was not noticed by redis-server (SET answered {probe or 'OK'})")
    time.sleep(3)
    t.bed.server.free_disk()
    t.until("Redis writes again", lambda: t.bed("SET", "probe", "y") == "OK")
    t.bed("DEL", "probe")
    t.push_many(4, "after")


def scripts_flushed(t: Trial) -> None:
    """17: NOSCRIPT is answered with the text."""
    t.workers(2)
    for i in range(15):
        t.push_many(2, f"n{i}-")
        t.bed("SCRIPT", "FLUSH")
    _never_retried(t, *t.ledger.wishes)


def flushed_all(t: Trial) -> None:
    """17: FLUSHALL in mid-render: what ran is dropped, and new jobs are done."""
    t.workers(2)
    t.push_many(2, "gone", sleep_ms=3000)
    for name in list(t.ledger.wishes):
        t.wait(name, "active")
    assert t.tail
    t.tail.stop()
    t.bed("FLUSHALL")
    t.ledger.wishes.clear()
    t.tail = checker.Tail(t.bed)
    t.tail.start()
    t.push_many(6, "new")


def indexes_deleted(t: Trial) -> None:
    """17: the indexes are made anew from the jobs."""
    with spawn([str(t.bed.manimd), "doctor", "--help"], stdout=subprocess.PIPE) as helper:
        text = helper.communicate()[0].decode()
    if "--repair" not in text:
        raise NotApplicable("`manimd doctor --help` knows no --repair")
    t.workers(1)
    t.push("running", sleep_ms=2500)
    t.push("running2", sleep_ms=2500)
    t.push("delayed", fields={"run_at": time.time() + 2})
    t.push_many(5, sleep_ms=100)
    for name in ("n4", "delayed"):
        t.wait(name, "queued", "delayed")
    t.bed("DEL", PREFIX + "ready", PREFIX + "delayed", PREFIX + "active")
    command = [str(t.bed.manimd), "doctor", "--queue", "--repair", f"--redis-url={t.bed.server.url}"]
    doctor = spawn(command, env=house.environment(), stdout=subprocess.DEVNULL)
    assert house.wait_exit(doctor) in (0, 1)
    _never_retried(t, "running", "running2")


def garbage_flood(t: Trial) -> None:
    """19: rubbish, 256 KiB of brackets, duplicates by the hundred: bounded, refused, and in nobody's way."""
    t.workers(2)
    t.push("first", sleep_ms=50)
    again = t.ledger.wishes["first"]
    pushed_ms: dict[str, float] = {}
    with t.bed.connect() as db:
        for i in range(400):
            db("LPUSH", PREFIX + "in", MALFORMED[i % len(MALFORMED)])
            db("LPUSH", PREFIX + "in", again.text)
            if i % 40 == 0:
                db("LPUSH", PREFIX + "in", "[" * 262144)
                db("LPUSH", PREFIX + "in", '{"id":"big","code":"' + "x" * 2000000 + '"}')
                pushed_ms[t.push(f"between{i}").id] = time.time() * 1000
    t.until("the inbox is worked off", lambda: all(x == "!" for x in t.bed("LRANGE", PREFIX + "in", 0, -1)), 60)
    assert t.count("rejected") >= 400 and t.count("duplicate") == 400
    assert t.bed("LLEN", PREFIX + "rejected") <= 1000
    waited_ms = [float(t.wait(name, "completed")["start"]) - at for name, at in pushed_ms.items()]
    assert max(waited_ms) < 5000, f"a good job had to wait for rubbish: {waited_ms}"
    for entry in t.bed("LRANGE", PREFIX + "rejected", 0, -1):
        assert json.loads(entry)["reason"] and len(entry) < 4096


def keys_of_the_wrong_kind(t: Trial) -> None:
    """Bad input: an inbox that is no list, hashes overwritten or half gone: said, and worked around."""
    member = t.workers(1)[0]
    t.bed("SET", PREFIX + "in", "no list")
    t.until("it says so", lambda: member.says("WRONGTYPE"))
    t.bed("DEL", PREFIX + "in")
    t.bed("SET", PREFIX + "job:odd", "no hash")
    t.bed("ZADD", PREFIX + "ready", 1, "odd", 2, "../../etc", 3, "nowhere")
    t.bed("LPUSH", PREFIX + "in", json.dumps({"id": "odd", "code": "x"}))
    t.push("whole", sleep_ms=50)
    t.wait("whole", "completed")
    t.bed("SET", PREFIX + "ev", "no stream")
    t.bed("SET", PREFIX + "stats", "no hash")
    t.bed("SET", PREFIX + "rejected", "no list")
    t.push("onlookers", sleep_ms=50)
    t.wait("onlookers", "completed")
    t.bed("DEL", PREFIX + "ev", PREFIX + "stats", PREFIX + "rejected", PREFIX + "job:odd")
    t.bed("ZREM", PREFIX + "ready", "../../etc")
    t.tail = None  # the stream was broken on purpose


KINDS_OF_KEY: dict[str, tuple[str, ...]] = {
    "string": ("SET", "KEY", "x" * 100_000), "list": ("RPUSH", "KEY", "a"), "set": ("SADD", "KEY", "a"),
    "zset": ("ZADD", "KEY", "1", "a"), "hash": ("HSET", "KEY", "a", "b"), "stream": ("XADD", "KEY", "*", "a", "b"),
}  # fmt: skip


def _overwrite(t: Trial, key: str, kind: str) -> None:
    """A key of ours holds something of another kind."""
    t.bed(*(PREFIX + key if word == "KEY" else word for word in KINDS_OF_KEY[kind]))


def every_key_of_every_kind(t: Trial) -> None:
    """Bad input: whatever a client may write over, as whatever: jobs go on, or wait until the named key is mended."""
    member = t.workers(1)[0]
    onlookers = {"log": "stream", "wait": "list", "cancel": "string"}
    for kind in KINDS_OF_KEY:
        for key, right in onlookers.items():
            if kind != right:
                _overwrite(t, f"{key}:{key}-{kind}", kind)
                may_be = DONE | {CANCELLED} if key == "cancel" else DONE  # any cancel:ID is a wish
                t.push(f"{key}-{kind}", may_be, fields={"notify": True})
    for name in list(t.ledger.wishes):
        t.wait(name, "completed", "cancelled")
        t.bed("DEL", *(f"{PREFIX}{key}:{name}" for key in onlookers))
    for key in ("ready", "delayed", "active", "dead", "hooks", "workers", "meta"):
        kind = t.random.choice([k for k in KINDS_OF_KEY if k not in ("zset", "hash")])
        t.until("nothing is under way", lambda: t.bed("ZCARD", PREFIX + "active") == 0)
        t.bed("DEL", PREFIX + key)
        _overwrite(t, key, kind)
        t.push(f"during-{key}", fields={"run_at": time.time() + 0.5} if key == "delayed" else {})
        if key in ("ready", "delayed", "active", "dead"):
            t.until(f"it names {key}", lambda: member.says(f'manimd:{{default}}:{key}\\" is a {kind}'))  # noqa: B023
        else:
            t.wait(f"during-{key}", "completed")
        assert member.alive
        t.bed("DEL", PREFIX + key)
        t.wait(f"during-{key}", "completed")


def half_a_hash(t: Trial) -> None:
    """Bad input: a waiting job without its text, a running one without its holder."""
    t.workers(1, slots=1)
    t.push("runs", frozenset({("completed", "completed"), ("dead", "host_error")}), sleep_ms=3000)
    t.wait("runs", "active")
    t.push("waits", frozenset({("dead", "host_error")}))
    t.wait("waits", "queued")
    t.bed("HDEL", f"{PREFIX}job:waits", "payload")
    t.bed("HDEL", f"{PREFIX}job:runs", "token", "beat", "worker")
    t.wait("waits", "dead")


def two_of_everything(t: Trial) -> None:
    """The same id pushed by many at once: one run, one end."""
    t.workers(2)
    job = t.push("same", sleep_ms=300)

    def again() -> None:
        for _ in range(40):
            t.bed("LPUSH", PREFIX + "in", job.text)

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.until("the inbox is worked off", lambda: all(x == "!" for x in t.bed("LRANGE", PREFIX + "in", 0, -1)))
    t.wait("same", "completed")
    assert t.count("active") == 1 and t.count("completed") == 1


def killed_by_signal_while_redis_is_away(t: Trial) -> None:
    """8 and 20: told to go while Redis is away: it goes, its job comes back by the lease."""
    t.workers(2)
    t.push_many(4, sleep_ms=3000)
    for name in t.ledger.wishes:
        t.wait(name, "active")
    t.bed.server.crash()
    members = list(t.bed.fleet.members)
    for member in members:
        member.signal(signal.SIGKILL)
    time.sleep(LEASE_MS / 1000)
    t.bed.server.start()


def conflict(t: Trial) -> None:
    """Another body under the same id: reported, and the first stands."""
    t.workers(1)
    first = t.push("mine", sleep_ms=200)
    t.bed("LPUSH", PREFIX + "in", Wish("mine", first.text.replace("manim", "other")).text)
    t.wait("mine", "completed")
    t.until("it is reported", lambda: t.count("conflict") == 1)
