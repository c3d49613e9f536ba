"""What the end-to-end tests run: a real Redis, real workers, real clients.

Everything has a directory of its own, is waited for by what it says or does,
and is ended by its process id. `Worker.stop()` asserts that nothing is left.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resp import Resp, RespError

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MANIMD_BUILD", ROOT / "build"))
MANIMD = BUILD / "manimd"
QUEUE = "manimd:{default}"
REDIS_SERVER = os.environ.get("MANIMD_TEST_REDIS_SERVER") or "redis-server"
"""The server that queues live in: tests/chaos/servers.py names others."""
FSYNC = ("--appendfsync", "no")
"""So that a kill -9 loses nothing that was acknowledged: the file is written before
each answer. With `everysec` that holds only while the disk keeps up: during a slow
fsync Redis holds writes back for up to two seconds and answers all the same (with
fdatasync slowed to 1.5 s, 100 to 380 acknowledged pushes were gone after kill -9, on
Redis 6.2.5, 7.0.15 and Valkey 9.1.2; with `no`, none). What a power cut takes is
tested by cutting the file."""
TERMINAL = {"completed", "failed", "cancelled", "dead"}
TINY = {"width": 128, "height": 72, "fps": 10}
# A machine without hardware of its own (scripts/vm-check) is some times slower.
SLOWER = float(os.environ.get("MANIMD_TEST_SLOWER", "1"))
PATIENCE_S = 60.0 * SLOWER  # how long an event may take before the test gives up

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
"""Orphans of what we start become ours: nothing can hide by losing its parent."""

GOOD = """
from manim import *

class Good(Scene):
    def construct(self):
        square = Square()
        self.play(Create(square), run_time=0.5)
        self.wait(0.3)
"""


class Impatient(AssertionError):
    """An event did not come in time."""


def until(what: str, condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Look until `condition` gives something true; for what sends no event."""
    nothing = threading.Event()
    deadline = time.monotonic() + patience_s
    while not (seen := condition()):
        if time.monotonic() > deadline:
            raise Impatient(f"not within {patience_s:g} s: {what}")
        nothing.wait(0.02)
    return seen


def wait_exit(process: subprocess.Popen[Any], patience_s: float = PATIENCE_S) -> int:
    """Wait for a process of ours; kill it and complain when it does not end."""
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Impatient(f"process {process.args!r} did not end within {patience_s:g} s") from None


