"""The global checker: what must be true when everything has healed.

`violations()` looks at a Redis, a store, directories and processes, and says
in one sentence each what is wrong; nothing is right is the empty list. That it
sees each kind of wrong is tested by selftest.py.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import hooks
from bed import AWAY, PREFIX, Bed, Resp, house
from jobs import Ledger, Wish

TERMINAL = {"completed", "failed", "cancelled", "dead"}
INDEXES = ("ready", "delayed", "active", "done", "dead")
DONE_KEPT = 10000  # the product's bound of `done`
EXPECTED_KEYS = {"done", "dead", "ev", "rejected", "stats", "workers", "in", "hooks", "meta"}
EXPIRING_KEYS = ("job:", "log:", "wait:", "cancel:", "w:", "hook:")


class Tail(threading.Thread):
    """Reads the event stream from its beginning, across every fault."""

    def __init__(self, bed: Bed) -> None:
        super().__init__(daemon=True)
        self.bed = bed
        self.ends: dict[str, list[tuple[str, str]]] = {}  # id → (stream id, event), since it was queued last
        self.lives: Counter[str] = Counter()  # id → how often an operator queued it again
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.last = "0"
        self._ending = threading.Event()

    def run(self) -> None:
        """Until told to stop."""
        while not self._ending.is_set():
            try:
                with self.bed.connect(5) as db:
                    while not self._ending.is_set():
                        self._read(db)
            except AWAY:
                self._ending.wait(0.05)

    def _read(self, db: Resp) -> None:
        answer = db("XREAD", "COUNT", 1000, "BLOCK", 100, "STREAMS", PREFIX + "ev", self.last)
        for at, fields in answer[0][1] if answer else []:
            event = dict(zip(fields[::2], fields[1::2], strict=True))
            self.counts[event["event"]] += 1
            if event["event"] in TERMINAL:
                self.ends.setdefault(event["id"], []).append((at, event["event"]))
            if "requeued" in event:
                before = self.ends.pop(event["id"], [])
                self.lives[event["id"]] += 1
                if len(before) != 1:
                    self.wrong.append(f"doubled: {event['id']} had ended {len(before)} times when queued again: {before}")
            self.last = at

    def caught_up(self) -> bool:
        """Whether it has read the newest event."""
        newest = self.bed("XREVRANGE", PREFIX + "ev", "+", "-", "COUNT", 1)
        return not newest or newest[0][0] == self.last

    def stop(self) -> None:
        """Read to the end, then stop."""
        house.until("the tail has caught up", self.caught_up, 20)
        self._ending.set()
        self.join()


@dataclass
class Snapshot:
    """All that the queue's keys say, at a time of peace."""

    indexes: dict[str, set[str]] = field(default_factory=dict)
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    inbox: list[str] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)  # name without prefix → TTL
    waits: dict[str, int] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)  # webhooks

    @classmethod
    def take(cls, bed: Bed) -> Snapshot:
        """Read everything."""
        with bed.connect(60) as db:
            keys = many(db, [("TTL", key) for key in scan(db)])
            names = {key[1].removeprefix(PREFIX): ttl for key, ttl in keys}
            jobs = [n.removeprefix("job:") for n in names if n.startswith("job:")]
            hashes = {i: pairs(r) for (_, i), r in zip(
                [("", i) for i in jobs], (r for _, r in many(db, [("HGETALL", f"{PREFIX}job:{i}") for i in jobs])),
                strict=True)}
            waits = [n for n in names if n.startswith("wait:")]
            lengths = many(db, [("LLEN", PREFIX + n) for n in waits])
            return cls(
                indexes={i: set(db("ZRANGE", PREFIX + i, 0, -1)) for i in INDEXES},
                hashes=hashes,
                inbox=[t for t in db("LRANGE", PREFIX + "in", 0, -1) if t != "!"],
                keys=names,
                owed=set(db("ZRANGE", PREFIX + "hooks", 0, -1)),
                waits={n.removeprefix("wait:"): r for n, (_, r) in zip(waits, lengths, strict=True)},
            )


def scan(db: Resp) -> list[str]:
    """Every key there is."""
    found, cursor = [], "0"
    while True:
        cursor, keys = db("SCAN", cursor, "COUNT", 1000)
        found += keys
        if cursor == "0":
            return sorted(set(found))


def many(db: Resp, commands: list[tuple[Any, ...]]) -> list[tuple[tuple[Any, ...], Any]]:
    """Many commands at once; each with its reply."""
    replies = []
    for at in range(0, len(commands), 500):
        part = commands[at : at + 500]
        for command in part:
            db.send(*command)
        replies += [(command, db.read()) for command in part]
    return replies


