"""Celery's side of the queue benchmark: a task that does nothing, and producers.

    celery -A celery_jobs worker …        with BENCH_PORT
    python celery_jobs.py fill COUNT
    python celery_jobs.py pace GAPS       milliseconds between pushes, by commas

BENCH_STARTS names a file that gets a line for each task: when it was pushed and
when it began, in nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import os
import sys
import time

from celery import Celery
from celery.signals import worker_ready

app = Celery("celery_jobs", broker=f"redis://127.0.0.1:{os.environ['BENCH_PORT']}/0")
# As its guide "Optimizing" has it for many short tasks: no results that nobody
# reads, and several tasks fetched at a time.
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "128")))


@app.task(name="celery_jobs.nothing")
def nothing(pushed: int) -> None:
    """The task."""
    now = time.monotonic_ns()
    if starts := os.environ.get("BENCH_STARTS"):
        with open(starts, "a", encoding="ascii") as file:
            file.write(f"{pushed} {now}\n")


@worker_ready.connect
def say_ready(**_: object) -> None:
    """The benchmark waits for this line."""
    os.write(1, b"ready\n")  # what is printed goes to the log, and is not said there


def fill(count: str) -> None:
    """Push so many."""
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(int(count)):
            nothing.apply_async((0,), producer=producer)


def pace(gaps: str) -> None:
    """Push one after each gap."""
    with app.producer_pool.acquire(block=True) as producer:
        for gap in gaps.split(","):
            time.sleep(float(gap) / 1000)
            nothing.apply_async((time.monotonic_ns(),), producer=producer)


if __name__ == "__main__":
    {"fill": fill, "pace": pace}[sys.argv[1]](*sys.argv[2:])
