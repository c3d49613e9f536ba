"""A box to type commands into: the sandbox's test helper box-run, as a fixture."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("MANIMD_BUILD", "build")
PATIENCE_S = 60.0


def runtime() -> Path:
    """The virtual environment that has Manim."""
    said = subprocess.run(
        ["scripts/setup", "--print-runtime"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return Path(said.stdout.strip())


@dataclass
class Box:
    """A directory with a uid of its own (as root), and what may be run in it."""

    program: Path
    dir: Path
    uid: int
    python: Path
    namespaces: bool = False

    def run(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Runs a command in the box."""
        level = "standard" if self.uid else "basic"
        words = [str(self.program), "-l", level, "-u", str(self.uid), "-d", str(self.dir)]
        words += ["-N"] if self.namespaces else []
        words += ["-r", str(self.python.parents[1]), "-m", "1024", "-D", "256", "-c", "50", *options]
        return subprocess.run(
            [*words, "--", *command],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def run_python(self, code: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs Python code in the box."""
        return self.run(str(self.python), "-c", code, options=options)

    def empty(self) -> None:
        """Kills what still runs in it."""
        subprocess.run([str(self.program), "-u", str(self.uid), "-k"], check=True)

    def environment(self) -> dict[str, str]:
        """What a scene is given: everything of its own beneath its directory."""
        own = str(self.dir)
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": own,
            "TMPDIR": own,
            "XDG_CACHE_HOME": f"{own}/cache",
            "TEXMFVAR": f"{own}/texmf-var",
            "TEXMFOUTPUT": own,
            "openin_any": "p",
            "openout_any": "p",
            "shell_escape": "f",
            "OPENBLAS_NUM_THREADS": "1",
        }


def living(uid: int) -> list[int]:
    """Processes of a uid, zombies left out: they wait for whoever reaps them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(") ")[2][0]
            if entry.stat().st_uid == uid and state not in "ZX":
                found.append(int(entry.name))
        except OSError:
            continue  # ended meanwhile
    return found


@pytest.fixture(scope="session")
def box_run() -> Path:
    """The helper, built if need be."""
    program = f"{BUILD}/unit/sandbox/box-run"
    options = ["SAN=1"] if BUILD.endswith("asan") else []
    subprocess.run(
        ["make", "-s", f"BUILD={BUILD}", *options, program], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return ROOT / program


@pytest.fixture(params=["plain", "namespaces"])
def box(box_run: Path, request: pytest.FixtureRequest) -> Iterator[Box]:
    """An empty box; afterwards nothing of it runs and it is removed."""
    namespaces = request.param == "namespaces"
    if namespaces:
        probe = subprocess.run(
            [str(box_run), "-l", "basic", "-d", "/tmp", "-N", "--", "/bin/true"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if probe.returncode:
            pytest.skip(f"not applicable: box-run -N: {probe.stderr.strip()}")
    outside = Path(tempfile.mkdtemp(prefix="manimd-box-"))
    outside.chmod(0o711)
    inside = outside / "scene"
    inside.mkdir(mode=0o700)
    uid = 0
    if os.geteuid() == 0:
        uid = (1 << 30) + secrets.randbelow(1 << 29)
        os.chown(inside, uid, uid)
    made = Box(box_run, inside, uid, runtime() / "bin" / "python3", namespaces)
    try:
        yield made
    finally:
        if uid:
            made.empty()
        shutil.rmtree(outside)
