"""The producer's commands: submit, watch, cancel, status, list."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import house
import pytest
from conftest import WorkerMaker
from house import GOOD, MANIMD, Queue, Redis, Worker, environment, manimd

SLOW = GOOD.replace(
    "self.wait(0.3)", "while True: import time; time.sleep(0.1); self.play(square.animate.rotate(1), run_time=0.2)"
)


@pytest.fixture
def scene_file(tmp_path: Path) -> Path:
    """A scene on disk."""
    path = tmp_path / "good.py"
    path.write_text(GOOD)
    return path


def test_submit_and_wait(redis: Redis, worker: Worker, scene_file: Path) -> None:
    """The result as JSON, exit 0."""
    done = manimd("submit", scene_file, "Good", "-q", "480p15", "--wait", "--json", redis=redis)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    result = result.get("result") or result
    assert (result["state"], result["outputs"][0]["kind"]) == ("completed", "mp4")


def test_submit_prints_the_id(redis: Redis, queue: Queue, worker: Worker, scene_file: Path) -> None:
    """Without --wait: the id on stdout, which watch takes."""
    done = manimd("submit", scene_file, "-q", "480p15", redis=redis)
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip().split()[-1]
    watched = manimd("watch", job_id, redis=redis)
    assert watched.returncode == 0, watched.stderr
    assert "completed" in watched.stdout + watched.stderr
    assert queue.hash(job_id)["state"] == "completed"


def test_submit_of_another_body_under_a_known_id(redis: Redis, queue: Queue, worker: Worker, tmp_path: Path) -> None:
    """It would be refused: said at once, not the other job's result told as its own."""
    path = tmp_path / "scene.py"
    path.write_text(house.GOOD)
    words = ("submit", path, "--id", "mine", "-q", "480p15", "--wait")
    assert manimd(*words, redis=redis).returncode == 0
    assert manimd(*words, redis=redis).returncode == 0, "the same again is harmless"
    path.write_text(house.GOOD + "\n# another\n")
    done = manimd(*words, redis=redis)
    assert done.returncode == 1 and done.stdout == "", done
    assert 'job "mine": is another job already, it is completed: choose another id' in done.stderr
    assert manimd("list", "--state", "rejected", redis=redis).stdout == ""


def test_submit_wait_of_a_failing_scene(redis: Redis, worker: Worker, tmp_path: Path) -> None:
    """Exit 1, with the scene's own line."""
    path = tmp_path / "bad.py"
    path.write_text("from manim import *\n\nclass A(Scene):\n    def construct(self):\n        self.add(nothing)\n")
    done = manimd("submit", path, "--wait", redis=redis)
    assert done.returncode == 1
    assert "nothing" in done.stdout + done.stderr and re.search(r"\b5\b", done.stdout + done.stderr)


def test_watch_as_json(redis: Redis, queue: Queue, worker: Worker) -> None:
    """One JSON object a line, the last one terminal."""
    job_id = queue.push(GOOD.replace("self.wait(0.3)", "self.wait(3, frozen_frame=False)"))
    done = manimd("watch", job_id, "--json", redis=redis)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and lines[-1]["state"] == "completed", done


def test_watch_on_a_terminal_is_one_line(redis: Redis, queue: Queue, worker: Worker) -> None:
    """Percent, frames per second and time left, rewritten in place."""
    job_id = queue.push(SLOW.replace("while True:", "for _ in range(30):"))
    parent, child = pty.openpty()
    env = environment(MANIMD_REDIS_URL=redis.url, TERM="xterm", COLUMNS="80")
    process = subprocess.Popen([str(MANIMD), "watch", job_id], stdin=child, stdout=child, stderr=child, env=env)
    os.close(child)
    screen = b""
    while True:
        try:
            screen += os.read(parent, 4096)
        except OSError:
            break
    os.close(parent)
    assert house.wait_exit(process) == 0
    text = screen.decode(errors="replace")
    shown = [part for part in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)) if "%" in part]
    assert shown, text
    assert any(re.search(r"\d+ ?%.*fps.*(left|eta|\d+:\d\d|\d+ ?s)", line) for line in shown), shown
    assert all(len(line) <= 80 for line in shown), shown
    assert text.count("\n") <= 6, text


