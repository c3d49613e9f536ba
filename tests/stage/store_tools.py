"""What the store's tests share: its driver, and attempts to be stored.

`MANIMD_BUILD` names the build directory (default `build`).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("MANIMD_BUILD", "build")
NONCE = "0123456789abcdef0123456789abcdef"
PATIENCE_S = 120.0


@pytest.fixture(scope="session")
def driver() -> Path:
    """The store room as a program (store_driver.c), built if need be."""
    program = f"{BUILD}/stage/store_driver"
    options = ["SAN=1"] if BUILD.endswith("asan") else []
    subprocess.run(
        ["make", "-s", f"BUILD={BUILD}", *options, program], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return ROOT / program


@dataclass
class Attempt:
    """An attempt's directory as the render stage leaves it."""

    driver: Path
    dir: Path
    files: dict[str, bytes]
    job_id: str = "job-1"
    nonce: str = NONCE
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.dir / "out").mkdir(parents=True)
        outputs = []
        for name, data in self.files.items():
            (self.dir / "out" / name).write_bytes(data)
            outputs.append({"kind": name.rsplit(".", 1)[-1], "name": name, "width": 4, "frames": 7})
        (self.dir / "render.json").write_text(json.dumps({"outcome": "completed", "outputs": outputs}))

    def popen(self, **more: str) -> subprocess.Popen[str]:
        """Starts the stage."""
        return subprocess.Popen(
            [str(self.driver), "stage", str(self.dir), self.job_id, self.nonce],
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | self.env | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **more: str) -> Stored:
        """Runs the stage to its end."""
        process = self.popen(**more)
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return Stored(process.returncode, out, err.strip(), self.result())

    def result(self) -> dict[str, Any]:
        """store.json, {} when there is none."""
        path = self.dir / "store.json"
        return json.loads(path.read_text()) if path.exists() else {}


@dataclass
class Stored:
    """How a stage ended."""

    code: int
    out: str
    err: str
    result: dict[str, Any]

    def good(self) -> dict[str, Any]:
        """The result of one that must have gone well."""
        assert self.code == 0, self.err
        assert self.err == ""
        assert self.result["outcome"] == "completed" and self.result["error"] is None
        return self.result

    def bad(self, words: str) -> str:
        """The sentence of one that must have failed with these words in it."""
        assert self.code == 3, (self.code, self.err)
        assert self.result["outcome"] == "store_failed", self.result
        assert self.result["outputs"] == []
        message: str = self.result["error"]["message"]
        assert words in message, message
        assert self.err.endswith(message)
        assert "\n" not in message and not message.endswith(".")
        return message


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()
