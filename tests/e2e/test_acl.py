"""The ACL recipes of docs/queue.md, as they stand there, against a real Redis."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import house
import pytest
from conftest import WorkerMaker
from house import Queue, Redis, manimd
from resp import Resp, RespError

Q = house.QUEUE
OTHER = "manimd:{other}"
PAGE = house.ROOT / "docs" / "queue.md"

# What would forge, steal, destroy or look beyond the queue.
FORBIDDEN = [
    f"HSET {Q}:job:a state completed",
    f"HSET {Q}:job:a result {{}}",
    f"HDEL {Q}:job:a state",
    f"DEL {Q}:job:a",
    f"SET {Q}:job:a x",
    f"EXPIRE {Q}:job:a 1",
    f"RENAME {Q}:job:a {Q}:job:b",
    *(f"ZADD {Q}:{index} 1 a" for index in ("ready", "delayed", "active", "done", "dead", "hooks", "workers")),
    f"ZREM {Q}:active a",
    f"XADD {Q}:ev * event completed id a",
    f"XADD {Q}:log:a * progress {{}}",
    f"XTRIM {Q}:ev MAXLEN 0",
    f"LPUSH {Q}:wait:a {{}}",
    f"LPUSH {Q}:rejected x",
    f"LPUSH {Q}:cancel:a x",
    f"SET {Q}:in x",
    f"SET {Q}:wait:a x",
    f"RPOP {Q}:in",
    f"LRANGE {Q}:in 0 -1",
    f"BLPOP {Q}:in 1",
    f"DEL {Q}:in",
    f"HSET {Q}:meta proto 2",
    f"HSET {Q}:w:worker slots 9",
    f"GET {Q}:cancel:a",
    f"SET {Q}:cancel:a x GET",
    f"DEL {Q}:cancel:a",
    f"PUBLISH {Q}:pub:a x",
    f"SUBSCRIBE {OTHER}:pub:a",
    f"LPUSH {OTHER}:in x",
    f"SET {OTHER}:cancel:a 1",
    f"HGETALL {OTHER}:job:a",
    f"XREAD STREAMS {OTHER}:ev 0",
    f"BLPOP {OTHER}:wait:a 1",
    "SCAN 0",
    "KEYS *",
    "EVAL return(1) 0",
    "CONFIG GET *",
    "ACL LIST",
    "CLIENT LIST",
    "FLUSHALL",
]


def recipes() -> dict[str, list[str]]:
    """Every ACL SETUSER of the page: user to its words."""
    found = {}
    for block in re.findall(r"(?:^    .*\n)+", PAGE.read_text(), re.M):
        for command in re.split(r"(?=ACL SETUSER)", block):
            words = command.split()
            if words[:2] == ["ACL", "SETUSER"]:
                found[words[2]] = words
    return found


@pytest.fixture
def users(redis: Redis) -> dict[str, list[str]]:
    """The recipes, set in a Redis of which the default user is shut out of nothing."""
    found = recipes()
    assert set(found) == {"app", "app-push", "app-cancel", "app-read", "worker", "doctor"}
    if house.server_version() < (7, 0):
        del found["app"]  # it has brackets
    with redis.connect() as db:
        for words in found.values():
            assert db(*(word.replace("PASSWORD", "secret") for word in words)) == "OK"
        db("HSET", f"{OTHER}:job:a", "state", "queued")
        db("SET", f"{OTHER}:cancel:a", "1")
    return found


needs_brackets = pytest.mark.skipif(
    house.server_version() < (7, 0),
    reason="not applicable: ACL selectors came with Redis 7 (its --version says less)",
)


@contextmanager
def as_user(redis: Redis, name: str) -> Iterator[Resp]:
    """A connection that is this user's."""
    with redis.connect() as db:
        db("AUTH", name, "secret")
        yield db


def refused(db: Resp, command: str) -> bool:
    """Whether Redis refuses it for want of permission, and for nothing else."""
    try:
        db(*command.split())
    except RespError as error:
        return str(error).startswith("NOPERM")
    return False


def env(name: str) -> dict[str, str]:
    """What makes manimd this user."""
    return {"MANIMD_REDIS_USER": name, "MANIMD_REDIS_PASSWORD": "secret"}


