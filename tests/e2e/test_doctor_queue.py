"""`manimd doctor --queue`: names what disagrees, mends it, while a worker runs."""

from __future__ import annotations

import json
from typing import Any

import house
from house import Queue, Redis, Worker, manimd

Q = house.QUEUE


def check(redis: Redis, *more: str) -> tuple[int, dict[str, Any]]:
    """The exit and the report."""
    done = manimd("doctor", "--queue", *more, "--json", redis=redis)
    return done.returncode, json.loads(done.stdout)


def test_names_then_mends(redis: Redis, queue: Queue, worker: Worker) -> None:
    """For people and for machines; a second look is clean, the jobs are rendered."""
    done = queue.push()
    queue.result(done)
    assert check(redis)[0] == 0
    with redis.connect() as db:
        db("DEL", f"{Q}:done")
        db("ZADD", f"{Q}:ready", 1, "ghost")
        db("HSET", f"{Q}:job:lost", "state", "queued", "payload", json.dumps(queue.job(id="lost")), "enq", 1, "notify", 1)
    code, report = check(redis)
    named = {one["id"]: one["damage"] for one in report["findings"]}
    assert code == 3 and named[done] == ["not_indexed"] and "not_indexed" in named["lost"]
    assert named.get("ghost", ["no_job"]) == ["no_job"]  # a claim may have found it before
    people = manimd("doctor", "--queue", redis=redis)
    assert people.returncode == 3 and f"found   job:{done}  not_indexed" in people.stdout
    assert "--repair" in people.stdout
    code, report = check(redis, "--repair")
    assert code == 0 and report["mended"] == report["found"] >= 2 and report["left"] == 0
    assert queue.result("lost")["outcome"] == "completed"
    code, report = check(redis)
    assert code == 0 and report["found"] == 0 and report["jobs"] == 2
    assert "all agree" in manimd("doctor", "--queue", redis=redis).stdout
    queue.check(done, "lost")


def test_another_queue_and_usage(redis: Redis) -> None:
    """--queue is the check, --queue=NAME the queue; --repair alone is a mistake."""
    with redis.connect() as db:
        db("ZADD", "manimd:{other}:ready", 1, "ghost")
    assert check(redis)[0] == 0
    code, report = check(redis, "--queue=other")
    assert code == 3 and report["queue"] == "other"
    assert report["findings"] == [
        {"key": "job:ghost", "id": "ghost", "state": None, "damage": ["no_job"], "text": report["findings"][0]["text"], "done": "found"}
    ]
    done = manimd("doctor", "--repair", redis=redis)
    assert done.returncode == 2 and "--queue" in done.stderr
    redis.stop()
    gone = manimd("doctor", "--queue", redis=redis)
    assert gone.returncode == 3 and "r.sock" in gone.stderr
    redis.start()


def test_an_unfit_redis_is_named(redis: Redis) -> None:
    """The doctor says what would stop a worker."""
    with redis.connect() as db:
        db("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        told = json.loads(manimd("doctor", "--json", redis=redis).stdout)["redis"]
        assert told["state"] == "failed" and "noeviction" in told["detail"]
        db("CONFIG", "SET", "maxmemory-policy", "noeviction")
        db("HSET", f"{Q}:meta", "proto", "2")
        told = json.loads(manimd("doctor", "--json", redis=redis).stdout)["redis"]
        assert told["state"] == "failed" and "protocol" in told["detail"]


def test_a_worker_refuses_another_protocol(redis: Redis, queue: Queue, start_worker: Any) -> None:
    """It exits with the sentence, and the job stays."""
    with redis.connect() as db:
        db("HSET", f"{Q}:meta", "proto", "2")
        queue.push()
        worker = start_worker()
        assert house.wait_exit(worker.process) in (2, 3)
        assert 'protocol "2"' in worker.log.join()
        worker.assert_nothing_left()
        assert db("LLEN", f"{Q}:in") == 1
        db("DEL", f"{Q}:in")
