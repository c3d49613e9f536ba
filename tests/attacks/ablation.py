"""Leaves each layer out in turn, and shows which scenes then break out.

The product has no such switch: `make ablated` links it once more with a seal
that skips steps (attacks.mk). Scenes with `ablation: no` are never run here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import field as fields
import house
from judge import Verdict
from scene_file import SceneFile
from trial import Trial

# Which steps are left out, and whether some scene must notice. Capabilities go
# with the uid in any case: emptying them again is a second line.
STANDARD = {
    "nothing": False,
    "descriptors": True,
    "rlimits": True,
    "capabilities": False,
    "uid,capabilities": True,
    "no_new_privs": True,
    "landlock": True,
    "seccomp": True,
    "landlock,seccomp": True,
    "no_new_privs,landlock,seccomp": True,
    "uid,capabilities,landlock,seccomp": True,
    "uid,capabilities,no_new_privs,landlock,seccomp": True,
}
# With namespaces around all of it, much of what Landlock stops is not even there.
HOST = {
    "nothing": False,
    "namespaces": False,
    "uid,capabilities": True,
    "landlock": False,
    "seccomp": True,
    "landlock,seccomp": True,
    "namespaces,landlock,seccomp": True,
}
# The watch and the uid stand behind the cgroup.
STRONG = {
    "nothing": False,
    "cgroup": False,
    "cgroup,namespaces": False,
    "cgroup,landlock,seccomp": True,
}
ROWS = {"standard": STANDARD, "host": HOST, "strong": STRONG}
TITLES = {
    "standard": "at level `standard`",
    "host": "at level `standard` with this host's namespaces",
    "strong": "at level `strong`",
}
# Those whose aims the seal stands against; the watch, TeX's settings, the encoder
# and the deadline stand against the others'. At strong, those that a cgroup may hold.
FAMILIES = ("control", "secrets", "files", "network", "processes", "kernel", "residue")
FAMILIES_OF = {"strong": ("control", "processes", "kernel", "residue", "resources")}
PATIENCE_S = 75.0 * house.SLOWER  # all scenes have 40 s at most, and a slot must not be held for longer
DOCUMENT = house.ROOT / "docs" / "attacks.md"


def build_without(build: Path, layers: str) -> Path:
    """Where the product without these layers is."""
    name = layers.replace(",", "+")
    words = ["make", "-s", f"BUILD={build.relative_to(house.ROOT)}", f"AS={name}", f"WITHOUT={layers}", "ablated"]
    subprocess.run(words, cwd=house.ROOT, check=True)
    return build / "ablation" / name


class Row:
    """What came of one build."""

    def __init__(self, place: str, layers: str, must_notice: bool) -> None:
        self.place = place
        self.layers = layers
        self.must_notice = must_notice
        self.broke: list[str] = []
        self.otherwise: list[str] = []
        self.left: list[str] = []

    def take(self, verdict: Verdict) -> None:
        """One scene has ended."""
        if verdict.breaches:
            self.broke.append(verdict.scene.title)
        elif verdict.complaints:
            self.otherwise.append(f"{verdict.scene.title} ({verdict.outcome})")

    def file(self, build: Path) -> Path:
        """Where it is kept, so that rows can be run one at a time."""
        return build / "ablation" / f"{self.place}-{self.layers.replace(',', '+')}.json"

    def save(self, build: Path) -> None:
        """Keep it."""
        self.file(build).parent.mkdir(exist_ok=True)
        self.file(build).write_text(json.dumps([self.broke, self.otherwise, self.left]))

    def load(self, build: Path) -> Row | None:
        """What was kept of it."""
        if not self.file(build).exists():
            return None
        self.broke, self.otherwise, self.left = json.loads(self.file(build).read_text())
        return self

    def tell(self) -> None:
        """For whoever watches."""
        word = "ok  " if self.well else "FAIL"
        print(f"{word} without {self.layers}: {len(self.broke)} broke out, {len(self.otherwise)} ended otherwise")
        for each in [*self.broke, *self.otherwise, *self.left]:
            print(f"       {each[:200]}", flush=True)

    @property
    def noticed(self) -> bool:
        """Whether anybody saw that something is missing."""
        return bool(self.broke or self.otherwise)

    @property
    def well(self) -> bool:
        """As it should be."""
        if self.layers == "nothing":
            return not self.noticed and not self.left
        return self.noticed or not self.must_notice


def run_row(row: Row, build: Path, scenes: list[SceneFile]) -> None:
    """A field without these layers; a worker that dies is followed by another, as
    is one whose slots a scene holds that the box did not hold."""
    product = build if row.layers == "nothing" else build_without(build, row.layers)
    todo = list(scenes)
    while todo:
        try:
            field = fields.Field(fields.PLACES[row.place], product)
        except house.Impatient as error:  # not even an honest scene was let in
            row.otherwise = [f"{s.title} (never ran)" for s in scenes]
            row.left.append(str(error)[:200])
            return
        try:
            verdicts = Trial(field, row.take, PATIENCE_S).run(todo)
            row.left += field.stop()
        finally:
            field.close()
        done = {v.scene.title for v in verdicts}
        todo = [s for s in todo if s.title not in done]
        if not done:
            break


def cell(titles: list[str]) -> str:
    """Names for the table, by family."""
    families: dict[str, list[str]] = {}
    for title in sorted(titles):
        family, _, name = title.partition("/")
        families.setdefault(family, []).append(f"`{name}`")
    return "; ".join(f"{family}: {', '.join(names)}" for family, names in families.items())


def table(rows: list[Row], scenes: list[SceneFile]) -> str:
    """The part of docs/attacks.md between its marks."""
    lines = [f"{len(scenes)} scenes {TITLES[rows[0].place]}, the box built without:", ""]
    lines += ["| left out | broke out | which | ended otherwise |", "|---|---|---|---|"]
    for row in rows:
        refused = len(row.otherwise) >= len(scenes)
        otherwise = "all: without it no box comes up" if refused else cell(row.otherwise)
        lines.append(f"| {row.layers.replace(',', ', ')} | {len(row.broke)} | {cell(row.broke)} | {otherwise} |")
    broken = {title for row in rows for title in row.broke}
    never = [s.title for s in scenes if s.title not in broken and not s.control and s.tries]
    lines += ["", f"In no row broke out ({len(never)}): {cell(never)}."]
    return "\n".join(lines)


def write(place: str, text: str) -> None:
    """Replace what is between the place's marks."""
    begin, end = (f"<!-- ablation {place}: {word} -->" for word in ("begin", "end"))
    page = DOCUMENT.read_text()
    head, _, rest = page.partition(begin)
    DOCUMENT.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


def run(build: Path, scenes: list[SceneFile], only: str | None, document: bool, place: str = "standard") -> int:
    """All rows; 1 when a layer could be left out unseen."""
    missing = fields.places_here(build)[place]
    if missing:
        print(f"ablation {place}: {missing}")
        return 0
    level = fields.PLACES[place].level
    chosen = [s for s in scenes if s.ablation and level in s.levels and s.family in FAMILIES_OF.get(place, FAMILIES)]
    rows = [Row(place, layers, must) for layers, must in ROWS[place].items() if only in (None, layers)]
    for row in rows:
        run_row(row, build, chosen)
        if document:  # all scenes
            row.save(build)
        row.tell()
    saved = [Row(place, layers, must).load(build) for layers, must in ROWS[place].items()]
    if document and all(saved):
        write(place, table([row for row in saved if row], chosen))
    failed = sum(not row.well for row in rows)
    print(f"\nattacks-ablation: {len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0
