"""SIGHUP: the configuration is read again, and what may change does."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import house
from conftest import WorkerMaker
from house import GOOD, Queue, Redis, Worker, manimd


def write(path: Path, **options: Any) -> None:
    """A manimd.conf."""
    path.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))


def reload(worker: Worker, says: str) -> str:
    """SIGHUP, and the line that it leads to."""
    after = worker.log.count()
    worker.signal(signal.SIGHUP)
    return worker.log.wait(says, after=after)


def courier_of(worker: Worker) -> int:
    """Its process id, 0 when there is none or more than one."""
    found = [pid for pid, command in house.descendants(worker.pid).items() if " courier " in command]
    return found[0] if len(found) == 1 else 0


def test_what_is_live_changes(directory: Path, queue: Queue, start_worker: WorkerMaker) -> None:
    """Maxima, defaults and the store: for the next jobs, without a restart."""
    conf, other = directory / "manimd.conf", directory / "other-store"
    other.mkdir()
    write(conf, max_timeout_s=3600, store_dir=directory / "w0" / "store")
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}, store_dir=None).ready()
    first = queue.run(timeout_s=600)
    assert first["outcome"] == "completed"
    assert list((directory / "w0" / "store").iterdir())

    write(conf, max_timeout_s=60, store_dir=other, log_level="debug")
    line = reload(worker, "changed from now on")
    assert "max_timeout_s" in line and "store_dir" in line and "log_level" in line
    refused = queue.run(timeout_s=600)
    assert refused["outcome"] == "source_rejected"
    assert "60" in refused["error"]["message"]
    second = queue.run(timeout_s=60)
    assert second["outcome"] == "completed"
    assert list(other.iterdir())
    assert "nothing to change" in reload(worker, "nothing to change")
    assert worker.stop() == 0


def test_what_the_machine_offers_is_still_told(
    directory: Path, redis: Redis, queue: Queue, start_worker: WorkerMaker
) -> None:
    """What the worker found of the sandbox at its start goes to the stages after a reload, too."""
    conf = directory / "manimd.conf"
    write(conf, max_timeout_s=3600)
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}).ready()
    write(conf, max_timeout_s=1800)
    reload(worker, "changed from now on")
    job_id = queue.push(GOOD.replace("self.wait(0.3)", "while True: pass"))
    queue.wait_state(job_id, "active")

    def environment() -> list[bytes] | None:
        stages = [pid for pid, command in house.descendants(worker.pid).items() if "stage render" in command]
        return Path(f"/proc/{stages[0]}/environ").read_bytes().split(b"\0") if stages else None

    told = house.until("its render stage runs", environment)
    assert any(word.startswith(b"MANIMD_STAGE_SANDBOX={") for word in told), told
    manimd("cancel", job_id, redis=redis)
    queue.wait_state(job_id, "cancelled")
    assert worker.stop() == 0


def test_what_is_not_live_is_named(directory: Path, queue: Queue, start_worker: WorkerMaker) -> None:
    """It needs a restart; the rest is taken all the same."""
    conf = directory / "manimd.conf"
    write(conf, attempts=3)
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}).ready()
    write(conf, attempts=5, zygote_jobs=2, queue="another", work_dir="/elsewhere", redis_url="redis://127.0.0.1:1")
    line = reload(worker, "need a restart")
    for name in ("zygote_jobs", "queue", "work_dir"):
        assert name in line
    assert "redis_url" not in line  # the command line has the word
    assert "worker_name" not in line and "attempts" not in line
    worker.log.wait("changed from now on: attempts")
    assert queue.run()["outcome"] == "completed"
    assert "another" not in house.manimd("status", redis=queue.redis).stdout


def test_a_wrong_one_changes_nothing(directory: Path, queue: Queue, start_worker: WorkerMaker) -> None:
    """All of the old one stays, and the sentence is in the log."""
    conf = directory / "manimd.conf"
    write(conf, max_timeout_s=3600)
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}).ready()
    for text, says in (
        ("max_timeout_s = 60\nattempts = many\n", "attempts"),
        ("max_timeout_s = 60\nno_such_thing = 1\n", "no_such_thing"),
        ("max_timeout_s = 60\ns3_bucket = both\n", "store_dir and s3_bucket are both set"),
        ("max_timeout_s = 60\nwebhook_secret = short\n", "webhook"),
    ):
        conf.write_text(text)
        assert says in reload(worker, "stays as it was")
        assert queue.run(timeout_s=600)["outcome"] == "completed"
    conf.unlink()
    assert str(conf) in reload(worker, "stays as it was")
    assert worker.stop() == 0


def test_another_courier_for_new_webhook_settings(directory: Path, start_worker: WorkerMaker) -> None:
    """Only when they changed; the secret is in no line."""
    conf = directory / "manimd.conf"
    write(conf, attempts=3)
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}).ready()

    first = house.until("a courier is there", lambda: courier_of(worker))
    write(conf, attempts=4)
    reload(worker, "changed from now on: attempts")
    assert courier_of(worker) == first
    secret = "whsec_" + "QUJD" * 11
    write(conf, attempts=4, webhook_secret=secret)
    reload(worker, "changed from now on: webhook_secret")
    house.until("another courier is there", lambda: courier_of(worker) not in (0, first))
    assert worker.stop() == 0
    assert secret not in worker.log.text()
    assert "starting another" not in worker.log.text()


def test_while_the_last_things_are_put_away(directory: Path, redis: Redis, start_worker: WorkerMaker) -> None:
    """A worker that has drained and only waits for its courier has nobody left to tell."""
    conf = directory / "manimd.conf"
    write(conf, max_timeout_s=3600)
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}).ready()
    courier = house.until("a courier is there", lambda: courier_of(worker))

    def connections() -> int:
        clients = redis.cli("CLIENT", "LIST")
        return clients.count(" name=manimd:") - clients.count(" name=manimd:courier")

    assert connections() == 3
    os.kill(courier, signal.SIGSTOP)
    try:
        worker.signal(signal.SIGTERM)
        house.until("its queue is closed", lambda: connections() == 0)
        write(conf, max_timeout_s=1800)
        reload(worker, "changed from now on: max_timeout_s")
    finally:
        os.kill(courier, signal.SIGCONT)
    assert house.wait_exit(worker.process) == 0


def test_while_it_starts(directory: Path, redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """A worker that still waits for its Redis: its stages are told, too."""
    conf, other = directory / "manimd.conf", directory / "other-store"
    other.mkdir()
    write(conf, store_dir=directory / "w0" / "store")
    redis.stop()
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}, store_dir=None)
    worker.log.wait("the queue is away")
    write(conf, store_dir=other)
    reload(worker, "changed from now on: store_dir")
    redis.start()
    worker.ready()
    assert queue.run()["outcome"] == "completed"
    assert list(other.iterdir())
    assert worker.stop() == 0
