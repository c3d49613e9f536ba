"""Reads an attack scene's header (README.md has the format)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCENES = HERE / "scenes"
OUTCOMES = HERE.parents[1] / "worker" / "outcome.def"
KEYS = {"expect", "levels", "prepare", "job", "tries", "ablation", "gpu", "alone", "raw"}
LEVELS = ("basic", "standard", "strong")


class BadHeader(Exception):
    """A scene file that the runner does not understand."""


@dataclass(frozen=True)
class SceneFile:
    """One scene, and what its header says."""

    path: Path
    family: str
    name: str
    expect: dict[str, tuple[str, ...]]
    levels: tuple[str, ...] = LEVELS
    prepare: tuple[str, ...] = ()
    job: dict[str, Any] = field(default_factory=dict)
    tries: bool = True
    ablation: bool = True
    gpu: bool = True
    alone: bool = False
    raw: bool = False
    control: bool = False

    @property
    def title(self) -> str:
        """FAMILY/NAME."""
        return f"{self.family}/{self.name}"

    def outcomes(self, level: str) -> tuple[str, ...]:
        """How it may end at a level."""
        return self.expect.get(level, self.expect.get("", ("completed",)))

    def code(self, targets: dict[str, Any]) -> str:
        """What the job carries: the helper and its targets in one first line, so
        that lines count from one more; or the file as it is."""
        text = self.path.read_text()
        if self.raw:
            return text
        helper = (HERE / "attack.py").read_text()
        first = (
            "import sys as _s, types as _t; _m = _t.ModuleType('attack'); _s.modules['attack'] = _m; "
            f"exec(compile({helper!r}, 'attack.py', 'exec'), _m.__dict__); _m.TARGETS.update({targets!r})\n"
        )
        return first + text


def known_outcomes() -> set[str]:
    """The names of outcome.def."""
    return set(re.findall(r"^OUTCOME\((\w+)", OUTCOMES.read_text(), re.M))


def header(path: Path) -> dict[str, str]:
    """The lines `# key: value` before the first line of code."""
    found: dict[str, str] = {}
    in_docstring = False
    for line in path.read_text().splitlines():
        quotes = line.count('"""')
        if in_docstring or quotes:
            in_docstring ^= quotes % 2 == 1
            continue
        match = re.match(r"# ([a-z]+(?: [a-z]+)?): +(.+)$", line)
        if match:
            found[match[1]] = match[2].strip()
        elif line.strip() and not line.startswith("#"):
            break
    return found


def flag(path: Path, words: dict[str, str], name: str, otherwise: bool) -> bool:
    """A `yes` or `no`; what follows it is the reason."""
    word = words.get(name, "yes" if otherwise else "no").split()[0].strip(",;:")
    if word not in ("yes", "no"):
        raise BadHeader(f"{path}: {name} is yes or no, not {word!r}")
    return word == "yes"


def expectations(path: Path, words: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """`expect` for every level, `expect LEVEL` for one."""
    known = known_outcomes()
    found = {}
    for key, value in words.items():
        name, _, level = key.partition(" ")
        if name not in KEYS or (level and (name != "expect" or level not in LEVELS)):
            raise BadHeader(f"{path}: no such header {key!r}")
        if name == "expect":
            found[level] = tuple(value.split())
            if unknown := set(found[level]) - known:
                raise BadHeader(f"{path}: no such outcome: {', '.join(unknown)}")
    if not found:
        raise BadHeader(f"{path}: no line `# expect: …`")
    return found


def parse(path: Path) -> SceneFile:
    """One file."""
    words = header(path)
    job = {}
    for word in re.findall(r"\S+=\S+", words.get("job", "")):
        name, _, value = word.partition("=")
        job[name] = json.loads(value)
    levels = tuple(words.get("levels", " ".join(LEVELS)).split())
    if unknown := set(levels) - set(LEVELS):
        raise BadHeader(f"{path}: no such level: {', '.join(unknown)}")
    return SceneFile(
        path=path,
        family=path.parent.name,
        name=path.stem,
        expect=expectations(path, words),
        levels=levels,
        prepare=tuple(words.get("prepare", "").split()),
        job=job,
        tries=flag(path, words, "tries", otherwise=True),
        ablation=flag(path, words, "ablation", otherwise=True),
        gpu=flag(path, words, "gpu", otherwise=True),
        alone=flag(path, words, "alone", otherwise=False),
        raw=flag(path, words, "raw", otherwise=False),
        control=path.parent.name == "control",
    )


def load(family: str | None = None, scene: str | None = None) -> list[SceneFile]:
    """Every scene, or those of a family, or those whose FAMILY/NAME holds `scene`."""
    files = sorted(p for p in SCENES.glob("*/*") if p.suffix in (".py", ".txt"))
    found = [parse(path) for path in files]
    return [s for s in found if family in (None, s.family) and (scene or "") in s.title]
