"""How far a scene gets beyond its memory limit before it is stopped.

Run by `make bench-box-memory`. Each kind of memory is eaten by a scene of the
attack suite (tests/attacks/scenes/resources), alone in a stage whose processes
are all in a control group of their own, as in a pod: it counts what they really
use, the kernel's memory for them too, and is set to what the stage needs while
its scene is idle, and the limit, and the head-room. What is printed is the
largest use seen, less what is not the scene's, less the limit. The page cache
is left out: the kernel takes it back when it is needed.

The verdict must be memory_limit (disk_limit for files, completed for the
control), and the group must not have had to kill. Where a scene completes, what
is told is how much more it used than an idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "stage"))

from render_tools import attempt, collect, start_stage, write_job  # noqa: E402

SCENES = ROOT / "tests" / "attacks" / "scenes"
GROUPS = Path("/sys/fs/cgroup/memory")
MIB = 1 << 20
LIMIT_MIB = 400
COMPLETES_MIB = 700
HEAD_ROOM_MIB = 512
SAMPLE_S = 0.002
COUNTED = ("rss", "shmem", "swap")

#: Scene, how it must end.
KINDS = {
    "private pages": ("resources/private_memory", "memory_limit"),
    "in children": ("resources/memory_in_children", "memory_limit"),
    "shared pages, written to": ("resources/pages_unshared", "memory_limit"),
    "threads and their stacks": ("resources/thread_stacks", "memory_limit"),
    "page tables": ("resources/page_tables", "memory_limit"),
    "mappings": ("resources/mappings", "memory_limit"),
    "pipes": ("resources/pipes", "memory_limit"),
    "files deleted but held": ("resources/deleted_files", "disk_limit"),
    "files mapped": ("resources/mapped_file", "disk_limit"),
    "control: pages shared by forks": ("control/shared_pages", "completed"),
    "shared, memfd, SysV, mlock: refused": ("resources/shared_memory_refused", "completed"),
    "sockets, byte locks, epoll: refused": ("resources/sockets_and_locks_refused", "completed"),
    "sockets' buffers: none to be had": ("resources/socket_buffers", "completed"),
}
IDLE = """
import time
from manim import *
class Idle(Scene):
    def construct(self):
        self.wait(0.1)
        time.sleep(1.5)
"""


@dataclass
class Seen:
    """What a stage used, and how it ended."""

    peak: int
    outcome: str
    own: int  # the largest share of the scene's uid, as the watch reckons it
    killed: int
    seconds: float


class Group:
    """A control group of version 1, with nothing in it but a stage."""

    def __init__(self) -> None:
        self.path = GROUPS / f"manimd-bench-{os.getpid()}"
        self.path.mkdir()
        self.peak = 0
        self.done = threading.Event()

    def number(self, name: str) -> int:
        """One of its files that holds a number."""
        return int((self.path / name).read_text())

    def used(self) -> int:
        """What cannot be taken back."""
        fields = dict(line.split() for line in (self.path / "memory.stat").read_text().splitlines())
        return sum(int(fields[name]) for name in COUNTED) + self.number("memory.kmem.usage_in_bytes")

    def sample(self) -> None:
        """Until told to stop."""
        while not self.done.wait(SAMPLE_S):
            self.peak = max(self.peak, self.used())

    def killed(self) -> int:
        """How often the kernel had to kill in it."""
        found = re.search(r"^oom_kill (\d+)", (self.path / "memory.oom_control").read_text(), re.M)
        return int(found[1]) if found else 0


@contextmanager
def group(limit: int | None) -> Iterator[Group]:
    """Made, sampled, and removed when it is empty."""
    made = Group()
    sampler = threading.Thread(target=made.sample)
    try:
        if limit:
            (made.path / "memory.limit_in_bytes").write_text(str(limit))
        sampler.start()
        yield made
    finally:
        made.done.set()
        sampler.join()
        while True:
            try:
                made.path.rmdir()
                break
            except OSError:  # what was in it is being freed
                time.sleep(0.05)


def shares(uid: int) -> int:
    """Anonymous pages of a uid's processes, each shared one in its part."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == uid:
                found = re.search(r"Pss_Anon: +(\d+) kB", (entry / "smaps_rollup").read_text())
                total += int(found[1]) * 1024 if found else 0
        except OSError:
            continue  # ended meanwhile
    return total


