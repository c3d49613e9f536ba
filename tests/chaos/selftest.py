"""Does the checker see? Each violation is planted, and must be named."""

from __future__ import annotations

import base64
import copy
import hmac
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import checker
import hooks
from bed import PREFIX, house, spawn
from trial import Trial


def _object(t: Trial) -> Path:
    return t.bed.store / str(json.loads(t.hash("a")["result"])["outputs"][0]["key"])


def _second_completion(t: Trial) -> None:
    t.bed("XADD", PREFIX + "ev", "*", "event", "completed", "id", "a", "at", "1")


def _other_event(t: Trial) -> None:
    t.bed("HSET", f"{PREFIX}job:a", "state", "failed", "outcome", "scene_error")


def _process(t: Trial) -> None:
    spawn(["tail", "-f", str(t.bed.directory / "w0.log")], stdout=subprocess.DEVNULL)


def _hook(t: Trial, body: bytes, secret: str = hooks.SECRET, message: str = "msg_other") -> None:
    """A webhook that no courier of ours sent."""
    stamp = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{message}.{stamp}.".encode() + body, "sha256")).decode()
    headers = {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
    assert t.bed.receiver
    t.bed.receiver.note(headers, body)


ABOUT_A = b'{"type":"job.completed","data":{"id":"a"}}'
PLANTS: list[tuple[str, str, Callable[[Trial], object]]] = [
    ("lost", "a job's hash is gone", lambda t: t.bed("DEL", f"{PREFIX}job:a")),
    ("unfinished", "a job is still queued", lambda t: t.bed("HSET", f"{PREFIX}job:a", "state", "queued")),
    ("index", "in no index", lambda t: t.bed("ZREM", PREFIX + "done", "a")),
    ("index", "in two indexes", lambda t: t.bed("ZADD", PREFIX + "dead", 1, "a")),
    ("index", "in the wrong one", lambda t: t.bed("HSET", f"{PREFIX}job:a", "state", "dead")),
    ("outcome", "another outcome than may be", lambda t: t.bed("HSET", f"{PREFIX}job:a", "outcome", "expired")),
    ("doubled", "two completion events", _second_completion),
    ("event", "the hash and the event differ", _other_event),
    ("pointer", "the object is gone", lambda t: _object(t).unlink()),
    ("pointer", "no output is named", lambda t: t.bed("HSET", f"{PREFIX}job:a", "result", "{}")),
    ("object", "the object is another", lambda t: _object(t).write_bytes(b"another")),
    ("notice", "two notices", lambda t: t.bed("RPUSH", f"{PREFIX}wait:a", "1", "2")),
    ("hook", "one is owed", lambda t: t.bed("ZADD", PREFIX + "hooks", 1, "a")),
    ("hook", "given up", lambda t: t.bed("HSET", f"{PREFIX}job:a", "hook", "given up")),
    ("hook", "never came", lambda t: t.bed("HSET", f"{PREFIX}job:a", "hookid", "msg_none")),
    ("hook", "under two ids", lambda t: _hook(t, ABOUT_A)),
    ("hook", "another body", lambda t: _hook(t, ABOUT_A, message=t.hash("a")["hookid"])),
    ("hook", "not ours", lambda t: _hook(t, ABOUT_A, "whsec_" + "QUJD" * 11, t.hash("a")["hookid"])),
    ("left", "a lease", lambda t: t.bed("ZADD", PREFIX + "active", 1, "a")),
    ("left", "an id without a job", lambda t: t.bed("ZADD", PREFIX + "done", 1, "b")),
    ("left", "input", lambda t: t.bed("LPUSH", PREFIX + "in", "{}")),
    ("left", "a key of nobody's", lambda t: t.bed("SET", PREFIX + "oversize", "x")),
    ("left", "a key that never expires", lambda t: t.bed("PERSIST", f"{PREFIX}job:a")),
    ("left", "a directory", lambda t: (t.bed.work / "a.12345678").mkdir()),
    ("left", "a file half stored", lambda t: (t.bed.store / "x.part").touch()),
    ("left", "a process", _process),
    ("death", "a worker died", lambda t: t.bed.fleet.deaths.append("w0 ended with -11")),
]


def checker_sees(t: Trial) -> None:
    """Plant each violation in a world that was well, and take it back."""
    receiver = t.bed.receive()
    t.workers(1)
    t.push("a", fields={"notify": True, "webhook": receiver.url})
    t.until("its webhook came", lambda: t.hash("a").get("hook") == "delivered")
    t.bed.fleet.stop()
    assert t.tail
    t.tail.stop()
    for key in t.bed("KEYS", "*"):
        t.bed("COPY", key, key, "DB", 1)
    path = _object(t)
    data = path.read_bytes()
    assert checker.violations(t.bed, t.ledger, t.tail) == []
    heard = copy.deepcopy(receiver.heard)
    missed = []
    for word, what, plant in PLANTS:
        plant(t)
        tail = checker.Tail(t.bed)
        tail.start()
        tail.stop()
        found = checker.violations(t.bed, t.ledger, tail)
        if not any(v.startswith(word + ":") for v in found):
            missed.append(f"{word} ({what}): {found}")
        _take_back(t, path, data)
        receiver.heard, receiver.wrong = copy.deepcopy(heard), []
    assert not missed, "\n".join(missed)


def _take_back(t: Trial, path: Path, data: bytes) -> None:
    """Everything as it was."""
    with t.bed.connect() as db:
        db("FLUSHDB")
        db("SELECT", 1)
        for key in db("KEYS", "*"):
            db("COPY", key, key, "DB", 0)
    path.write_bytes(data)
    for left in [*t.bed.work.iterdir()]:
        left.rmdir()
    for left in t.bed.store.glob("*.part"):
        left.unlink()
    for pid in t.bed.processes():
        os.kill(pid, signal.SIGKILL)
    house.until("nothing runs", lambda: not t.bed.processes())
    t.bed.fleet.deaths.clear()
