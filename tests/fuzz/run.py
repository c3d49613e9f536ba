#!/usr/bin/env python3
"""Runs the fuzz targets: bounded and the same each time, long, or one input again.

    run.py --build build/fuzz --check [TARGET]        ends with `fuzz: N passed, N failed`
    run.py --build build/fuzz --seconds 600 [TARGET]  corpora are kept in BUILD/corpus
    run.py --build build/fuzz --replay FILE [TARGET]  under the same sanitizers

What is found lies in BUILD/found/TARGET/ and is replayed by
`make fuzz-replay FILE=…`, which reads the target off the path.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARALLEL = 2

# Inputs of the bounded run: about ten seconds of one core each, together less
# than two minutes on two. `most` is the longest input that is made up.
CHECK_RUNS = {
    "config": 8_000,
    "job": 80_000,
    "json": 150_000,
    "keeper": 15_000,
    "queue": 8_000,
    "redis": 25_000,
    "result": 20_000,
    "ring": 10_000,
    "s3": 150_000,
    "sigv4": 20_000,
    "urls": 80_000,
    "webhook": 15_000,
}
CHECK_SECONDS = 300  # each; a machine that is that slow has failed
SEED = 1
INPUT_SECONDS = 20
MEMORY_MB = 2048


@dataclass(frozen=True)
class Outcome:
    """How one target's run ended."""

    target: str
    code: int
    runs: int
    edges: int
    seconds: float
    output: str

    def line(self) -> str:
        """One row of the report."""
        word = "ok" if self.code == 0 else "FAILED"
        return f"  {self.target:<10} {self.runs:>9} inputs  {self.edges:>5} edges  {self.seconds:6.1f} s  {word}"


def last_number(pattern: str, text: str) -> int:
    """The last match's number, 0 without one."""
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def options(target: str, found: Path) -> list[str]:
    """What libFuzzer is told in every case."""
    found.mkdir(parents=True, exist_ok=True)
    flags = [f"-artifact_prefix={found}/", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MB}"]
    words = HERE / "dict" / f"{target}.dict"
    return [*flags, "-print_final_stats=1", *([f"-dict={words}"] if words.exists() else [])]


def run(build: Path, target: str, arguments: list[str], corpora: list[Path]) -> Outcome:
    """One run in a temporary directory of its own, in memory where that is possible."""
    began = time.monotonic()
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-", dir=place) as directory:
        fresh = Path(directory) / "made"
        work = Path(directory) / "work"
        fresh.mkdir()
        work.mkdir()
        command = [str(build / f"fuzz_{target}"), *options(target, build / "found" / target), *arguments]
        command += [str(path) for path in (corpora or [fresh])]
        if corpora and not corpora[0].is_relative_to(build):
            command.insert(-len(corpora), str(fresh))  # what is found anew is not written among the seeds
        # It may end its own children only: a session of its own.
        process = subprocess.Popen(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=1:handle_abort=1"},
        )
        try:
            output = process.communicate()[0].decode(errors="replace")
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    runs = last_number(r"number_of_executed_units: (\d+)", output) or last_number(r"#(\d+)\s", output)
    edges = last_number(r"cov: (\d+)", output)
    return Outcome(target, process.returncode, runs, edges, time.monotonic() - began, output)


def seeds(target: str) -> list[Path]:
    """The corpus in the tree, as far as there is one."""
    path = HERE / "corpus" / target
    return [path] if path.is_dir() else []


def check(build: Path, target: str) -> Outcome:
    """The same inputs each time."""
    bounds = [f"-seed={SEED}", f"-runs={CHECK_RUNS[target]}", f"-max_total_time={CHECK_SECONDS}"]
    outcome = run(build, target, bounds, seeds(target))
    if outcome.code == 0 and outcome.runs < CHECK_RUNS[target]:
        late = f"{outcome.runs} of {CHECK_RUNS[target]} inputs in {CHECK_SECONDS} s\n"
        return Outcome(target, 1, outcome.runs, outcome.edges, outcome.seconds, outcome.output + late)
    return outcome


def long(build: Path, target: str, seconds: int) -> Outcome:
    """On from the corpus of last time."""
    corpus = build / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    return run(build, target, [f"-max_total_time={seconds}"], [corpus, *seeds(target)])


def show(outcome: Outcome, build: Path) -> None:
    """A row, and what was found."""
    print(outcome.line(), flush=True)
    if outcome.code == 0:
        return
    print("\n".join(outcome.output.splitlines()[-60:]))
    for path in re.findall(r"Test unit written to (\S+)", outcome.output):
        relative = Path(path).relative_to(build.parent.parent)
        print(f"replay it: make fuzz-replay FILE={relative}", flush=True)


def replay(build: Path, file: Path, target: str | None) -> int:
    """One input, with all that the sanitizers say."""
    names = [part for part in reversed(file.resolve().parts) if part in CHECK_RUNS]
    name = target or (names[0] if names else None)
    if name is None or not file.is_file():
        print(f"fuzz: {file}: no such file, or its path names no target (TARGET=…)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as directory:
        command = [str(build / f"fuzz_{name}"), str(file.resolve())]
        return subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL).returncode


def main() -> int:
    """Reads the arguments, runs, prints the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true")
    mode.add_argument("--seconds", type=int)
    mode.add_argument("--replay", type=Path)
    parser.add_argument("target", nargs="?", choices=sorted(CHECK_RUNS))
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if arguments.replay:
        return replay(build, arguments.replay, arguments.target)
    names = [arguments.target] if arguments.target else sorted(CHECK_RUNS)
    if arguments.check:
        shutil.rmtree(build / "found", ignore_errors=True)
    with ThreadPoolExecutor(PARALLEL) as pool:
        one = (lambda name: check(build, name)) if arguments.check else (lambda name: long(build, name, arguments.seconds))
        outcomes = []
        for outcome in pool.map(one, names):
            show(outcome, build)
            outcomes.append(outcome)
    failed = sum(outcome.code != 0 for outcome in outcomes)
    print(f"fuzz: {len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
