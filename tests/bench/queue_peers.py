"""The queues of the benchmark: how each is filled, worked and counted.

All get the same Redis (append-only file, fsync every second), a handler that
does nothing, and one worker process. What each one's documentation recommends
for throughput is in `SYSTEMS`, with its reason in queue.md.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from house import QUEUE, TINY, clean_of_quits, environment, until, wait_exit  # noqa: E402
from resp import Resp, RespError  # noqa: E402

PEERS = ROOT / "tests" / "bench" / "peers"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = {CORES[0]}
WORKER_CORES = {CORES[1 % len(CORES)]}
"""Redis and the worker each have a core of their own, where there are two."""


@dataclass
class Place:
    """Where a run happens."""

    build: Path
    directory: Path
    port: int = 0

    @property
    def work_dir(self) -> Path:
        """Where manimd's attempts have their directories: in memory, for the disk is Redis's."""
        shared = Path("/dev/shm")
        return (shared if os.access(shared, os.W_OK) else self.directory) / f"manimd-bench-{os.getpid()}"

    @property
    def installed(self) -> Path:
        """Where peers/setup put them."""
        return ROOT / "build" / "peers"

    def python(self) -> str:
        """The peers' interpreter."""
        return str(self.installed / "venv" / "bin" / "python3")

    def environment(self, starts: Path | None, **more: str) -> dict[str, str]:
        """What a worker or producer finds."""
        more |= {"BENCH_PEERS": str(self.installed), "BENCH_PORT": str(self.port), "PYTHONPATH": str(PEERS)}
        more |= {"PYTHONDONTWRITEBYTECODE": "1"}
        if starts:
            more |= {"BENCH_STARTS": str(starts), "NOOP_STARTS": str(starts)}
        return environment(**more)


@dataclass(frozen=True)
class System:
    """One queue with one setting."""

    name: str
    kind: str
    setting: str
    work: Callable[[Place, Path | None], Sequence[str | Path]]
    fill: Callable[[Place, int], None]
    pace: Callable[[Place, Sequence[float]], subprocess.Popen[bytes]]
    done: Callable[[Resp, int], int]
    ready: str = "ready"
    most: int = 10**9  # jobs that are waited for
    env: dict[str, str] = field(default_factory=dict)


class Server:
    """A redis-server on a directory, on its own core."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"]
        self.process = start(["redis-server", *words, "--loglevel", "warning"], directory / "log", SERVER_CORES)
        until("redis-server answers", self._answers)

    def _answers(self) -> bool:
        try:
            with self.connect() as db:
                return db("PING") == "PONG"
        except (OSError, RespError):
            return False

    def connect(self) -> Resp:
        """A connection to it."""
        return Resp(("127.0.0.1", self.port))

    def stop(self) -> None:
        """End it; its file stays."""
        self.process.terminate()
        wait_exit(self.process)


def start(
    command: Sequence[object], log: Path, cores: set[int], env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process on its cores, with its words in a file."""

    def before() -> None:
        clean_of_quits()
        os.sched_setaffinity(0, cores)

    with log.open("ab") as out:
        return subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, preexec_fn=before
        )


@contextmanager
def working(system: System, place: Place, starts: Path | None = None, wait: bool = False) -> Any:
    """A worker of it; ended when the block ends."""
    log = place.directory / "worker.log"
    log.unlink(missing_ok=True)
    process = start(system.work(place, starts), log, WORKER_CORES, place.environment(starts, **system.env))
    try:
        if wait:
            until(f"{system.name} is ready", lambda: re.search(system.ready, log.read_text(errors="replace")))
        yield process
    except AssertionError:
        print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        wait_exit(process)
        if place.work_dir.exists():
            place.work_dir.rmdir()  # fails when an attempt was left in it


def ours_work(slots: int) -> Callable[[Place, Path | None], list[str | Path]]:
    """The production worker with stages that are done at once."""

    def command(place: Place, _starts: Path | None) -> list[str | Path]:
        (place.directory / "store").mkdir(exist_ok=True)
        options = {
            "redis_url": f"redis://127.0.0.1:{place.port}/0", "slots": slots, "work_dir": place.work_dir,
            "store_dir": place.directory / "store", "zygote_jobs": 0, "sandbox": "none", "encoder": "/bin/true",
            "harness": ROOT / "worker" / "render" / "harness",
        }  # fmt: skip
        return [place.build / "manimd-noop", "work", *(f"--{k.replace('_', '-')}={v}" for k, v in options.items())]

    return command


def job(number: int | str, pushed: int = 0) -> str:
    """A job as a producer writes it."""
    return json.dumps({"id": f"job-{number}", "code": f"# pushed {pushed}\n", "scene": "Nothing"} | TINY)


