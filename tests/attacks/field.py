"""The product in the field: a Redis, one `manimd work`, a neighbour, an outsider.

Levels are reached as they are met: `strong` with all that this machine gives,
`standard` as root with the capabilities of a container's default, `basic` as
a user. What must never come out is planted here; what is left is looked for
when all has ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import house  # noqa: E402
from targets import canary  # noqa: E402

SLOTS = 3
NEIGHBOUR = '''
from manim import *
import time

SECRET = "{canary}"

class Neighbour(Scene):
    def construct(self):
        with open("secret", "w") as out:
            out.write(SECRET)
        self.wait(0.1)
        while True:
            time.sleep(0.2)
'''
CAP_SETS = 3  # of capset(2): version 3
CAP_VERSION_3 = 0x20080522
PR_CAPBSET_DROP = 24
# What Docker and containerd give a container unless told otherwise:
# https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities
CONTAINER_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
LAST_CAPABILITY = 63
IPC_KEY = 0x61747461  # of kernel/system_v
IPCRM_OPTIONS = {"shm": "-m", "sem": "-s", "msg": "-q"}
SHARED_PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue")
UID_TABLES = {"tcp": 7, "tcp6": 7, "udp": 7, "udp6": 7, "raw": 7, "raw6": 7}

_libc = ctypes.CDLL(None, use_errno=True)


def as_container() -> None:
    """Before exec: keep only a container's capabilities, whatever we have."""
    house.clean_of_quits()
    for capability in set(range(LAST_CAPABILITY + 1)) - CONTAINER_CAPABILITIES:
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    for ours in (0, 1):  # and none may be inherited past it
        header = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
        sets = (ctypes.c_uint32 * (2 * CAP_SETS))()
        _libc.capget(header, sets)
        sets[2 + 3 * ours] = 0
        _libc.capset(header, sets)


def as_user(uid: int) -> Callable[[], None]:
    """Before exec: a user without any rights."""

    def become() -> None:
        house.clean_of_quits()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    return become


@dataclass(frozen=True)
class Place:
    """Where a worker runs: the level that its results must name, and its rights."""

    name: str
    level: str
    rights: str  # user, container, host

    def preparation(self, uid: int) -> Callable[[], None]:
        """What the worker's process does before it is one."""
        if os.geteuid() != 0 or self.rights == "host":
            return house.clean_of_quits
        return as_user(uid) if self.rights == "user" else as_container


PLACES = {
    place.name: place
    for place in (
        Place("basic", "basic", "user"),
        Place("standard", "standard", "container"),
        Place("host", "standard", "host"),  # with namespaces where the kernel gives them
        Place("strong", "strong", "host"),
    )
}


