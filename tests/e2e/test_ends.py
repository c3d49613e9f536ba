"""The worker ends in mid-render, in every way; a disk that is full."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import house
import pytest
from conftest import WorkerMaker
from house import GOOD, Queue, Worker

PAUSE = "import time; time.sleep(0.1); self.play(square.animate.rotate(1), run_time=0.2)"
LONGER = GOOD.replace("self.wait(0.3)", f"for _ in range(40): {PAUSE}")
ENDLESS = GOOD.replace("self.wait(0.3)", f"while True: {PAUSE}")


def rendering(queue: Queue, job_id: str) -> None:
    """Wait until a job is seen to make frames."""
    house.until(f"{job_id} renders", lambda: queue.hash(job_id).get("progress"))


def test_sigterm_lets_the_running_job_finish(queue: Queue, start_worker: WorkerMaker) -> None:
    """Drain: no new job, the running one to its end, exit 0."""
    worker = start_worker().ready()
    job_id = queue.push(LONGER)
    rendering(queue, job_id)
    worker.signal(signal.SIGTERM)
    worker.log.wait("(?i)drain|stopping|finish")
    waiting = queue.push()
    assert queue.result(job_id)["outcome"] == "completed"
    assert worker.stop() == 0
    assert queue.hash(waiting).get("state") in (None, "queued")
    start_worker().ready()
    assert queue.result(waiting)["outcome"] == "completed"
    queue.check(job_id, waiting)


def test_sigterm_without_patience_gives_the_job_back(queue: Queue, start_worker: WorkerMaker) -> None:
    """Released with its attempt refunded; the next worker does it."""
    worker = start_worker(drain_timeout_s=0).ready()
    job_id = queue.push(LONGER)
    rendering(queue, job_id)
    assert worker.stop(20) == 0
    told = queue.hash(job_id)
    assert told["state"] == "queued" and told["attempt"] == "0" and told.get("crashes", "0") == "0", told
    start_worker().ready()
    result = queue.result(job_id)
    assert (result["outcome"], result["attempt"]) == ("completed", 1)
    queue.check(job_id)


def test_a_second_sigterm_gives_it_back_at_once(queue: Queue, start_worker: WorkerMaker) -> None:
    """An operator who asks twice means it."""
    worker = start_worker().ready()
    job_id = queue.push(ENDLESS)
    rendering(queue, job_id)
    worker.signal(signal.SIGTERM)
    worker.log.wait("(?i)drain|stopping|finish")
    assert worker.stop(20) == 0
    assert queue.hash(job_id)["state"] == "queued"


def test_a_killed_worker_loses_no_job(queue: Queue, start_worker: WorkerMaker) -> None:
    """SIGKILL in mid-render: after the lease, another worker completes; one completion."""
    first = start_worker(lease_ms=1500).ready()
    second = start_worker(lease_ms=1500).ready()
    ids = [queue.push(LONGER), queue.push(LONGER)]
    for job_id in ids:
        rendering(queue, job_id)
    first.kill()
    for job_id in ids:
        assert queue.result(job_id)["outcome"] == "completed"
    crashes = sorted(int(queue.hash(job_id).get("crashes", 0)) for job_id in ids)
    assert crashes == [0, 1]
    queue.check(*ids)
    for job_id in ids:
        done = [e for e in queue.events() if e.get("id") == job_id and e["event"] == "completed"]
        assert len(done) == 1
    assert second.process.poll() is None


def test_a_killed_worker_leaves_no_process(queue: Queue, start_worker: WorkerMaker) -> None:
    """What it started ends with it: zygote, keeper, scene and encoder."""
    worker = start_worker(lease_ms=1500, slots=2).ready()
    for job_id in [queue.push(ENDLESS), queue.push(ENDLESS)]:
        rendering(queue, job_id)
    worker.kill()


def test_a_job_that_kills_its_workers_is_buried(queue: Queue, start_worker: WorkerMaker) -> None:
    """After `crashes` lost workers it is dead, not tried for ever."""
    job_id = queue.push(ENDLESS)
    for attempt in ("1", "2"):
        worker = start_worker(lease_ms=500, crashes=1).ready()
        queue.wait_event(lambda e: e.get("id") == job_id and e.get("attempt") == attempt)
        worker.kill()
    start_worker(lease_ms=500, crashes=1).ready()
    result = queue.result(job_id)
    assert (result["state"], result["outcome"]) == ("dead", "worker_lost"), result
    assert queue.run()["outcome"] == "completed"
    queue.check(job_id)


def test_the_zygote_is_killed(queue: Queue, worker: Worker) -> None:
    """A dead warm interpreter costs an import, not a job."""
    assert queue.run()["outcome"] == "completed"
    pythons = [pid for pid, command in house.descendants(worker.pid).items() if "python" in command]
    assert pythons, "no warm interpreter"
    for pid in pythons:
        os.kill(pid, signal.SIGKILL)
    for _ in range(2):
        assert queue.run()["outcome"] == "completed"


@pytest.fixture
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    path = directory / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "manimd-e2e", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"not applicable: a small disk: mount -t tmpfs says: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk(small_disk: Path, queue: Queue, start_worker: WorkerMaker) -> None:
    """Ours, not the scene's: tried again, then dead with a sentence; well when there is room."""
    work = small_disk / "work"
    work.mkdir(mode=0o711)
    filler = small_disk / "filler"
    worker = start_worker(work_dir=work, attempts=2).ready()
    assert queue.run()["outcome"] == "completed"
    house.until("its directory is gone", lambda: not list(work.iterdir()))
    with filler.open("wb") as out, pytest.raises(OSError, match="No space"):
        while True:
            out.write(b"x" * 65536)
            out.flush()
    result = queue.run()
    assert (result["state"], result["outcome"]) == ("dead", "host_error"), result
    assert re.search("(?i)no space|disk", result["error"]["message"]), result["error"]
    filler.unlink()
    assert queue.run()["outcome"] == "completed"
    worker.stop()