def ours_fill(place: Place, count: int) -> None:
    """LPUSH, as any client would."""
    with Resp(("127.0.0.1", place.port)) as db:
        for begin in range(0, count, 500):
            db("LPUSH", f"{QUEUE}:in", *(job(n) for n in range(begin, min(begin + 500, count))))


def ours_pace(place: Place, gaps: Sequence[float]) -> subprocess.Popen[bytes]:
    """Push one after each gap; in a process of its own, as the peers' producers are."""
    words = [sys.executable, HERE / "queue_peers.py", str(place.port), ",".join(map(str, gaps))]
    return start(words, place.directory / "producer.log", SERVER_CORES, place.environment(None))


def peer_fill(script: Callable[[Place], Sequence[str | Path]]) -> Callable[[Place, int], None]:
    """Its own producer, in bulk."""

    def fill(place: Place, count: int) -> None:
        env = place.environment(None)
        words = [*script(place), "fill", *_port(script, place), str(count)]
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]

    return fill


def peer_pace(script: Callable[[Place], Sequence[str | Path]]) -> Callable[[Place, Sequence[float]], subprocess.Popen[bytes]]:
    """Its own producer, one by one."""

    def pace(place: Place, gaps: Sequence[float]) -> subprocess.Popen[bytes]:
        words = [*script(place), "pace", *_port(script, place), ",".join(map(str, gaps))]
        return start(words, place.directory / "producer.log", SERVER_CORES, place.environment(None))

    return pace


def bullmq(_place: Place) -> list[str | Path]:
    """Its program."""
    return ["node", PEERS / "bullmq.mjs"]


def rq(place: Place) -> list[str | Path]:
    """Its program."""
    return [place.python(), PEERS / "rq_jobs.py"]


def celery(place: Place) -> list[str | Path]:
    """Its program."""
    return [place.python(), PEERS / "celery_jobs.py"]


def _port(script: Callable[[Place], Sequence[str | Path]], place: Place) -> list[str]:
    return [] if script is celery else [str(place.port)]  # Celery's is in its environment


def bullmq_work(concurrency: int) -> Callable[[Place, Path | None], list[str | Path]]:
    """A Worker."""
    return lambda p, starts: [*bullmq(p), "work", str(p.port), str(concurrency), *([starts] if starts else [])]


def rq_work(kind: str) -> Callable[[Place, Path | None], list[str | Path]]:
    """A worker of RQ."""
    return lambda p, _: [*rq(p), "work", str(p.port), kind]


def celery_work(pool: str) -> Callable[[Place, Path | None], list[str | Path]]:
    """One worker process of Celery, without the events that a single worker needs not."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    return lambda p, _: [
        p.python(), "-m", "celery", "-A", "celery_jobs", "worker", "-c", "1", "-P", pool, *quiet,
    ]  # fmt: skip


def count_of(*words: str) -> Callable[[Resp, int], int]:
    """Jobs that have ended, by one command."""
    return lambda db, _: int(db(*words) or 0)


def celery_done(db: Resp, total: int) -> int:
    """Those that are neither waiting nor unacknowledged."""
    return total - int(db("LLEN", "celery")) - int(db("HLEN", "unacked"))


def of_ours(slots: int) -> System:
    """manimd."""
    done = count_of("HGET", f"{QUEUE}:stats", "completed")
    return System(f"manimd, {slots} slot{'s' * (slots > 1)}", "manimd", f"{slots}", ours_work(slots), ours_fill, ours_pace, done, "ready:")


def of_bullmq(concurrency: int) -> System:
    """BullMQ."""
    done = count_of("ZCARD", "bull:bench:completed")
    name = f"BullMQ, concurrency {concurrency}"
    return System(name, "BullMQ", f"{concurrency}", bullmq_work(concurrency), peer_fill(bullmq), peer_pace(bullmq), done)


def of_rq(kind: str) -> System:
    """RQ."""
    done = count_of("ZCARD", "rq:finished:bench")
    return System(f"RQ, {kind}", "RQ", kind, rq_work(kind), peer_fill(rq), peer_pace(rq), done, most=2000)


def of_celery(pool: str, prefetch: int = 128) -> System:
    """Celery."""
    env = {"BENCH_PREFETCH": str(prefetch)}
    return System(f"Celery, {pool}", "Celery", pool, celery_work(pool), peer_fill(celery), peer_pace(celery), celery_done, env=env, most=5000)


def _pace_ours() -> None:
    with Resp(("127.0.0.1", int(sys.argv[1]))) as db:
        for number, gap in enumerate(sys.argv[2].split(",")):
            time.sleep(float(gap) / 1000)
            db("LPUSH", f"{QUEUE}:in", job(f"{os.getpid()}-{number}", time.monotonic_ns()))


if __name__ == "__main__":
    _pace_ours()
