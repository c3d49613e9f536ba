"""The soak: a steady mix under steady faults, and everything that could grow is flat.

One worker, the witness, is left alone by the faults (but for those of Redis and
of the network), so that its memory and descriptors can be followed.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import checker
from bed import CRASHES, RECLAIM_S, Bed, Member
from jobs import KINDS, Ledger, push
from mixed import WHOLE, Faults

EVERY_S = 5
JOBS_A_SECOND = 6
FAULTS_A_MINUTE = 25
RESULTS_KEPT_S = 45  # so that the number of keys has a level to be flat at


@dataclass(frozen=True)
class Sample:
    """What could grow."""

    resident_kb: int
    descriptors: int
    keys: int
    directories: int


GROWTH = {"resident_kb": (1.1, 1024), "descriptors": (1.0, 3), "keys": (1.25, 200), "directories": (1.0, 20)}
"""How much larger the end may be than the beginning: times, and more."""


class Spared(Faults):
    """Faults that spare the witness."""

    def __init__(self, bed: Bed, ledger: Ledger, tail: checker.Tail, witness: Member) -> None:
        super().__init__(bed, bed.random, ledger, tail)
        bed.fleet.members.remove(witness)


def sample(bed: Bed, witness: Member) -> Sample:
    """Look once."""
    return Sample(witness.resident_kb(), witness.descriptors(), int(bed("DBSIZE")), len(list(bed.work.iterdir())))


def flat(samples: list[Sample]) -> list[str]:
    """What grew between the second quarter and the last."""
    quarter = len(samples) // 4
    grew = []
    for name, (times, more) in GROWTH.items():
        first = statistics.median(getattr(s, name) for s in samples[quarter : 2 * quarter])
        last = statistics.median(getattr(s, name) for s in samples[3 * quarter :])
        if last > first * times + more:
            grew.append(f"{name} grew from {first:g} to {last:g}")
    return grew


def run(build: Path, seed: int, minutes: float) -> str:
    """Soak; gives the figures or raises."""
    bed = Bed(build, seed)
    ledger, tail = Ledger(), checker.Tail(bed)
    tail.start()
    witness = bed.fleet.add(1, result_ttl_s=RESULTS_KEPT_S, dead_ttl_s=RESULTS_KEPT_S)[0]
    bed.fleet.add(3, result_ttl_s=RESULTS_KEPT_S, dead_ttl_s=RESULTS_KEPT_S)
    bed.fleet.ready()
    faults = Spared(bed, ledger, tail, witness)
    names, weights = list(WHOLE.faults), list(WHOLE.faults.values())
    # Poison is left out: it would kill the witness.
    kinds = [(w, m) for w, m in KINDS if m.__name__ not in ("_poison", "_hanging")]
    samples: list[Sample] = []
    end = time.monotonic() + minutes * 60
    next_sample = next_fault = 0.0
    number = 0
    while (now := time.monotonic()) < end:
        if now > next_sample:
            next_sample = now + EVERY_S
            samples.append(sample(bed, witness))
        if now > next_fault:
            next_fault = now + bed.random.uniform(0, 120 / FAULTS_A_MINUTE)
            faults.do(bed.random.choices(names, weights)[0])
        if number - len(tail.ends) < 100:
            maker = bed.random.choices([m for _, m in kinds], [w for w, _ in kinds])[0]
            push(bed, ledger, maker(bed, bed.random, f"s{number}"))
            number += 1
        time.sleep(1 / JOBS_A_SECOND)
    return conclude(bed, ledger, tail, witness, faults, samples)


def conclude(
    bed: Bed, ledger: Ledger, tail: checker.Tail, witness: Member, faults: Faults, samples: list[Sample]
) -> str:
    """Heal, wait for the last end, and judge."""
    faults.heal()
    waiting = time.monotonic() + RECLAIM_S * (CRASHES + 2)
    while set(ledger.wishes) - set(tail.ends) and time.monotonic() < waiting:
        time.sleep(0.2)
    bed.fleet.members.append(witness)
    bed.fleet.stop()
    tail.stop()
    lost = sorted(set(ledger.wishes) - set(tail.ends))
    doubled = sorted(i for i, ends in tail.ends.items() if len(ends) > 1)
    wrong = [f"{len(lost)} lost: {lost[:5]}"] if lost else []
    wrong += [f"{len(doubled)} doubled: {doubled[:5]}"] if doubled else []
    wrong += flat(samples) + bed.fleet.deaths
    text = f"{len(ledger.wishes)} jobs, {sum(faults.done.values())} faults, {samples[len(samples) // 4]} to {samples[-1]}"
    bed.close(keep=bool(wrong))
    assert not wrong, f"{text}: {wrong}, kept in {bed.directory}"
    return text
