#!/usr/bin/python3
"""A stage program that obeys: stands in for manimd where a test is about the
queue or the supervisor and not about Manim.

    fake_stage.py stage render|store|fetch DIR

What it does is written in the job's own code, one word and its value a line
(anything else is ignored, so the text may also be a scene):

    # fake: sleep_ms 300          of the render stage; 50 when not said
    # fake: store_sleep_ms 20     of the store stage; 0
    # fake: exit 1                of the render stage: 0, 1, 3, or anything
    # fake: store_exit 3
    # fake: outcome scene_error   for render.json; fits the exit when not said
    # fake: signal 9              the render stage kills itself with it
    # fake: hang 1                the render stage ends only when it is killed
    # fake: deaf 1                … and does not heed SIGTERM
    # fake: leave 2               processes left behind, in sessions of their own
    # fake: bytes 1000            size of the output
    # fake: flaky 0.3             share of attempts that end with exit 3

With MANIMD_STORE_DIR the store stage puts the file where the real one does.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Orders:
    """The words of a job's code, with their defaults."""

    def __init__(self, code: str) -> None:
        self.words = dict(re.findall(r"^# fake: (\w+) (\S+)$", code, re.MULTILINE))

    def number(self, name: str, otherwise: int = 0) -> int:
        """The whole number given for `name`."""
        return int(self.words.get(name, otherwise))


def report(values: dict[str, Any]) -> None:
    """Writes one progress line, if somebody listens."""
    fd = int(os.environ.get("MANIMD_STAGE_REPORT_FD", "-1"))
    if fd >= 0:
        os.write(fd, (json.dumps(values) + "\n").encode())


def write_result(directory: Path, name: str, values: dict[str, Any]) -> None:
    """Writes a stage's result by rename, as the real ones do."""
    part = directory / (name + ".part")
    part.write_text(json.dumps(values))
    part.rename(directory / name)


def outcome_of(status: int, orders: Orders, ours: str) -> str:
    """The outcome that a result names: as told, or as fits the exit status."""
    usual = {0: "completed", 1: "scene_error"}.get(status, ours)
    return orders.words.get("outcome", usual)


def error_of(status: int) -> dict[str, Any] | None:
    """The error object of a result."""
    if status == 0:
        return None
    return {"code": "Fake", "message": f"told to exit with {status}", "line": 3, "column": 5}


def sleep_with_progress(total_ms: int) -> None:
    """Sleeps, and reports ten times on the way."""
    for step in range(10):
        time.sleep(total_ms / 10000)
        report({"percent": (step + 1) * 10, "frames": step, "fps": 60, "eta_s": 0})


def render(directory: Path, orders: Orders) -> int:
    """The render stage: makes out/scene.mp4, or whatever it is told."""
    if orders.number("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(orders.number("leave")):
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
    report({"percent": 0, "pid": os.getpid()})
    while orders.number("hang"):
        time.sleep(1)
    sleep_with_progress(orders.number("sleep_ms", 50))
    if orders.number("signal"):
        os.kill(os.getpid(), orders.number("signal"))
    status = orders.number("exit")
    if random.random() < float(orders.words.get("flaky", "0")):
        status = 3
    outputs: list[dict[str, Any]] = []
    if status == 0:
        (directory / "out").mkdir(mode=0o700, exist_ok=True)
        data = os.urandom(orders.number("bytes", 1000))
        (directory / "out" / "scene.mp4").write_bytes(data)
        outputs = [{"kind": "mp4", "name": "scene.mp4", "width": 854, "height": 480,
                    "fps": 15, "frames": 10, "duration_s": 0.667}]
    write_result(directory, "render.json", {
        "outcome": outcome_of(status, orders, "host_error"), "error": error_of(status),
        "log_tail": "fake\n", "outputs": outputs, "frames": 10, "frames_distinct": 10,
        "timings_ms": {"start": 1, "render": 2, "encode": 3}, "peak_memory_bytes": 1000,
        "cpu_ms": 1, "encoder_used": "none", "render_path": "exact",
        "sandbox": {"level": "none", "layers": {}}})
    return status


def store(directory: Path, orders: Orders) -> int:
    """The store stage: copies the output to the directory store."""
    time.sleep(orders.number("store_sleep_ms") / 1000)
    status = orders.number("store_exit")
    outputs = json.loads((directory / "render.json").read_text())["outputs"]
    job_id = json.loads((directory / "job.json").read_text())["id"]
    for output in outputs if status == 0 else []:
        data = (directory / "out" / output["name"]).read_bytes()
        key = f"{job_id}/{os.environ['MANIMD_STAGE_NONCE']}/{output['name']}"
        output |= {"key": key, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if root := os.environ.get("MANIMD_STORE_DIR"):
            target = Path(root) / key
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory / "out" / output["name"], target.with_suffix(".part"))
            target.with_suffix(".part").rename(target)
            output["url"] = str(target)
    write_result(directory, "store.json", {
        "outcome": outcome_of(status, orders, "store_failed"), "error": error_of(status),
        "outputs": outputs if status == 0 else [], "timings_ms": {"store": 1},
        "requests": 1, "retries": 0})
    return status


def main() -> int:
    """Runs the stage that the command line names."""
    _, _, name, where = sys.argv
    directory = Path(where)
    orders = Orders(json.loads((directory / "job.json").read_text()).get("code") or "")
    return {"render": render, "store": store, "fetch": lambda *_: 0}[name](directory, orders)


if __name__ == "__main__":
    sys.exit(main())