def cgroups(pid: int) -> list[Path]:
    """The places in the cgroup hierarchy that a worker made beside its own."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [home for fields in mounts if fields[2] == "cgroup2" for home in Path(fields[1]).glob(f"manimd-{pid}-*")]


def environment(**more: str) -> dict[str, str]:
    """Ours without anything that would configure manimd."""
    kept = {k: v for k, v in os.environ.items() if not re.match(r"MANIMD_|AWS_|BUCKET_|REDIS_URL", k)}
    kept["MANIMD_PYTHON"] = sys.executable
    return kept | more


def clean_of_quits() -> None:
    """Signals as a shell gives them, whatever ran the tests ignored."""
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(signo, signal.SIG_DFL)


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short name (unix sockets) that every uid may enter."""
    path = Path(tempfile.mkdtemp(prefix="manimd-e2e-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path)


# ── processes ─────────────────────────────────────────────────────────────


def processes() -> dict[int, tuple[int, int, str]]:
    """Every living process: parent, real uid, command."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "status").read_text()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if fields["State"][0] not in "ZX":
            found[int(entry.name)] = (int(fields["PPid"]), int(fields["Uid"].split()[0]), command or fields["Name"])
    return found


def descendants(of: int) -> dict[int, str]:
    """Every living process beneath `of`, with its command."""
    all_of_them = processes()
    inside = {of}
    grew = True
    while grew:
        more = {pid for pid, (parent, _, _) in all_of_them.items() if parent in inside} - inside
        inside |= more
        grew = bool(more)
    return {pid: all_of_them[pid][2] for pid in inside - {of} if pid in all_of_them}


def reap_orphans(known: set[int]) -> None:
    """Collect the exit of orphans that became ours, but for `known` children."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in known:
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if fields[1] == str(os.getpid()) and fields[0] == "Z":
                    os.waitpid(int(entry.name), os.WNOHANG)
            except (FileNotFoundError, ProcessLookupError, ChildProcessError):
                continue


# ── Redis ─────────────────────────────────────────────────────────────────


def server_version() -> tuple[int, int]:
    """Redis 6.2 is (6, 2); Valkey's own count goes on from Redis 7.2."""
    said = subprocess.run([REDIS_SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\bv=(\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


class Redis:
    """A redis-server of our own, with an append-only file, that can go away."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(exist_ok=True)
        self.socket = str(directory / "r.sock")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self.socket}"
        self.tcp_url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers and has loaded its file."""
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket]
        arguments += ["--dir", str(self.directory), "--appendonly", "yes", *FSYNC]
        arguments += ["--save", "", "--daemonize", "no", "--loglevel", "warning"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([REDIS_SERVER, *arguments], stdout=log, stderr=log)
        until("redis-server answers", self.answers)

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            with self.connect() as db:
                return db("PING") == "PONG"
        except (OSError, RespError):
            return False

    def connect(self, timeout: float = PATIENCE_S) -> Resp:
        """A new connection."""
        return Resp(self.socket, timeout)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; its data stays."""
        if self.process is not None:
            self.process.send_signal(how)
            wait_exit(self.process)
            self.process = None

    def cli(self, *words: str, stdin: bytes | None = None) -> str:
        """What `redis-cli` says, as a user would run it."""
        options = ["redis-cli", "-s", self.socket, *(["-x"] if stdin is not None else [])]
        done = subprocess.run([*options, *words], input=stdin, capture_output=True, check=True, timeout=PATIENCE_S)
        return done.stdout.decode().strip()


class Queue:
    """The producer's side of a queue."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._count = 0

    def job(self, code: str | None = GOOD, **fields: Any) -> dict[str, Any]:
        """A tiny job with an id of its own that asks to be told. `code` None: it has a source."""
        self._count += 1
        given = {} if code is None else {"code": code}
        return {"id": f"job-{self._count}", "notify": True} | given | TINY | fields

    def push(self, code: str | None = GOOD, **fields: Any) -> str:
        """Push a job; give its id."""
        job = self.job(code, **fields)
        self.push_raw(json.dumps(job))
        return str(job["id"])

    def push_raw(self, text: str | bytes) -> None:
        """Push anything."""
        with self.redis.connect() as db:
            db("LPUSH", f"{QUEUE}:in", text)

    def result(self, job_id: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait on the job's own list for its result."""
        with self.redis.connect(patience_s + 10) as db:
            popped = db("BLPOP", f"{QUEUE}:wait:{job_id}", patience_s)
        if popped is None:
            raise Impatient(f"{job_id} has no result after {patience_s:g} s: {self.hash(job_id)}")
        return dict(json.loads(popped[1]))

    def run(self, code: str = GOOD, **fields: Any) -> dict[str, Any]:
        """Push a job and wait for its result."""
        return self.result(self.push(code, **fields))

    def hash(self, job_id: str) -> dict[str, str]:
        """The job's hash."""
        with self.redis.connect() as db:
            return db.table("HGETALL", f"{QUEUE}:job:{job_id}")

    def events(self) -> list[dict[str, str]]:
        """The whole event stream."""
        with self.redis.connect() as db:
            entries = db("XRANGE", f"{QUEUE}:ev", "-", "+")
        return [dict(zip(f[::2], f[1::2], strict=True)) | {"_at": at} for at, f in entries]

    def wait_event(self, wanted: Callable[[dict[str, str]], bool], patience_s: float = PATIENCE_S) -> dict[str, str]:
        """Wait for an event of the stream, those that came before included."""
        deadline = time.monotonic() + patience_s
        last = "0"
        with self.redis.connect(patience_s + 10) as db:
            while (left := deadline - time.monotonic()) > 0:
                answer = db("XREAD", "BLOCK", max(1, int(left * 1000)), "STREAMS", f"{QUEUE}:ev", last)
                for last, fields in answer[0][1] if answer else []:
                    event = dict(zip(fields[::2], fields[1::2], strict=True))
                    if wanted(event):
                        return event | {"_at": last}
        raise Impatient(f"no such event within {patience_s:g} s; there are: {self.events()}")

    def wait_state(self, job_id: str, *states: str, patience_s: float = PATIENCE_S) -> dict[str, str]:
        """Wait until the job is in one of `states`; give its hash."""
        return until(
            f"{job_id} is {' or '.join(states)}, not {self.hash(job_id).get('state')}",
            lambda: (h := self.hash(job_id)).get("state") in states and h,
            patience_s,
        )

    def wait_rejected(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many inputs were refused; newest first."""

        def entries() -> list[str]:
            with self.redis.connect() as db:
                return db("LRANGE", f"{QUEUE}:rejected", 0, -1)

        until(f"{count} rejected", lambda: len(entries()) >= count)
        return [json.loads(entry) for entry in entries()]

    def check(self, *ids: str) -> None:
        """Nothing is lost: each id is terminal, in one index, completed at most once."""
        with self.redis.connect() as db:
            left = [text for text in db("LRANGE", f"{QUEUE}:in", 0, -1) if text != "!"]  # ! is a wake token
            assert left == [], f"left in the inbox: {left}"
            for index in ("ready", "delayed", "active"):
                assert db("ZRANGE", f"{QUEUE}:{index}", 0, -1) == [], f"{index} is not empty"
            for job_id in ids:
                state = db("HGET", f"{QUEUE}:job:{job_id}", "state")
                assert state in TERMINAL, f"{job_id} is {state}"
                where = [i for i in ("done", "dead") if db("ZSCORE", f"{QUEUE}:{i}", job_id) is not None]
                assert where == ["dead" if state == "dead" else "done"], f"{job_id} is in {where}"


# ── the product ───────────────────────────────────────────────────────────


class Lines:
    """The lines of a stream, kept, and waited for."""

    def __init__(self, stream: Any) -> None:
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        for raw in stream:
            with self._news:
                self._lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait(self, pattern: str, patience_s: float = PATIENCE_S, after: int = 0) -> str:
        """Wait for a line that `pattern` is found in."""
        seen = after

        def found() -> str | None:
            nonlocal seen
            for line in self._lines[seen:]:
                seen += 1
                if re.search(pattern, line):
                    return line
            return None

        line: str | None = None
        with self._news:
            self._news.wait_for(lambda: (line := found()) is not None or self._ended, patience_s)
            line = line or next((x for x in self._lines[after:] if re.search(pattern, x)), None)
        if line is None:
            raise Impatient(f"no line {pattern!r} in:\n" + self.text())
        return line

    def text(self) -> str:
        """All of them so far."""
        with self._news:
            return "\n".join(self._lines)

    def count(self) -> int:
        """How many there are so far."""
        with self._news:
            return len(self._lines)

    def join(self) -> str:
        """All of them, when the stream has ended."""
        self._thread.join(PATIENCE_S)
        return self.text()


def owner_of(entry: os.DirEntry[str]) -> int:
    """Its uid; -1 when somebody else's file went away meanwhile."""
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except FileNotFoundError:
        return -1


class Worker:
    """One `manimd work`, watched from outside."""

    READY = r"ready"

    def __init__(self, redis: Redis, directory: Path, options: dict[str, Any], env: dict[str, str]) -> None:
        self.directory = directory
        self.tmp = directory / "tmp"
        self.store = directory / "store"
        for path in (directory, self.tmp, self.store):
            path.mkdir(exist_ok=True)
            path.chmod(0o711)
        self.uid_base = random.randrange(1 << 29, 1 << 30) & ~0xFFF
        settings: dict[str, Any] = {"redis_url": redis.url, "store_dir": self.store, "slots": 1, "slot_uid_base": self.uid_base}
        settings |= {"retry_base_ms": 50, "s3_tries": 2, "log_format": "json"}
        settings = {k: v for k, v in (settings | options).items() if v is not None}
        self.settings = settings
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items() if name != "until_empty"]
        if settings.get("until_empty"):
            flags.append("--until-empty")
        self.process = subprocess.Popen(
            [str(MANIMD), "work", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(TMPDIR=str(self.tmp), **env),
            preexec_fn=clean_of_quits,
        )
        self.log = Lines(self.process.stderr)

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self.process.pid

    def ready(self) -> Worker:
        """Wait until it says that it takes jobs."""
        self.log.wait(self.READY)
        return self

    def slot_processes(self) -> dict[int, str]:
        """What lives under the uids of its slots."""
        last = self.uid_base + 3 * int(self.settings["slots"]) + 2
        return {pid: c for pid, (_, uid, c) in processes().items() if self.uid_base <= uid <= last}

    def signal(self, signo: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(signo)

    def kill(self) -> None:
        """End the supervisor alone, without a word, and wait until all of it is gone."""
        self.process.kill()
        self.process.wait()
        until("the worker's processes are gone", lambda: not self.slot_processes(), 20 * SLOWER)

    def stop(self, patience_s: float = PATIENCE_S) -> int:
        """End it as an operator would; assert that nothing is left behind."""
        if self.process.poll() is None:
            self.process.terminate()
        code = wait_exit(self.process, patience_s)
        self.log.join()
        self.assert_nothing_left()
        return code

    def assert_nothing_left(self) -> None:
        """No process, no directory, no file."""
        until(f"no process of its slots: {self.slot_processes()}", lambda: not self.slot_processes(), 5 * SLOWER)
        assert self.process.returncode == -signal.SIGKILL or cgroups(self.pid) == [], "a cgroup is left"
        left = sorted(str(path.relative_to(self.tmp)) for path in self.tmp.rglob("*"))
        assert left == [], f"left in TMPDIR: {left}"
        if work_dir := self.settings.get("work_dir"):
            left = sorted(str(p) for p in Path(work_dir).rglob("*"))
            assert left == [], f"left in work_dir: {left}"
        last = self.uid_base + 3 * int(self.settings["slots"]) + 2
        for shared in ("/tmp", "/var/tmp", "/dev/shm"):
            theirs = [e.path for e in os.scandir(shared) if self.uid_base <= owner_of(e) <= last]
            assert theirs == [], f"left by a slot: {theirs}"

    def idle(self) -> None:
        """Wait until its slots are empty, then assert so."""
        until(f"slots are empty: {self.slot_processes()}", lambda: not self.busy_processes(), 20)

    def busy_processes(self) -> dict[int, str]:
        """Slot processes but for a spare that waits sealed already."""
        return self.slot_processes()


def manimd(*words: str | Path, redis: Redis | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of manimd to its end."""
    env = environment(**({"MANIMD_REDIS_URL": redis.url} if redis else {}), **options.pop("env", {}))
    return subprocess.run(
        [str(MANIMD), *map(str, words)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=options.pop("timeout", PATIENCE_S),
        env=env,
        preexec_fn=clean_of_quits,
        **options,
    )


def video_facts(path: Path) -> dict[str, Any]:
    """What ffprobe counts by decoding: frames, width, height, codec, rate."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-of", "json"]
    command += ["-show_entries", "stream=codec_name,width,height,r_frame_rate,nb_read_frames,pix_fmt,color_space"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    stream = json.loads(done.stdout)["streams"][0]
    return dict(stream) | {"frames": int(stream["nb_read_frames"])}


def plays(path: Path) -> None:
    """Assert that ffmpeg decodes the whole file without a word."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def readable_within(fd: int, seconds: float) -> bool:
    """Whether a descriptor has something to say within a time."""
    return bool(select.select([fd], [], [], seconds)[0])
