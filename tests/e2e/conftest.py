"""Fixtures of the end-to-end tests: see house.py for what they give."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "stage"))

import house  # noqa: E402
from house import Queue, Redis, Worker  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Name our marks."""
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """The product, or no test at all."""
    for name in ("manimd", "manimd-encode"):
        assert os.access(house.BUILD / name, os.X_OK), f"{house.BUILD / name} is missing: run make"


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory of the test's own."""
    with house.short_directory() as path:
        yield path


@pytest.fixture
def redis(directory: Path) -> Iterator[Redis]:
    """A running redis-server."""
    server = Redis(directory / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def queue(redis: Redis) -> Queue:
    """The producer's side of it."""
    return Queue(redis)


WorkerMaker = Callable[..., Worker]


@pytest.fixture
def start_worker(redis: Redis, directory: Path) -> Iterator[WorkerMaker]:
    """Start workers with options; afterwards each is stopped and leaves nothing."""
    before = set(house.descendants(os.getpid()))
    started: list[Worker] = []

    def start(env: dict[str, str] | None = None, **options: Any) -> Worker:
        worker = Worker(redis, directory / f"w{len(started)}", options, env or {})
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.stop()
    servers = {redis.process.pid} if redis.process else set()

    def left() -> dict[int, str]:
        house.reap_orphans(before | servers)
        now = house.descendants(os.getpid())
        return {pid: command for pid, command in now.items() if pid not in before | servers}

    house.until("every process that a worker started is gone", lambda: not left(), 10)


@pytest.fixture
def worker(start_worker: WorkerMaker) -> Worker:
    """One worker with one slot and a directory store, ready."""
    return start_worker().ready()
