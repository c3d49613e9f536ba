"""Redis away: at the start, for a while, for a minute; and a Redis that is wrong."""

from __future__ import annotations

import signal
import threading
import time

import house
import pytest
from conftest import WorkerMaker
from house import GOOD, Queue, Redis

PAUSE = "import time; time.sleep(0.1); self.play(square.animate.rotate(1), run_time=0.2)"
OUTLAST = f"        while time.monotonic() - began < 75: {PAUSE}".replace("import time; ", "")
LONGER = GOOD.replace("self.wait(0.3)", f"for _ in range(40): {PAUSE}")


def test_redis_absent_at_start(redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """The worker says so, waits, and works when it comes."""
    redis.stop()
    worker = start_worker()
    worker.log.wait(r"(?i)redis.*(refused|connect|no such file|down)")
    assert worker.process.poll() is None
    redis.start()
    result = queue.run()
    assert result["outcome"] == "completed"
    queue.check(result["id"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_redis_restarts_in_mid_render(
    how: signal.Signals, redis: Redis, queue: Queue, start_worker: WorkerMaker
) -> None:
    """The render goes on while Redis is away; its result is published after."""
    start_worker(lease_ms=1500).ready()
    job_id = queue.push(LONGER)
    queue.wait_state(job_id, "active")
    house.until("progress", lambda: queue.hash(job_id).get("progress"))
    redis.stop(how)
    redis.start()
    result = queue.result(job_id)
    assert result["outcome"] == "completed"
    queue.check(job_id, queue.run()["id"])
    completed = [e for e in queue.events() if e["event"] == "completed" and e["id"] == job_id]
    assert len(completed) == 1


@pytest.mark.slow
def test_redis_away_for_a_minute_in_mid_render(redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """Away for twice the default lease while a scene renders on: it commits, once, nothing lost."""
    worker = start_worker().ready()
    job_id = queue.push(GOOD.replace("self.wait(0.3)", f"import time; began = time.monotonic()\n{OUTLAST}"))
    queue.wait_state(job_id, "active")
    house.until("progress", lambda: queue.hash(job_id).get("progress"))
    redis.stop(signal.SIGKILL)
    began = time.monotonic()
    while (left := began + 60 - time.monotonic()) > 0:  # the fault itself is a stretch of time
        assert worker.process.poll() is None
        threading.Event().wait(min(left, 1))
    assert worker.slot_processes(), "the render went on without Redis"
    redis.start()
    result = queue.result(job_id)
    assert (result["outcome"], result["attempt"]) == ("completed", 1), result
    assert result["timings_ms"]["render"] > 60_000
    second = queue.push()
    assert queue.result(second)["outcome"] == "completed"
    queue.check(job_id, second)
    completed = [e for e in queue.events() if e["event"] == "completed" and e["id"] == job_id]
    assert len(completed) == 1
    assert len(list((worker.store / job_id).iterdir())) == 1


def test_stopping_while_redis_is_away(redis: Redis, start_worker: WorkerMaker) -> None:
    """SIGTERM ends an idle worker though nobody answers."""
    worker = start_worker().ready()
    redis.stop()
    worker.stop(20)
    redis.start()


def test_every_connection_is_cut(redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """CLIENT KILL again and again while jobs run."""
    start_worker(slots=2).ready()
    ids = [queue.push() for _ in range(6)]
    with redis.connect() as db:
        for _ in range(20):
            db("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            db("WAIT", 1, 50)  # nobody replicates: a pause of 50 ms
    for job_id in ids:
        assert queue.result(job_id)["outcome"] == "completed"
    queue.check(*ids)


def test_scripts_are_flushed(redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """NOSCRIPT is answered by sending the script again."""
    start_worker().ready()
    with redis.connect() as db:
        db("SCRIPT", "FLUSH")
    assert queue.run()["outcome"] == "completed"


def test_an_evicting_redis_is_refused(redis: Redis, start_worker: WorkerMaker) -> None:
    """It would throw jobs away: the sentence says how to mend it."""
    with redis.connect() as db:
        db("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
    worker = start_worker()
    worker.log.wait("noeviction")
    assert house.wait_exit(worker.process) == 2


def test_a_wrong_password_is_named_and_never_shown(redis: Redis, start_worker: WorkerMaker) -> None:
    """Told apart from Redis being away: the start is refused."""
    with redis.connect() as db:
        db("CONFIG", "SET", "requirepass", "open-sesame")
    worker = start_worker(env={"MANIMD_REDIS_PASSWORD": "hunter2-wrong"})
    worker.log.wait("WRONGPASS")
    assert house.wait_exit(worker.process) == 2
    assert "hunter2" not in worker.log.join()
    worker.assert_nothing_left()
    with house.Resp(redis.socket) as db:
        db("AUTH", "open-sesame")
        db("CONFIG", "SET", "requirepass", "")


def test_stopping_while_it_starts(redis: Redis, start_worker: WorkerMaker) -> None:
    """SIGTERM before the first answer of Redis leaves nothing behind either."""
    redis.stop()
    worker = start_worker()
    worker.log.wait("(?i)away")
    assert worker.stop(20) == 0
    redis.start()