def run(code: str, limit: int | None, fields: dict[str, object]) -> Seen:
    """The stage, on a scene."""
    with group(limit) as pod, attempt() as directory:
        write_job(directory, code, fields)
        begun = time.monotonic()
        entry = pod.path / "cgroup.procs"
        shell = ("sh", "-c", f"echo $$ > {entry} && exec \"$@\"", "sh")
        stage = start_stage(directory, prefix=shell)
        own = 0
        while not limit and stage.poll() is None:
            scene_dir = directory / "scene"
            own = max(own, shares(scene_dir.stat().st_uid) if scene_dir.exists() else 0)
            time.sleep(0.05)
        _, stderr = stage.communicate(timeout=120)
        ended = collect(directory, stage.returncode, stderr)
        return Seen(pod.peak, ended.outcome, own, pod.killed(), time.monotonic() - begun)


def scene(title: str) -> str:
    """An attack's text, with the helper's calls if it needs them."""
    text = (SCENES / f"{title}.py").read_text()
    if "from attack import" not in text:
        return text
    sys.path.insert(0, str(ROOT / "tests" / "attacks"))
    from scene_file import SceneFile

    family, name = title.split("/")
    return SceneFile(SCENES / f"{title}.py", family, name, {}).code({})


def measure() -> tuple[list[dict[str, object]], bool]:
    """A row for each kind, and whether all is well."""
    idle = run(IDLE, None, {"memory_mb": LIMIT_MIB})
    assert idle.outcome == "completed", idle
    rest = idle.peak - idle.own
    print(f"idle: the stage uses {idle.peak / MIB:.0f} MiB, of which its scene {idle.own / MIB:.0f}")
    rows, well = [], True
    for kind, (title, outcome) in KINDS.items():
        fields: dict[str, object] = {"memory_mb": LIMIT_MIB, "disk_mb": 64, "processes": 100, "timeout_s": 60}
        limit = (COMPLETES_MIB if outcome == "completed" else LIMIT_MIB) * MIB
        fields["memory_mb"] = limit // MIB
        seen = run(scene(title), rest + limit + HEAD_ROOM_MIB * MIB, fields)
        over = (seen.peak - rest - limit) / MIB
        good = seen.outcome == outcome and seen.killed == 0 and over < HEAD_ROOM_MIB
        if outcome == "completed":
            over = (seen.peak - idle.peak) / MIB
        well &= good
        rows.append({"kind": kind, "outcome": seen.outcome, "over_mib": round(over),
                     "pod_killed": seen.killed, "seconds": round(seen.seconds, 1)})  # fmt: skip
        beyond = "idle" if outcome == "completed" else "limit"
        print(f"{'ok  ' if good else 'FAIL'} {kind:36} {seen.outcome:13} {beyond:5} {over:+5.0f} MiB  "
              f"{seen.seconds:4.1f} s  pod's own kills {seen.killed}")  # fmt: skip
    return rows, well


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "box_memory.json")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not os.access(GROUPS / "memory.stat", os.R_OK):
        print(f"not applicable: a memory control group of version 1: {GROUPS} is not there for us")
        return 0
    print(f"limit {LIMIT_MIB} MiB, head-room of the pod {HEAD_ROOM_MIB} MiB, load {os.getloadavg()[0]:.1f}")
    rows, well = measure()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"limit_mib": LIMIT_MIB, "head_room_mib": HEAD_ROOM_MIB, "kinds": rows}))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
