"""Pushes scenes through a field, several at a time, and judges each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import field as fields
from judge import Verdict, judge, stored
from scene_file import SceneFile
from targets import Targets

SIZE = {"width": 128, "height": 72, "fps": 10}
TIMES = ("timeout_s", "cpu_s")  # of a job
# Several at a time, so that they could harm each other; but a machine that is slow (one
# core, perhaps) may keep an interpreter from starting in time while bombs go off.
AT_A_TIME = fields.SLOTS - 1 if fields.house.SLOWER == 1 else 1
PATIENCE_S = 150.0 * fields.house.SLOWER


@dataclass
class Running:
    """A scene that was pushed."""

    scene: SceneFile
    job_id: str
    targets: Targets
    began: float


class Trial:
    """One field's worth of scenes."""

    def __init__(self, field: fields.Field, tell: Callable[[Verdict], None], patience_s: float = PATIENCE_S) -> None:
        self.field = field
        self.tell = tell
        self.patience_s = patience_s
        self.stuck = False  # a scene without any result may hold its slot for ever
        self.running: dict[str, Running] = {}
        self.verdicts: list[Verdict] = []
        self._count = 0

    def run(self, scenes: list[SceneFile]) -> list[Verdict]:
        """All of them; those that must be alone come last, by name."""
        for scene in sorted(scenes, key=lambda s: (s.alone, s.title if s.alone else "")):
            while len(self.running) >= (1 if scene.alone else AT_A_TIME):
                self.collect()
            if not self.field.alive() or (self.stuck and self.patience_s < PATIENCE_S):
                break
            self.push(scene)
        while self.running:
            self.collect()
        return self.verdicts

    def push(self, scene: SceneFile) -> None:
        """Prepare the targets and push the job."""
        self._count += 1
        job_id = f"{scene.family}-{scene.name}-{self._count}".replace("_", "-")[:64]
        place = self.field.directory / "outside" / job_id
        targets = Targets(place, f"{self.field.token}-{self._count}", scene.prepare)
        known = self.field.known() | targets.known
        asked = {k: round(v * fields.house.SLOWER) if k in TIMES else v for k, v in scene.job.items()}
        job: dict[str, Any] = {"id": job_id, "code": scene.code(known), "notify": True} | SIZE | asked
        self.running[job_id] = Running(scene, job_id, targets, fields.now())
        self.field.queue.push_raw(json.dumps(job))

    def collect(self) -> None:
        """Wait for the next result."""
        keys = [f"{fields.house.QUEUE}:wait:{job_id}" for job_id in self.running]
        deadline = fields.now() + self.patience_s
        popped = None
        while popped is None and fields.now() < deadline and self.field.alive():
            with self.field.redis.connect() as db:
                popped = db("BLPOP", *keys, 1)
        if popped is None:
            why = "no result" if self.field.alive() else "the worker is dead"
            self.stuck = True
            for running in [*self.running.values()]:
                self.judge(running, {"outcome": why})
            return
        self.judge(self.running[popped[0].rpartition(":")[2]], json.loads(popped[1]))

    def judge(self, running: Running, result: dict[str, Any]) -> None:
        """Look at everything that came of it."""
        del self.running[running.job_id]
        verdict = Verdict(running.scene, self.field.level, fields.now() - running.began, str(result.get("outcome")))
        events = [e for e in self.field.queue.events() if running.job_id in json.dumps(e)] if self.field.alive() else []
        canaries = [*self.field.canaries.values(), *running.targets.canaries]
        outputs = stored(self.field.store, running.job_id)
        judge(verdict, result, events, outputs, canaries)
        verdict.breaches += running.targets.complaints() + self.field.outsider_complaints()
        running.targets.close()
        self.verdicts.append(verdict)
        self.tell(verdict)
