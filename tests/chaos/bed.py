"""A bed for one experiment: a Redis, a fleet of workers, and what is known of them.

Everything lives beneath one directory; every process that belongs to a bed has
that directory in its command line or environment, so that several beds can run
side by side and each can still say what it left behind.
"""

from __future__ import annotations

import functools
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import hooks  # noqa: E402
import house  # noqa: E402
from resp import Resp, RespError  # noqa: E402

__all__ = ["Resp", "RespError", "house"]  # for the others, who need not know the path

LEASE_MS = 1000
TICK_MS = 5500  # the reaper's, with its jitter
RECLAIM_S = 2 * (LEASE_MS + TICK_MS) / 1000 + 10  # until a vanished worker's job is taken again, on a busy machine
CRASHES = 5
ATTEMPTS = 5
PREFIX = house.QUEUE + ":"
AWAY = (OSError, ConnectionError, RespError)  # what a client of a Redis under fire sees


OURS: set[int] = set()
"""Children that somebody here waits for."""
_spawning = threading.Lock()


def spawn(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child that we wait for ourselves."""
    with _spawning:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        OURS.add(process.pid)
    return process


def reap_orphans() -> None:
    """What a killed supervisor left comes to us: collect its exit."""
    with _spawning:
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):
                for pid in {int(p) for p in (task / "children").read_text().split()} - OURS:
                    os.waitpid(pid, os.WNOHANG)


class Clock:
    """A clock of processes that were started in `environment`, to be put wrong while they run."""

    def __init__(self, file: Path, build: Path) -> None:
        self._file = file
        file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(build / "clock_shim.so"), "CLOCK_SHIM_FILE": str(file)}

    def set(self, seconds: float) -> None:
        """Put it off by so much."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as at:
            at[:8] = int(seconds * 1e6).to_bytes(8, "little", signed=True)


class Server(house.Redis):
    """A redis-server that can be hurt: its clock, its disk, its power."""

    def __init__(self, directory: Path, build: Path) -> None:
        super().__init__(directory)
        self._clock = Clock(directory / "offset", build)

    def start(self) -> None:
        """Start it with our clock, deaf to the signal of a full disk."""
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket]
        arguments += ["--dir", str(self.directory), "--appendonly", "yes", *house.FSYNC]
        arguments += ["--save", "", "--daemonize", "no", "--loglevel", "warning"]
        arguments += ["--auto-aof-rewrite-percentage", "0"]
        if house.server_version() >= (7, 0):  # before, DEBUG was open to everybody
            arguments += ["--enable-debug-command", "yes"]
        environment = house.environment(**self._clock.environment)
        with (self.directory / "log").open("ab") as log:
            self.process = spawn(
                [house.REDIS_SERVER, *arguments], stdout=log, stderr=log, env=environment, preexec_fn=deaf_to_limits
            )
        house.until("redis-server answers", self.answers)

    def crash(self) -> None:
        """Kill -9; its file stays as it was written."""
        self.stop(signal.SIGKILL)

    def set_clock(self, seconds: float) -> None:
        """Put its wall clock off by so much."""
        self._clock.set(seconds)

    def file(self) -> Path:
        """The append-only file that grows; before Redis 7 there was one only."""
        if house.server_version() < (7, 0):
            return self.directory / "appendonly.aof"
        return max((self.directory / "appendonlydir").glob("*.incr.aof"))

    def fill_disk(self) -> None:
        """No byte more can be written."""
        assert self.process
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (self.file().stat().st_size, resource.RLIM_INFINITY))

    def free_disk(self) -> None:
        """There is room again."""
        assert self.process
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def of_process(pid: int, name: str) -> bytes:
    """A file of /proc/PID, or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def deaf_to_limits() -> None:
    """A write past the limit answers EFBIG instead of killing."""
    house.clean_of_quits()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


class Member:
    """One place of the fleet: a worker, and those that followed it."""

    def __init__(self, fleet: Fleet, name: str, options: dict[str, Any]) -> None:
        self.fleet = fleet
        self.name = name
        self.environment: dict[str, str] = options.pop("environment", {})
        self.options = options
        self.log = fleet.bed.directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.excused = False  # this death was our doing
        self.hung_up = False  # SIGHUP, which ends who has not begun yet
        self.buried = False  # its end was seen
        self.keep = True  # start another when it is gone

    def start(self) -> None:
        """Start a worker."""
        with self.log.open("ab") as log:
            self.process = spawn(
                self.fleet.command(self.options),
                stdout=log,
                stderr=log,
                env=house.environment(TMPDIR=str(self.fleet.bed.tmp), MANIMD_CONFIG=str(self.fleet.bed.conf),
                                      **self.environment),
                preexec_fn=house.clean_of_quits,
            )
        self.excused = self.hung_up = False
        self.buried = False

    @property
    def alive(self) -> bool:
        """Whether there is one."""
        return self.process is not None and self.process.returncode is None

    def signal(self, signo: int) -> None:
        """Send the supervisor a signal; a deadly one is our doing."""
        if signo in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            self.excused = True
        self.hung_up |= signo == signal.SIGHUP
        if self.process:
            self.process.send_signal(signo)

    def children(self) -> list[int]:
        """Its stages' pids, and its courier's."""
        if not self.alive or not self.process:
            return []
        pid = self.process.pid
        try:
            return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    def stages(self) -> list[int]:
        """Its stages' pids."""
        return [pid for pid in self.children() if b"\0stage\0" in of_process(pid, "cmdline")]

    def descriptors(self) -> int:
        """How many it has open."""
        assert self.process
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_kb(self) -> int:
        """Its resident memory."""
        assert self.process
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def says(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text(errors="replace")


class Fleet:
    """Workers, each followed by another when it dies; deaths are written down."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.members: list[Member] = []
        self.deaths: list[str] = []  # those that nobody caused
        self.started = 0
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def command(self, options: dict[str, Any]) -> list[str]:
        """The command line of a worker."""
        bed = self.bed
        settings: dict[str, Any] = {
            "redis_url": bed.server.url, "store_dir": bed.store, "work_dir": bed.work, "slots": 2,
            "lease_ms": LEASE_MS, "retry_base_ms": 20, "attempts": ATTEMPTS, "crashes": CRASHES,
            "zygote_jobs": 0, "sandbox": "none", "encoder": "/bin/true", "drain_timeout_s": 5,
            "harness": house.ROOT / "worker" / "render" / "harness",
        }  # fmt: skip
        settings |= (hooks.OPTIONS if bed.receiver else {}) | options
        self.started += 1
        return [str(bed.manimd), "work", *(f"--{k.replace('_', '-')}={v}" for k, v in settings.items())]

    def add(self, count: int = 1, keep: bool = True, **options: Any) -> list[Member]:
        """Start more workers."""
        added = []
        for _ in range(count):
            name = f"w{len(self.members)}"
            member = Member(self, name, {"worker_name": name} | options)
            member.keep = keep
            member.start()
            self.members.append(member)
            added.append(member)
        return added

    def ready(self) -> None:
        """Wait until each has said that it takes jobs."""
        for member in self.members:
            house.until(f"{member.name} is ready", functools.partial(member.says, "ready:"), 30)

    def _keep(self) -> None:
        while not self._closing.wait(0.02):
            reap_orphans()
            for member in self.members:
                if member.process and member.process.poll() is not None:
                    self._bury(member)
                    if member.keep and not self._closing.is_set():
                        member.start()

    def _bury(self, member: Member) -> None:
        assert member.process
        code = member.process.returncode
        if member.buried:
            return
        member.buried = True
        if code == -signal.SIGKILL or (member.excused and code == 0):
            return  # by us, or by a poisonous job
        told = (member.excused and code == -signal.SIGTERM) or (member.hung_up and code == -signal.SIGHUP)
        if told and not member.says(f'"process.pid":{member.process.pid}'):
            return  # before it had begun anything
        self.deaths.append(f"{member.name} (pid {member.process.pid}) ended with {code}")

    def resume(self) -> None:
        """No worker stays stopped."""
        for member in self.members:
            if member.alive:
                member.signal(signal.SIGCONT)

    def stop(self) -> None:
        """End all of them as an operator would, and wait."""
        self._closing.set()
        self._keeper.join()
        self.resume()
        for member in self.members:
            if member.alive:
                member.signal(signal.SIGTERM)
        for member in self.members:
            if member.process:
                house.wait_exit(member.process, 60)
                self._bury(member)


class Bed:
    """One experiment's world."""

    def __init__(self, build: Path, seed: int) -> None:
        self.build = build
        self.seed = seed
        self.manimd = build / "manimd-chaos"
        self.random = random.Random(seed)
        self.directory = Path(tempfile.mkdtemp(prefix="manimd-chaos-"))
        self.directory.chmod(0o711)
        self.store, self.work, self.tmp, self.marks = (self.directory / n for n in ("store", "work", "tmp", "marks"))
        for path in (self.store, self.work, self.tmp, self.marks):
            path.mkdir(mode=0o711)
        self.server = Server(self.directory / "redis", build)
        self.server.start()
        self.conf = self.directory / "manimd.conf"
        self.configure()
        self.receiver: hooks.Receiver | None = None
        self._closers: list[Callable[[], None]] = []
        self.fleet = Fleet(self)

    def receive(self) -> hooks.Receiver:
        """From now on there is a receiver of webhooks, and workers that start may deliver to it."""
        self.receiver = hooks.Receiver(self.seed)
        self.on_close(self.receiver.close)
        return self.receiver

    def configure(self, **options: Any) -> None:
        """What manimd.conf says; a worker that starts meanwhile reads all of it or the old one."""
        new = self.directory / "manimd.conf.new"
        new.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))
        new.replace(self.conf)

    def on_close(self, closer: Callable[[], None]) -> None:
        """What else has to be ended."""
        self._closers.append(closer)

    def connect(self, timeout: float = 10) -> Resp:
        """A connection to Redis."""
        return self.server.connect(timeout)

    def __call__(self, *words: Any) -> Any:
        """Run one command, until Redis takes it."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.connect() as db:
                    return db(*words)
            except AWAY:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """What of it lives, but for Redis: what names its directory in command or environment."""
        of_redis = {self.server.process.pid} if self.server.process else set()
        below = house.descendants(os.getpid())
        mark = str(self.directory).encode()
        return {p: c for p, c in below.items() if p not in of_redis and
                (mark in of_process(p, "cmdline") or mark in of_process(p, "environ"))}

    def sweep(self) -> None:
        """What SIGKILL left in the work directory goes with the next start of a worker.

        A directory that was only being made is left alone for a minute: make it that old.
        """
        for path in self.work.glob(".*"):
            os.utime(path, (0, 0))
        with (self.directory / "last.log").open("ab") as log:
            last = spawn([*self.fleet.command({}), "--until-empty"], stdout=log, stderr=log,
                         env=house.environment(TMPDIR=str(self.tmp), MANIMD_CONFIG=str(self.conf)),
                         preexec_fn=house.clean_of_quits)
            code = house.wait_exit(last, 60)
        assert code == 0, f"the last worker ended with {code}"
        reap_orphans()

    def close(self, keep: bool = False) -> None:
        """End everything; keep the directory when somebody has to look at it."""
        for closer in self._closers:
            with suppress(OSError):
                closer()
        with suppress(house.Impatient):
            self.fleet.stop()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.stop(signal.SIGKILL)
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