def pairs(flat: list[str]) -> dict[str, str]:
    """HGETALL's answer as a table."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


# ── the rules ─────────────────────────────────────────────────────────────


def of_job(seen: Snapshot, job: Wish) -> list[str]:
    """A job's hash, its index, its outcome."""
    found = seen.hashes.get(job.id)
    where = [i for i in INDEXES if job.id in seen.indexes[i]]
    if not found:
        return [f"lost: {job.id} ({job.kind}) was acknowledged and is nowhere"]
    state, outcome = found.get("state", "nothing"), found.get("outcome", "")
    wrong = []
    if state not in TERMINAL:
        wrong.append(f"unfinished: {job.id} ({job.kind}) is {state}")
    elif (state, outcome) not in job.may_be:
        error = json.loads(found.get("result") or "{}").get("error")
        wrong.append(f"outcome: {job.id} ({job.kind}) is {state}/{outcome}, crashes {found.get('crashes')}, {error}")
    home = {"dead": "dead", "queued": "ready", "active": "active", "delayed": "delayed", "retrying": "delayed"}
    if where != [home.get(state, "done")] and not (not where and len(seen.indexes["done"]) >= DONE_KEPT):
        wrong.append(f"index: {job.id} is {state} and stands in {where}")
    if job.id in seen.waits and seen.waits[job.id] != 1:
        wrong.append(f"notice: wait:{job.id} has {seen.waits[job.id]} entries")
    return wrong


def of_result(bed: Bed, job_id: str, found: dict[str, str]) -> list[str]:
    """Its pointer resolves, and to what it says."""
    if found.get("state") != "completed":
        return []
    wrong = []
    result = json.loads(found.get("result") or "{}")
    if not result.get("outputs"):
        wrong.append(f"pointer: {job_id} is completed and names no output")
    for output in result.get("outputs", []):
        path = bed.store / output["key"]
        if not path.is_file():
            wrong.append(f"pointer: {job_id} points to {output['key']}, which is not there")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != output["sha256"]:
            wrong.append(f"object: {output['key']} is not what {job_id}'s result says")
    return wrong


def of_events(seen: Snapshot, tail: Tail) -> list[str]:
    """At most one end is told of each job, and the one that its hash has."""
    wrong = list(tail.wrong)
    for job_id, ends in tail.ends.items():
        if len(ends) > 1:
            wrong.append(f"doubled: {job_id} ended {len(ends)} times: {ends}")
        state = seen.hashes.get(job_id, {}).get("state")
        if state and state != ends[-1][1]:
            wrong.append(f"event: {job_id} is {state} and {ends[-1][1]} was told")
    return wrong


def of_leftovers(bed: Bed, seen: Snapshot) -> list[str]:
    """Nothing is left over: no lease, no input, no key, no directory, no process."""
    wrong = [f"left: {i} is held in {n}" for n in ("active", "ready", "delayed") for i in sorted(seen.indexes[n])]
    wrong += [f"left: {len(seen.inbox)} in the inbox: {seen.inbox[0][:80]!r}"] if seen.inbox else []
    for name, ttl in seen.keys.items():
        if name.startswith(EXPIRING_KEYS):
            if ttl < 0:
                wrong.append(f"left: key {name} never expires")
        elif name not in EXPECTED_KEYS:
            wrong.append(f"left: key {name} is none of ours")
    wrong += [f"left: {n} stands in an index without a hash: {i}" for n in INDEXES
              for i in sorted(seen.indexes[n] - set(seen.hashes))][:5]
    for root in (bed.work, bed.tmp):
        wrong += [f"left: {path}" for path in sorted(root.iterdir())]
    wrong += [f"left: process {pid}: {command}" for pid, command in bed.processes().items()]
    wrong += [f"left: {path}" for path in bed.store.rglob("*") if re.search(r"\.part|\.tmp|/\.", str(path))]
    return wrong


def settle(bed: Bed, ledger: Ledger, patience_s: float) -> None:
    """Wait until every acknowledged job is terminal and the inbox is empty."""
    waiting = dict(ledger.wishes)
    deadline = time.monotonic() + patience_s
    while waiting and time.monotonic() < deadline:
        with bed.connect(60) as db:
            states = many(db, [("HGET", f"{PREFIX}job:{i}", "state") for i in waiting])
        for (_, key, _), state in states:
            if state in TERMINAL:
                del waiting[key.removeprefix(f"{PREFIX}job:")]
        time.sleep(0.1)
    inbox = lambda: all(t == "!" for t in bed("LRANGE", PREFIX + "in", 0, -1))  # noqa: E731
    if not waiting:
        house.until("the inbox is empty", inbox, 30)
    while not waiting and int(bed("ZCARD", PREFIX + "hooks")) and time.monotonic() < deadline:
        time.sleep(0.1)  # what is owed then, the checker names


def violations(bed: Bed, ledger: Ledger, tail: Tail | None = None) -> list[str]:
    """All that is wrong. Call it when the fleet has stopped."""
    seen = Snapshot.take(bed)
    wrong = [v for job in ledger.wishes.values() for v in of_job(seen, job)]
    wrong += [v for i, found in seen.hashes.items() for v in of_result(bed, i, found)]
    wrong += of_events(seen, tail) if tail else []
    wrong += hooks.of_hooks(bed.receiver, seen.hashes, seen.owed, tail.lives if tail else {})
    wrong += of_leftovers(bed, seen)
    wrong += [f"death: {death}" for death in bed.fleet.deaths]
    return wrong
