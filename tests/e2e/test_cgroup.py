"""A worker whose machine gives it a cgroup v2 (scripts/vm-check runs it in one)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import house
import pytest
from conftest import WorkerMaker
from house import GOOD, MANIMD, Queue

UNIT = Path(os.environ.get("MANIMD_TEST_AS_UNIT", "/nowhere"))  # as scripts/vm-check --unit makes it
# Once it is told to; less than RLIMIT_DATA lets it have.
EATS = GOOD.replace("self.wait(0.3)", """import os, time
        while not os.path.exists("go"): self.wait(0.1); time.sleep(0.05)
        held = b"x" * (3 << 29)""")
ENDLESS = GOOD.replace("self.wait(0.3)", "while True: self.play(square.animate.rotate(1), run_time=0.2)")


def doctor() -> dict[str, dict[str, str]]:
    """What this machine has."""
    done = subprocess.run([str(MANIMD), "doctor", "--json"], capture_output=True, text=True, env=house.environment())
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="module", autouse=True)
def cgroup() -> None:
    """Only where there is one."""
    found = doctor()["box.cgroup"]
    if found["state"] != "ok":
        pytest.skip(f"not applicable: manimd doctor: box.cgroup: {found['detail']}")


def test_what_the_kernel_kills_is_a_memory_limit(queue: Queue, start_worker: WorkerMaker) -> None:
    """memory.max strikes while nobody looks: the job's fault, and it is said who did it."""
    worker = start_worker().ready()
    job_id = queue.push(EATS, memory_mb=1024, disk_mb=64)  # which count as memory in a tmpfs
    house.until("it renders", lambda: queue.hash(job_id).get("progress"))
    keeper = next(pid for pid, command in house.descendants(worker.pid).items() if "stage render" in command)
    leaf = next(path for home in house.cgroups(worker.pid) for path in home.glob("box-*/scene"))
    os.kill(keeper, signal.SIGSTOP)
    next(worker.tmp.glob("*/*/scene")).joinpath("go").touch()
    house.until("the kernel has killed it", lambda: "populated 0" in (leaf / "cgroup.events").read_text())
    os.kill(keeper, signal.SIGCONT)
    result = queue.result(job_id)
    assert result["outcome"] == "memory_limit", result
    assert result["error"]["message"].endswith("the kernel ended them")


def test_the_record_says_what_the_cpu_is_held_to(queue: Queue, start_worker: WorkerMaker) -> None:
    """cpu.max is in force, and 0 when nobody asked for it."""
    start_worker(cpu_percent=50).ready()
    bound = queue.result(queue.push())
    assert (bound["outcome"], bound["sandbox"]["cpu_percent"]) == ("completed", 50), bound
    assert bound["sandbox"]["layers"]["cpu"] == "active"


def test_a_killed_workers_cgroups_are_swept(queue: Queue, start_worker: WorkerMaker) -> None:
    """SIGKILL in mid-render leaves a home; the next worker removes it, and its own."""
    worker = start_worker(lease_ms=2000).ready()
    job_id = queue.push(ENDLESS)
    house.until("it renders", lambda: queue.hash(job_id).get("progress"))
    leaves = [path for home in house.cgroups(worker.pid) for path in home.rglob("cgroup.procs") if path.read_text()]
    assert {path.parent.name for path in leaves} == {"scene", "encoder"}, leaves
    worker.kill()
    assert house.cgroups(worker.pid), "nothing to be swept"
    start_worker(lease_ms=2000).ready()
    assert house.cgroups(worker.pid) == []
    house.manimd("cancel", job_id, redis=queue.redis)
    assert queue.result(job_id)["outcome"] == "cancelled"


def test_a_delegated_worker_leaves_its_place_as_it_was(queue: Queue, start_worker: WorkerMaker) -> None:
    """As systemd/manimd.service has it: it moves into a leaf of its own, and out of it again."""
    if not UNIT.is_dir():
        pytest.skip("not applicable: $MANIMD_TEST_AS_UNIT: no delegated cgroup (scripts/vm-check --unit makes one)")
    ours = Path("/proc/self/cgroup").read_text().rpartition("0::")[2].strip()
    (UNIT / "cgroup.procs").write_text("0")
    try:
        worker = start_worker(sandbox="strong", cpu_percent=100)
    finally:
        (UNIT.parent / ours.lstrip("/") / "cgroup.procs").write_text("0")
    worker.ready()
    job_id = queue.push(ENDLESS)
    house.until("it renders", lambda: queue.hash(job_id).get("progress"))
    job = next(UNIT.glob("box-*"))
    assert str(worker.pid) in (UNIT / "worker/cgroup.procs").read_text().split()
    assert (job / "cpu.max").read_text() == "100000 100000\n"
    assert "max\n" not in ((job / leaf / "memory.max").read_text() for leaf in ("scene", "encoder"))
    house.manimd("cancel", job_id, redis=queue.redis)
    assert queue.result(job_id)["sandbox"]["level"] == "strong"
    assert worker.stop() == 0
    assert [path.name for path in UNIT.iterdir() if path.is_dir()] == []
