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
from files_server import raw, serving
from house import GOOD, MANIMD, Queue, Worker

UNIT = Path(os.environ.get("MANIMD_TEST_AS_UNIT", "/nowhere"))  # as scripts/vm-check --unit makes it
# Once it is told to; less than RLIMIT_DATA lets it have.
EATS = GOOD.replace("self.wait(0.3)", """import os, time
        while not os.path.exists("go"): self.wait(0.1); time.sleep(0.05)
        held = b"x" * (3 << 29)""")
ENDLESS = GOOD.replace("self.wait(0.3)", "while True: self.play(square.animate.rotate(1), run_time=0.2)")


NOTHING = "0"  # bytes


def leaf_of(worker: Worker, name: str) -> Path:
    """The job's leaf of this name, once somebody is in it."""

    def find() -> Path | None:
        found = [leaf for home in house.cgroups(worker.pid) for leaf in home.glob(f"box-*/{name}")]
        return next((leaf for leaf in found if (leaf / "cgroup.procs").read_text()), None)

    return Path(house.until(f"somebody is in {name}", find))


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


@pytest.mark.parametrize("whose", ["its own", "the job's"])
def test_an_encoder_that_the_kernel_kills(queue: Queue, start_worker: WorkerMaker, whose: str) -> None:
    """By its own limit it is the job's fault: the same frames would do it again. By one
    above it, it is the worker's machine that was short, and whoever is hit is tried again."""
    worker = start_worker(attempts=1).ready()
    job_id = queue.push(ENDLESS)
    encoder = leaf_of(worker, "encoder")
    assert int((encoder / "memory.max").read_text()) > 64 << 20
    limited = encoder if whose == "its own" else encoder.parent
    (limited / "memory.max").write_text(NOTHING)
    result = queue.result(job_id)
    if whose == "its own":
        assert (result["state"], result["outcome"]) == ("failed", "memory_limit"), result
        assert result["error"]["message"].startswith("the encoder used more memory than a picture of this size needs")
    else:
        assert (result["state"], result["outcome"]) == ("dead", "host_error"), result
        assert result["error"]["message"].startswith("the machine had no memory left, and the kernel ended the ")


@pytest.mark.parametrize("how", ["killed", "cancelled"])
def test_a_fetcher_has_a_cgroup(queue: Queue, start_worker: WorkerMaker, tmp_path: Path, how: str) -> None:
    """It is limited, ended by it, and nothing of it is left when the slot is free."""
    with serving(tmp_path) as (files, port, _):
        files.serve("/hang", raw(then_wait=True))
        worker = start_worker(guard_allow="127.0.0.0/8", fetch_ca_file=tmp_path / "ca.pem", attempts=1).ready()
        job_id = queue.push(None, source=f"https://localhost:{port}/hang")
        house.until("it is asked for", lambda: files.asked)
        fetcher = leaf_of(worker, "fetch")
        assert 512 << 20 <= int((fetcher / "memory.max").read_text()) <= 2 << 30
        assert int((fetcher / "pids.max").read_text()) < 64
        if how == "killed":
            (fetcher / "memory.max").write_text(NOTHING)
        else:
            house.manimd("cancel", job_id, redis=queue.redis)
        result = queue.result(job_id)
        if how == "killed":
            assert (result["state"], result["outcome"]) == ("dead", "fetch_failed"), result
            assert "the kernel ended the fetching process: it used more memory" in result["error"]["message"]
        else:
            assert result["outcome"] == "cancelled", result
        house.until("its cgroup is gone", lambda: not fetcher.parent.exists())


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

    def inhabited() -> set[str]:
        files = [path for home in house.cgroups(worker.pid) for path in home.rglob("cgroup.procs")]
        return {path.parent.name for path in files if path.read_text()}

    # A frame is drawn before the encoder has mapped libav.
    house.until("both leaves are in use", lambda: inhabited() == {"scene", "encoder"})
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
    # A frame is drawn before the encoder has limited itself.
    house.until("the encoder is in its leaf", lambda: (job / "encoder/cgroup.procs").read_text())
    assert str(worker.pid) in (UNIT / "worker/cgroup.procs").read_text().split()
    assert (job / "cpu.max").read_text() == "100000 100000\n"
    assert "max\n" not in ((job / leaf / "memory.max").read_text() for leaf in ("scene", "encoder"))
    house.manimd("cancel", job_id, redis=queue.redis)
    assert queue.result(job_id)["sandbox"]["level"] == "strong"
    assert worker.stop() == 0
    assert [path.name for path in UNIT.iterdir() if path.is_dir()] == []
