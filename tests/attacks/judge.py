"""How one attack ended: what its result, its outputs and its targets say."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from scene_file import SceneFile


@dataclass
class Verdict:
    """One scene at one level."""

    scene: SceneFile
    level: str
    seconds: float
    outcome: str
    breaches: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Nothing got out, and it ended as it should."""
        return not self.breaches and not self.complaints


def forms(canary: str) -> list[bytes]:
    """The ways in which a secret may be written down."""
    raw = canary.encode()
    return [raw, raw.hex().encode(), raw[::-1], *(base64.b64encode(b"x" * n + raw)[4:-8] for n in range(3))]


def holds(data: bytes, canaries: Iterable[str]) -> str | None:
    """Which secret is in it, in any form."""
    for canary in canaries:
        if any(form in data for form in forms(canary)):
            return canary.rpartition("-")[0]
    return None


def contents(path: Path) -> Iterable[bytes]:
    """A file's bytes; of a picture the pixels too."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".png":
        picture = Image.open(io.BytesIO(data))
        for mode in ("RGB", "RGBA", "L"):
            yield picture.convert(mode).tobytes()


def stored(store: Path, job_id: str) -> list[Path]:
    """What was stored for a job."""
    return [path for path in store.rglob("*") if path.is_file() and job_id in path.parts]


def judge(
    verdict: Verdict, result: dict[str, Any], events: list[dict[str, str]], outputs: list[Path], canaries: list[str]
) -> None:
    """Fill in what is wrong. What a scene says is believed against us only."""
    scene, log = verdict.scene, str(result.get("log_tail", ""))
    verdict.breaches += re.findall(r"^BREACH (.*)$", log, re.M)
    for what, data in (("result", json.dumps(result)), ("events", json.dumps(events))):
        if found := holds(data.encode(), canaries):
            verdict.breaches.append(f"the {what} holds {found}")
    for path in outputs:
        if found := next(filter(None, (holds(data, canaries) for data in contents(path))), None):
            verdict.breaches.append(f"{path.name} holds {found}")
    level = (result.get("sandbox") or {}).get("level")
    if level not in (None, verdict.level):
        verdict.complaints.append(f"it ran at level {level}")
    if verdict.outcome not in scene.outcomes(verdict.level):
        message = (result.get("error") or {}).get("message", "")
        verdict.complaints.append(f"ended as {verdict.outcome} ({message}), not {' or '.join(scene.outcomes(verdict.level))}")
    if scene.tries and not scene.control and not scene.raw and not re.search(r"^(tried|BREACH) ", log, re.M):
        verdict.complaints.append(f"it says nothing that it tried: {log[-300:]!r}")
