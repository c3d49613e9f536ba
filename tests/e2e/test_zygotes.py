"""Warm interpreters come and go: after so many jobs, and after every abnormal
death; a spare one stands ready, so that no job waits for an import."""

from __future__ import annotations

import house
from conftest import WorkerMaker
from house import GOOD, Queue, Worker

#: Each interpreter has its classes at addresses of its own.
WHERE = GOOD.replace("self.wait(0.3)", "print('where', hex(id(Square)))")
CRASH = GOOD.replace("self.wait(0.3)", "import os; os.kill(os.getpid(), 11)")


def where(queue: Queue) -> tuple[str, int]:
    """Which interpreter served a job, and how long its render stage took."""
    result = queue.run(WHERE)
    assert result["outcome"] == "completed", result
    found = [line for line in result["log_tail"].splitlines() if line.startswith("where")]
    return found[0], result["timings_ms"]["render"]


def both_ready(start_worker: WorkerMaker, jobs: int) -> Worker:
    """A worker whose two interpreters have said so."""
    worker = start_worker(zygote_jobs=jobs, log_level="debug").ready()
    worker.log.wait("zygote .* is ready")
    house.until("the spare is ready", lambda: worker.log.text().count("is ready: ") >= 2)
    return worker


def test_recycled_after_so_many_jobs(queue: Queue, start_worker: WorkerMaker) -> None:
    both_ready(start_worker, 2)
    served = [where(queue)[0] for _ in range(5)]
    assert served[0] == served[1] and served[2] == served[3]
    assert len(set(served)) == 3


def test_recycled_after_a_death_and_nobody_waits(queue: Queue, start_worker: WorkerMaker) -> None:
    """The job after a crash has another interpreter, and starts as fast."""
    worker = start_worker(zygote_jobs=0).ready()
    cold_ms = min(where(queue)[1] for _ in range(2))
    worker.stop()
    both_ready(start_worker, 50)
    first, _ = where(queue)
    again, warm_ms = where(queue)
    assert first == again
    assert queue.run(CRASH)["outcome"] == "crashed"
    after, after_ms = where(queue)
    assert after != first, "what a hostile scene died in serves on"
    print(f"render: cold {cold_ms} ms, warm {warm_ms} ms, after a crash {after_ms} ms")
    assert after_ms < (cold_ms + warm_ms) / 2