def status_of(pid: int) -> tuple[Any, ...]:
    """All of a process that somebody outside could change."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    score = Path(f"/proc/{pid}/oom_score_adj").read_text()
    nice = os.getpriority(os.PRIO_PROCESS, pid)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    harmed = state in "TtZX"
    return (limits, score, nice, os.sched_getscheduler(pid), sorted(os.sched_getaffinity(pid)), harmed)


class Field:
    """All of it, for one level and one build."""

    def __init__(self, place: Place, build: Path, more: dict[str, str] | None = None) -> None:
        self.place = place
        self.more = more or {}  # options of the worker's
        self.level = place.level
        self.directory = Path(tempfile.mkdtemp(prefix="manimd-attacks-"))
        self.directory.chmod(0o755)
        self.token = f"attack-{os.urandom(6).hex()}"
        self.base = random.randrange(1 << 29, 1 << 30) & ~0xFFF
        self.canaries = {name: canary(name) for name in ("environ", "heap", "config", "redis", "neighbour")}
        self.ipc_before = ipc_objects()
        self.mounts_before = mounts()
        self.copy_product(build)
        self.redis = house.Redis(self.directory / "redis")
        self.redis.start()
        for path in (self.redis.directory, Path(self.redis.socket)):
            path.chmod(0o777)  # so that only the box keeps a scene from it
        self.queue = house.Queue(self.redis)
        with self.redis.connect() as db:
            db("SET", "secret", self.canaries["redis"])
        self.outsider = subprocess.Popen(["sleep", "infinity"], preexec_fn=house.clean_of_quits)
        self.outsider_before = status_of(self.outsider.pid)
        self.process = self.start_worker()
        self.log = house.Lines(self.process.stderr)
        try:
            self.log.wait("ready", 120 * house.SLOWER)
            self.start_neighbour()
        except BaseException:  # an end by a signal, too
            self.close()
            raise

    # ── set up ──

    def copy_product(self, build: Path) -> None:
        """Where every uid may run it, wherever the checkout is."""
        product = self.product = self.directory / "product"
        harness = product / "harness"
        shutil.copytree(house.ROOT / "worker/render/harness", harness, ignore=shutil.ignore_patterns("__pycache__"))
        for source, to in (("manimd", product), ("manimd-encode", product), ("harness/_manimd.so", harness)):
            shutil.copy(build / source, to)
        for path in (product, harness):
            path.chmod(0o755)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """`manimd work` as an operator of this level would run it."""
        self.tmp, self.store = self.directory / "tmp", self.directory / "store"
        self.config = self.directory / "manimd.conf"
        self.config.write_text(f"s3_secret_access_key = {self.canaries['config']}\n")
        for path, mode in ((self.tmp, 0o711), (self.store, 0o711), (self.config, 0o600)):
            path.mkdir(exist_ok=True) if path != self.config else None
            path.chmod(mode)
            if self.level == "basic" and os.geteuid() == 0:
                os.chown(path, self.base, self.base)
        options: dict[str, Any] = {"redis_url": self.redis.url, "store_dir": self.store, "slots": SLOTS}
        options |= {"tripwires": 0}  # what is seen is that each call fails, however many are tried
        options |= {"sandbox": self.level, "attempts": 1, "crashes": 1, "log_format": "json"}
        options |= {"harness": self.product / "harness", "encoder": self.product / "manimd-encode"}
        options |= {"max_timeout_s": 7200, "config": self.config}
        options |= {name: round(s * house.SLOWER) for name, s in {"timeout_s": 40, "cpu_s": 120, "tex_timeout_s": 5}.items()}
        if self.level != "basic":
            options["slot_uid_base"] = self.base
        options |= self.more
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        more = {"TMPDIR": str(self.tmp), "ATTACK_SECRET": self.canaries["environ"]}
        more["AWS_SESSION_TOKEN"] = self.canaries["heap"]
        return subprocess.Popen(
            [str(self.product / "manimd"), "work", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=house.environment(**more),
            cwd="/",
            preexec_fn=self.place.preparation(self.base),
        )

    def start_neighbour(self) -> None:
        """A job that runs all the while, with something to steal."""
        code = NEIGHBOUR.format(canary=self.canaries["neighbour"])
        metadata = {"secret": self.canaries["neighbour"]}
        self.neighbour = self.queue.push(code, timeout_s=7200, cpu_s=7200, metadata=metadata)
        secret = house.until("the neighbour has a secret", lambda: next(self.tmp.glob("*/*/scene/secret"), None))
        self.neighbour_dir = secret.parent
        self.neighbour_pid = house.until("the neighbour runs", lambda: self.find_by_directory(self.neighbour_dir))

    def find_by_directory(self, directory: Path) -> int:
        """The process that works in a directory (of whose name it may know less than we do)."""
        there = directory.stat()
        for pid in house.processes():
            with suppress(FileNotFoundError, ProcessLookupError):
                try:
                    here = os.stat(f"/proc/{pid}/cwd")
                except PermissionError:  # a container's root may not look: by its uid then
                    if there.st_uid and os.stat(f"/proc/{pid}").st_uid == there.st_uid:
                        return pid
                    continue
                if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                    return pid
        return 0

    def known(self) -> dict[str, Any]:
        """What every scene may know of what surrounds it."""
        below = house.descendants(self.process.pid)
        zygotes = [pid for pid, command in below.items() if "zygote.py" in command]
        return {
            "worker_pid": self.process.pid,
            "zygote_pids": " ".join(map(str, zygotes)),
            "neighbour_pid": self.neighbour_pid,
            "neighbour_dir": str(self.neighbour_dir),
            "outsider_pid": self.outsider.pid,
            "redis_port": self.redis.port,
            "redis_socket": self.redis.socket,
            "redis_pid": self.redis.process.pid if self.redis.process else 0,
            "config": str(self.config),
            "store": str(self.store),
            "level": self.level,
        }

    # ── while it runs ──

    def alive(self) -> bool:
        """Whether the worker is."""
        return self.process.poll() is None

    def slot_uids(self) -> range:
        """Every uid that a scene may have."""
        return range(self.base, self.base + 2 * SLOTS + 2)

    def outsider_complaints(self) -> list[str]:
        """Whether somebody laid hands on a process of nobody's concern."""
        try:
            now = status_of(self.outsider.pid)
        except OSError:
            return ["the process outside is gone"]
        changed = [(a, b) for a, b in zip(self.outsider_before, now, strict=True) if a != b]
        self.outsider_before = now  # told once
        return [f"the process outside was changed: {changed}"] if changed else []

    # ── the end ──

    def stop(self) -> list[str]:
        """End everything; what is left of it."""
        complaints = self.outsider_complaints()
        complaints += self.stop_neighbour()
        complaints += self.redis_complaints()
        if self.alive():
            self.process.terminate()
        else:
            complaints.append(f"the worker ended by itself: {self.process.returncode}")
        with suppress(house.Impatient):
            house.wait_exit(self.process, 30 * house.SLOWER)
        said = self.log.join()
        complaints += [f"the worker's log holds the {name} canary" for name, c in self.canaries.items() if c in said]
        complaints += self.leftovers()
        return complaints

    def stop_neighbour(self) -> list[str]:
        """It must have lived until now, and end as one that was cancelled."""
        if not self.alive():
            return []
        house.manimd("cancel", self.neighbour, redis=self.redis)
        with suppress(house.Impatient):
            outcome = self.queue.result(self.neighbour, 30 * house.SLOWER).get("outcome")
            return [] if outcome == "cancelled" else [f"the neighbour ended as {outcome}"]
        return ["the neighbour cannot be cancelled"]

    def redis_complaints(self) -> list[str]:
        """Redis holds the product's keys and ours, and no secret but ours."""
        found = []
        with self.redis.connect() as db:
            strangers = [k for k in db("KEYS", "*") if k != "secret" and not k.startswith(house.QUEUE + ":")]
            if strangers:
                found.append(f"strange keys in Redis: {strangers}")
            if db("GET", "secret") != self.canaries["redis"]:
                found.append("the secret in Redis was changed")
        return found

    def leftovers(self) -> list[str]:
        """Processes, files, sockets, IPC objects and mounts of a scene."""
        with suppress(house.Impatient):
            house.until("the slots are empty", lambda: not self.slot_processes(), 5 * house.SLOWER)
        found = [f"a process is left: {each}" for each in self.slot_processes().items()]
        found += [f"left in TMPDIR: {path}" for path in self.tmp.rglob("*")]
        found += [f"left by a scene: {path}" for path in self.strange_files()]
        found += [f"a socket is left: {line}" for line in self.strange_sockets()]
        found += [f"an IPC object is left: {line}" for line in ipc_objects() - self.ipc_before if self.is_ours(line)]
        found += [f"a cgroup is left: {home}" for home in house.cgroups(self.process.pid)]
        found += [f"a mount is left: {line}" for line in mounts() - self.mounts_before if self.token in line]
        return found

    def slot_processes(self) -> dict[int, str]:
        """What lives under a uid of a slot."""
        return {pid: c for pid, (_, uid, c) in house.processes().items() if uid in self.slot_uids()}

    def strange_files(self) -> list[str]:
        """Files of a scene in places that everybody may write to."""
        found = []
        for place in SHARED_PLACES:
            with suppress(OSError):
                entries = list(os.scandir(place))
                found += [e.path for e in entries if self.owns(e.stat(follow_symlinks=False).st_uid, e.name)]
        return found

    def owns(self, uid: int, name: str) -> bool:
        """Whether something was made by a scene."""
        return uid in self.slot_uids() or self.token in name

    def is_ours(self, line: str) -> bool:
        """Whether a line of /proc names a uid of a slot, or the suite's key."""
        return line.split()[1] == str(IPC_KEY) or any(word.isdigit() and int(word) in self.slot_uids() for word in line.split())

    def strange_sockets(self) -> list[str]:
        """Sockets of the slots' uids, and abstract ones by name."""
        found = []
        for table, column in UID_TABLES.items():
            with suppress(OSError):
                lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
                found += [f"{table}: {line}" for line in lines if int(line.split()[column]) in self.slot_uids()]
        names = Path("/proc/net/unix").read_text().splitlines()
        return found + [line for line in names if f"@{self.token}" in line]

    def close(self) -> None:
        """End what is ours and remove the directory, whatever happened."""
        self.outsider.kill()
        self.outsider.wait()
        if self.alive():
            self.process.kill()
            self.process.wait()
        for pid in [*self.slot_processes(), *self.children_left()]:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        house.reap_orphans({self.redis.process.pid} if self.redis.process else set())
        for path in self.strange_files():
            with suppress(OSError):
                os.unlink(path)
        for line in filter(self.is_ours, ipc_objects() - self.ipc_before):
            kind, _, number = line.split()[:3]
            subprocess.run(["ipcrm", IPCRM_OPTIONS[kind], number], stderr=subprocess.DEVNULL)
        self.redis.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def children_left(self) -> list[int]:
        """Processes of this field that a missing layer let escape our count."""
        found = []
        for pid in house.descendants(os.getpid()):
            with suppress(OSError):
                text = Path(f"/proc/{pid}/cmdline").read_text() + os.readlink(f"/proc/{pid}/cwd")
                if str(self.directory) in text and "redis-server" not in text:
                    found.append(pid)
        return found


def ipc_objects() -> set[str]:
    """System V objects of this IPC namespace: kind, key, id, …"""
    found = set()
    for kind in ("shm", "sem", "msg"):
        with suppress(OSError):
            lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
            found |= {f"{kind} {line}" for line in lines}
    return found


def mounts() -> set[str]:
    """What is mounted."""
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def places_here(build: Path) -> dict[str, str]:
    """Places, each with the reason for which it is not to be had here (or "")."""
    done = subprocess.run([str(build / "manimd"), "doctor", "--json"], capture_output=True, text=True)
    found = json.loads(done.stdout)
    best = found["sandbox"]["detail"].split()[1].strip(";,")
    order = ["none", "basic", "standard", "strong"]
    reach = order.index(best) if best in order else 0
    reasons = {}
    for place in PLACES.values():
        there = order.index(place.level) <= reach
        reasons[place.name] = "" if there else f"not applicable: manimd doctor finds level {best} here"
    if best != "standard" or found.get("box.namespaces", {}).get("state") != "ok":
        reasons["host"] = f"not applicable: manimd doctor finds no namespaces at level standard, or a better level: {best}"
    return reasons


def now() -> float:
    """A clock for durations."""
    return time.monotonic()
