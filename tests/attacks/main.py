"""Runs the attack scenes against the product; README.md has the format.

    make attacks                    every level that this machine offers
    make attacks-check              the bounded part, as in `make check`
    make attacks-ablation           each layer off in turn: docs/attacks.md
    tests/attacks/main.py --build build --family files --level standard
    tests/attacks/main.py --build build --scene network/udp --json
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
from pathlib import Path
from typing import Any

import ablation
import field as fields
import selftest
from judge import Verdict
from scene_file import SceneFile, load
from trial import Trial

SAMPLE = 12  # scenes at the levels below the one that is checked in full
CHECKED = "standard"


class Teller:
    """Lines for people or for machines, and the sum."""

    def __init__(self, as_json: bool, total: int) -> None:
        self.as_json = as_json
        self.total = total
        self.place = ""
        self.passed = 0
        self.failed: list[str] = []
        self.absent: list[str] = []

    def verdict(self, verdict: Verdict) -> None:
        """One scene has ended."""
        title = f"{self.place} {verdict.scene.title}"
        why = [f"BREACH {b}" for b in verdict.breaches] + verdict.complaints
        self.count(title, why)
        if self.as_json:
            self.line({"scene": verdict.scene.title, "level": self.place, "outcome": verdict.outcome}
                      | {"breaches": verdict.breaches, "complaints": verdict.complaints}
                      | {"seconds": round(verdict.seconds, 2)})  # fmt: skip
        else:
            self.person(f"{title} ({verdict.outcome}, {verdict.seconds:.1f} s)", why)

    def whole(self, complaints: list[str]) -> None:
        """What is left when a level is done counts as one test."""
        self.count(f"{self.place} nothing is left", complaints)
        if self.as_json:
            self.line({"scene": "", "level": self.place, "complaints": complaints})
        else:
            self.person(f"{self.place} nothing is left, no secret is out", complaints)

    def selftest(self) -> None:
        """Does the judge see?"""
        for name, wrong in selftest.run().items():
            title = f"judge: {name}"
            self.count(title, [wrong] if wrong else [])
            self.person(title, [wrong] if wrong else [])

    def not_here(self, level: str, reason: str) -> None:
        """A level that this machine does not offer."""
        self.absent.append(level)
        if not self.as_json:
            print(f"---- {level:10} {reason}", flush=True)

    def count(self, title: str, why: list[str]) -> None:
        """Add to the sum."""
        if why:
            self.failed.append(title)
        else:
            self.passed += 1

    def person(self, title: str, why: list[str]) -> None:
        """One line, or on a terminal the same line again while all is well."""
        done = self.passed + len(self.failed)
        if why:
            print(f"\rFAIL {title}" + "".join(f"\n       {each[:400]}" for each in why), flush=True)
        elif sys.stdout.isatty():
            print(f"\r\033[K[{done}/{self.total}] {title}", end="", flush=True)
        else:
            print(f"ok   {title}", flush=True)

    @staticmethod
    def line(value: dict[str, Any]) -> None:
        """One JSON line."""
        print(json.dumps(value), flush=True)

    def end(self) -> int:
        """The sum."""
        if self.as_json:
            self.line({"passed": self.passed, "failed": len(self.failed), "absent": self.absent})
        else:
            print(f"\nattacks: {self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def sample(scenes: list[SceneFile], seed: int) -> list[SceneFile]:
    """The controls and a draw of the others."""
    controls = [s for s in scenes if s.control]
    others = [s for s in scenes if not s.control]
    return controls + random.Random(seed).sample(others, min(SAMPLE, len(others)))


def with_options(text: str) -> dict[str, str]:
    """`--with`: the worker's options beside those of its level."""
    return dict(word.split("=", 1) for word in text.split(","))


def wanted(arguments: argparse.Namespace, scenes: list[SceneFile]) -> dict[str, list[SceneFile]]:
    """Which scenes in which place."""
    places = [arguments.level] if arguments.level else list(fields.PLACES)
    if arguments.more.get("gpu") == "egl":
        scenes = [s for s in scenes if s.gpu]
    chosen = {place: [s for s in scenes if fields.PLACES[place].level in s.levels] for place in places}
    if arguments.check:
        chosen = {place: of if place == CHECKED else sample(of, arguments.seed) for place, of in chosen.items()}
    return chosen


def run_place(name: str, scenes: list[SceneFile], build: Path, teller: Teller, more: dict[str, str]) -> None:
    """One field, all of its scenes, and what is left."""
    field = fields.Field(fields.PLACES[name], build, more)
    teller.place = name
    try:
        verdicts = Trial(field, teller.verdict).run(scenes)
        complaints = field.stop()
        if missed := len(scenes) - len(verdicts):
            complaints.append(f"{missed} scenes were not run")
        teller.whole(complaints)
    finally:
        field.close()


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Runs the attack scenes against the product.")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where manimd was built")
    parser.add_argument("--check", action="store_true", help="the bounded part")
    parser.add_argument("--ablation", action="store_true", help="each layer off in turn; writes docs/attacks.md")
    parser.add_argument("--without", help="only this row of the ablation")
    parser.add_argument("--family", help="only this family")
    parser.add_argument("--scene", help="only scenes whose FAMILY/NAME holds this")
    parser.add_argument("--level", choices=list(fields.PLACES), help="only this level (host: standard, with the host's rights)")
    parser.add_argument("--with", dest="more", type=with_options, default={}, metavar="OPTION=VALUE", help="of the worker, by commas: gpu=egl")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="draws the sample and the order")
    parser.add_argument("--json", action="store_true", help="a JSON line for each scene")
    parser.add_argument("--list", action="store_true", help="the scenes, and nothing else")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and leave nothing behind
    build = arguments.build.resolve()
    scenes = load(arguments.family, arguments.scene)
    if arguments.list:
        print("\n".join(f"{s.title:40} {' '.join(s.outcomes('standard'))}" for s in scenes))
        return 0
    if not scenes:
        parser.error("no such scene")
    random.Random(arguments.seed).shuffle(scenes)
    if arguments.ablation:
        document = not (arguments.family or arguments.scene)
        return ablation.run(build, scenes, arguments.without, document, arguments.level or "standard")
    chosen = wanted(arguments, scenes)
    here = fields.places_here(build)
    teller = Teller(arguments.json, sum(len(of) + 1 for place, of in chosen.items() if not here[place]))
    if not arguments.json:
        print(f"attacks: {len(scenes)} scenes, seed {arguments.seed}", flush=True)
    if not (arguments.json or arguments.family or arguments.scene):
        teller.total += len(selftest.CASES)
        teller.selftest()
    for place, of in chosen.items():
        if here[place]:
            teller.not_here(place, here[place])
        elif of:
            run_place(place, of, build, teller, arguments.more)
    return teller.end()


if __name__ == "__main__":
    sys.exit(main())
