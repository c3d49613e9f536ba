"""RQ's side of the queue benchmark: a job that does nothing, and producers.

    python rq_jobs.py work PORT simple|forking
    python rq_jobs.py fill PORT COUNT
    python rq_jobs.py pace PORT GAPS      milliseconds between pushes, by commas

BENCH_STARTS names a file that gets a line for each job: when it was pushed and
when it began, in nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import os
import sys
import time

import redis
import rq

BATCH = 1000


def nothing(pushed: int) -> None:
    """The job."""
    now = time.monotonic_ns()
    if starts := os.environ.get("BENCH_STARTS"):
        with open(starts, "a", encoding="ascii") as file:
            file.write(f"{pushed} {now}\n")


def work(port: str, kind: str) -> None:
    """A worker: one process for all jobs, or (RQ's default) one for each."""
    connection = redis.Redis(port=int(port))
    make = rq.SimpleWorker if kind == "simple" else rq.Worker
    worker = make(["bench"], connection=connection)
    print("ready", flush=True)
    worker.work(logging_level="WARNING")


def fill(port: str, count: str) -> None:
    """Push so many."""
    queue = rq.Queue("bench", connection=redis.Redis(port=int(port)))
    for done in range(0, int(count), BATCH):
        size = min(BATCH, int(count) - done)
        queue.enqueue_many([rq.Queue.prepare_data("rq_jobs.nothing", (0,)) for _ in range(size)])


def pace(port: str, gaps: str) -> None:
    """Push one after each gap."""
    queue = rq.Queue("bench", connection=redis.Redis(port=int(port)))
    queue.connection.ping()
    for gap in gaps.split(","):
        time.sleep(float(gap) / 1000)
        queue.enqueue("rq_jobs.nothing", time.monotonic_ns())


if __name__ == "__main__":
    {"work": work, "fill": fill, "pace": pace}[sys.argv[1]](*sys.argv[2:])