def test_watch_of_nobody(redis: Redis) -> None:
    """An id that cannot be one is usage, not a wait for ever."""
    done = manimd("watch", "../etc", redis=redis)
    assert done.returncode == 2 and "../etc" in done.stderr


def test_watch_of_what_was_never_pushed(redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """Says at once that it waits, and follows the job when it comes."""
    watched = [(("--json",), "stdout", r'^\{"state":"unknown"\}$'), ((), "stderr", "^waiting for later to be pushed$")]
    running = []
    for words, stream, told in watched:
        process = subprocess.Popen(
            [str(MANIMD), "watch", "later", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(MANIMD_REDIS_URL=redis.url),
        )
        lines = house.Lines(getattr(process, stream))
        lines.wait(told, 10)
        running.append((process, lines))
    assert all(process.poll() is None for process, _ in running)
    start_worker().ready()
    queue.push(id="later")
    for process, _ in running:
        assert house.wait_exit(process) == 0
    assert json.loads(running[0][1].join().splitlines()[-1])["state"] == "completed"
    for process, lines in running:
        lines.join()
        process.stdout.close(), process.stderr.close()


def test_cancel_while_rendering(redis: Redis, queue: Queue, worker: Worker) -> None:
    """Within a second, with the box empty."""
    job_id = queue.push(SLOW)
    house.until("it renders", lambda: queue.hash(job_id).get("progress"))
    began = time.monotonic()
    done = manimd("cancel", job_id, redis=redis)
    assert done.returncode == 0, done.stderr
    result = queue.result(job_id)
    took = time.monotonic() - began
    assert (result["state"], result["outcome"]) == ("cancelled", "cancelled")
    assert took < 2, f"cancelling took {took:.2f} s"
    worker.idle()
    assert queue.run()["outcome"] == "completed"
    queue.check(job_id)


def test_cancel_by_any_client(redis: Redis, queue: Queue, worker: Worker) -> None:
    """SET cancel:ID is all there is to it."""
    job_id = queue.push(SLOW)
    house.until("it renders", lambda: queue.hash(job_id).get("progress"))
    redis.cli("SET", f"{house.QUEUE}:cancel:{job_id}", "1", "EX", "86400")
    assert queue.result(job_id)["outcome"] == "cancelled"


def test_cancel_before_it_begins(redis: Redis, queue: Queue, worker: Worker) -> None:
    """A job behind another never renders."""
    first = queue.push(SLOW)
    queue.wait_state(first, "active")
    second = queue.push()
    queue.wait_state(second, "queued")
    assert manimd("cancel", second, redis=redis).returncode == 0
    assert queue.result(second)["outcome"] == "cancelled"
    manimd("cancel", first, redis=redis)
    assert queue.result(first)["outcome"] == "cancelled"
    assert "started" not in queue.hash(second) or not queue.hash(second)["started"]
    queue.check(first, second)


def test_cancel_of_a_finished_job_changes_nothing(redis: Redis, queue: Queue, worker: Worker) -> None:
    """It says that it has ended."""
    job_id = queue.run()["id"]
    done = manimd("cancel", job_id, redis=redis)
    assert "completed" in done.stdout + done.stderr
    assert queue.hash(job_id)["state"] == "completed"


def test_status(redis: Redis, queue: Queue, worker: Worker) -> None:
    """The queue, a job, and a job that is not there."""
    job_id = queue.run()["id"]
    whole = manimd("status", redis=redis)
    assert whole.returncode == 0 and re.search(r"active|queued", whole.stdout), whole
    machine = manimd("status", "--json", redis=redis)
    metrics = json.loads(machine.stdout)["metrics"]
    assert (metrics["queued"], metrics["active"], metrics["completed"]) == (1, 1, 1), metrics
    assert metrics["failed"] == metrics["webhook_delivered"] == 0, metrics
    one = manimd("status", job_id, redis=redis)
    assert one.returncode == 0 and "completed" in one.stdout
    told = json.loads(manimd("status", job_id, "--json", redis=redis).stdout)
    assert told["state"] == "completed"
    none = manimd("status", "never-was", redis=redis)
    assert none.returncode != 0 and "never-was" in none.stderr


def test_status_of_a_busy_worker(redis: Redis, queue: Queue, worker: Worker) -> None:
    """What it renders and how far, that it drains, then that it is gone."""
    job_id = queue.push(SLOW)

    def seen() -> dict[str, Any] | None:
        workers = json.loads(manimd("status", "--json", redis=redis).stdout)["workers"]
        jobs = workers[0]["jobs"] if workers else []
        return workers[0] if jobs and jobs[0]["progress"] else None

    told = house.until("the worker says how far it is", seen)
    assert (told["state"], told["slots"], told["busy"]) == ("working", 1, 1)
    assert told["version"] and told["manim"] and told["seen_ms_ago"] < 30000
    job = told["jobs"][0]
    assert (job["id"], job["attempt"]) == (job_id, 1)
    assert job["progress"]["stage"] == "render" and job["progress"]["frames"] > 0
    assert 0 <= job["beat_ms_ago"] < 30000
    people = manimd("status", redis=redis).stdout
    assert re.search(r"manimd \S+, Manim \S+  1 of 1 slots busy  up \d+ s  seen \d+ s ago", people), people
    assert re.search(rf"{job_id}  attempt 1  render.* \d+ frames.* fps.*  beat \d+ s ago", people), people
    worker.signal(signal.SIGTERM)
    house.until("it drains", lambda: "1 of 1 slots busy, draining" in manimd("status", redis=redis).stdout)
    worker.signal(signal.SIGTERM)
    worker.stop()
    assert "no worker is there" in manimd("status", redis=redis).stdout
    with redis.connect() as db:
        db("DEL", f"{house.QUEUE}:job:{job_id}", f"{house.QUEUE}:ready")


def test_list(redis: Redis, queue: Queue, worker: Worker) -> None:
    """Jobs by their state."""
    good, bad = queue.push(), queue.push("import nothing_of_the_kind\n")
    queue.result(good), queue.result(bad)
    failed = manimd("list", "--state", "failed", "--json", redis=redis)
    text = failed.stdout
    assert bad in text and good not in text, failed
    assert good in manimd("list", "--state", "completed", redis=redis).stdout
    assert manimd("list", "--state", "nonsense", redis=redis).returncode == 2


def test_usage_errors_exit_with_2(redis: Redis) -> None:
    """One sentence that names what is wrong."""
    for words, name in (
        (("frobnicate",), "frobnicate"),
        (("work", "--slots=none"), "slots"),
        (("work", "--no-such-option=1"), "no-such-option"),
        (("submit",), "submit|FILE"),
        (("list",), "--state is missing: one of queued delayed"),
        (("list", "--state", "nonsense"), "nonsense.* is none of queued delayed"),
        (("submit", "/no/such/file.py"), "/no/such/file.py"),
        (("work", "--store-dir=/tmp", "--redis-url=http://x"), "redis"),
    ):
        done = manimd(*words, redis=redis)
        assert done.returncode == 2 and re.search(name, done.stderr), (words, done)
        assert "Traceback" not in done.stderr


def test_clients_without_redis_say_so(redis: Redis, scene_file: Path) -> None:
    """Exit 3, the address, no wait for ever."""
    redis.stop()
    for words in (("status",), ("submit", scene_file), ("list", "--state", "dead")):
        done = manimd(*words, redis=redis)
        assert done.returncode == 3 and "r.sock" in done.stderr, (words, done)
    redis.start()


def test_help_and_version() -> None:
    """For people who begin."""
    for words in (("--help",), ("help",), ("render", "--help"), ("work", "--help")):
        done = manimd(*words)
        assert done.returncode == 0 and "manimd" in done.stdout, (words, done)
    assert re.search(r"\d+\.\d+\.\d+", manimd("--version").stdout)