@needs_brackets
def test_a_producer_pushes_cancels_and_follows(users: object, redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """All that docs/queue.md tells it to do, with a worker under its own recipe."""
    worker = start_worker(env=env("worker")).ready()
    job = queue.job()
    with as_user(redis, "app") as db:
        db("LPUSH", f"{Q}:in", json.dumps(job))
        assert json.loads(db("BLPOP", f"{Q}:wait:{job['id']}", 60)[1])["outcome"] == "completed"
        assert db.table("HGETALL", f"{Q}:job:{job['id']}")["state"] == "completed"
        assert db("HMGET", f"{Q}:job:{job['id']}", "state", "worker")[0] == "completed"
        assert db("XREAD", "COUNT", 10, "STREAMS", f"{Q}:ev", "0")
        db("XRANGE", f"{Q}:log:{job['id']}", "-", "+")
        assert db("SET", f"{Q}:cancel:later", "1", "EX", 86400) == "OK"
        later = queue.job(id="later")
        db("LPUSH", f"{Q}:in", json.dumps(later))
        assert json.loads(db("BLPOP", f"{Q}:wait:later", 60)[1])["outcome"] == "cancelled"
        assert db("SUBSCRIBE", f"{Q}:pub:later")[0] == "subscribe"
    assert worker.stop() == 0
    assert "NOPERM" not in worker.log.text() and "could not be checked" not in worker.log.text()


def test_a_producer_forges_nothing(users: dict[str, list[str]], redis: Redis) -> None:
    """Nor destroys, nor sees another queue."""
    for name in [name for name in users if name.startswith("app")]:
        with as_user(redis, name) as db:
            allowed = {command for command in FORBIDDEN if not refused(db, command)}
        # Without brackets, who may SET a wish may also read it: harmless.
        assert allowed == ({f"SET {Q}:cancel:a x GET"} if name == "app-cancel" else set()), name


def test_three_users_for_an_old_redis(users: object, redis: Redis) -> None:
    """Each can do its own part and not the others'."""
    push, cancel, read = f"LPUSH {Q}:in x", f"SET {Q}:cancel:a 1", f"HGETALL {Q}:job:a"
    for name, may in (("app-push", push), ("app-cancel", cancel), ("app-read", read)):
        with as_user(redis, name) as db:
            for command in (push, cancel, read):
                assert refused(db, command) == (command != may), (name, command)
    with as_user(redis, "app-read") as db:
        db("XREAD", "STREAMS", f"{Q}:ev", "0")
        db("XRANGE", f"{Q}:log:a", "-", "+")


@needs_brackets
def test_manimd_as_a_producer(users: object, redis: Redis, start_worker: WorkerMaker, tmp_path: Path) -> None:
    """`submit --wait` needs no more than a producer has."""
    start_worker(env=env("worker")).ready()
    file = tmp_path / "good.py"
    file.write_text(house.GOOD)
    done = manimd("submit", file, "--wait", "--width=128", "--height=72", "--fps=10", redis=redis, env=env("app"))
    assert done.returncode == 0, done
    refused_status = manimd("status", redis=redis, env=env("app"))
    assert refused_status.returncode == 3 and "permission" in refused_status.stderr.lower(), refused_status


def test_who_may_not_read_does_not_wait_for_ever(users: object, redis: Redis) -> None:
    """`watch` by a user who may only push."""
    watched = manimd("watch", "any", redis=redis, env=env("app-push"))
    assert watched.returncode == 3 and "permission" in watched.stderr.lower(), watched


def test_a_worker_reaches_its_queue_only(users: object, redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """Every transition that needs no luck, and the operator's commands; beyond it, nothing."""
    worker = start_worker(env=env("worker"), attempts=1).ready()
    bad, good = queue.push("import nothing_of_the_kind\n"), queue.push()
    assert queue.result(bad)["state"] == "failed" and queue.result(good)["state"] == "completed"
    queue.push_raw("nonsense")
    queue.push_raw(b"x" * 400000)
    queue.wait_rejected(2)
    for words in (("status",), ("status", good), ("list", "--state", "completed"), ("retry", bad), ("cancel", "not-yet")):
        done = manimd(*words, redis=redis, env=env("worker"))
        assert done.returncode in (0, 1) and "NOPERM" not in done.stderr, done
    assert queue.result(bad)["state"] == "failed"
    checked = manimd("doctor", "--queue", "--json", redis=redis, env=env("doctor"))
    assert checked.returncode == 0 and json.loads(checked.stdout)["found"] == 0, checked
    assert manimd("doctor", "--queue", redis=redis, env=env("worker")).returncode == 3
    assert worker.stop() == 0
    assert "NOPERM" not in worker.log.text() and "could not be checked" not in worker.log.text()
    beyond = [f"HSET {OTHER}:job:a state completed", f"HGETALL {OTHER}:job:a", f"PUBLISH {OTHER}:pub:a x"]
    beyond += ["FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "CONFIG SET maxmemory 1", "ACL LIST", "SHUTDOWN"]
    with as_user(redis, "worker") as db:
        assert [command for command in beyond if not refused(db, command)] == []
        script = "return redis.call('HGETALL', KEYS[1])"
        with pytest.raises(RespError, match="(?i)permission|NOPERM"):
            db("EVAL", script, 1, f"{OTHER}:job:a")
