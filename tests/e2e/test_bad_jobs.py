"""Jobs that are none: each refused with a sentence, none in the way of the next."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from house import GOOD, QUEUE, Queue, Redis, Worker


def good_job_works(queue: Queue) -> str:
    """The next good job still works."""
    job_id = queue.push()
    assert queue.result(job_id)["outcome"] == "completed"
    return job_id


NOT_JOBS: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("{not json", "JSON"),
    "empty": ("", "JSON"),
    "no object": ('["a", "b"]', "object"),
    "a number": ("17", "object"),
    "half an object": ('{"code": "x"', "JSON"),
    "no UTF-8": (b'{"code": "\xff\xfe"}', "UTF-8"),
    "too deep": ('{"metadata": ' + "[" * 3000 + "]" * 3000 + ', "code": "x"}', "deep|nest"),
    "300 KiB": (json.dumps({"code": "#" * 300 * 1024}), "bytes"),
}
BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"code": GOOD, "scen": "Good"}, 'field "scen".*scene'),
    "wrong type": ({"code": GOOD, "fps": "ten"}, 'field "fps"'),
    "code no text": ({"code": 5}, 'field "code"'),
    "id climbs": ({"code": GOOD, "id": ".."}, 'field "id"'),
    "id with a slash": ({"code": GOOD, "id": "a/b"}, 'field "id"'),
    "id too long": ({"code": GOOD, "id": "x" * 65}, 'field "id"'),
    "neither code nor source": ({"scene": "Good"}, "code.*source"),
    "both": ({"code": GOOD, "source": "https://example.com/a.py"}, "code.*source"),
    "too wide": ({"code": GOOD, "width": 100000}, 'field "width"'),
    "later field": ({"code": GOOD, "put_url": "https://example.com/x"}, "not supported yet"),
    "webhook without TLS": ({"code": GOOD, "webhook": "http://example.com/hook"}, 'field "webhook".*https://'),
    "no kind": ({"code": GOOD, "outputs": ["avi"]}, 'field "outputs".*avi'),
    "beyond the maximum": ({"code": GOOD, "timeout_s": 10**6}, 'field "timeout_s"'),
}


def test_every_malformed_input_is_refused_with_its_reason(queue: Queue, worker: Worker) -> None:
    """Not one of them wedges the queue; each leaves one entry that says why."""
    cases = NOT_JOBS | {name: (json.dumps(job), want) for name, (job, want) in BAD_FIELDS.items()}
    for text, _ in cases.values():
        queue.push_raw(text)
    refused = queue.wait_rejected(len(cases))[::-1]
    assert len(refused) == len(cases)
    for (name, (_, want)), entry in zip(cases.items(), refused, strict=True):
        assert re.search(want, entry["reason"]), f"{name}: {entry}"
        assert len(json.dumps(entry)) < 4096, f"{name}: the entry is not bounded"
    queue.check(good_job_works(queue))


def test_a_refused_job_with_an_id_tells_who_waits_for_it(queue: Queue, worker: Worker) -> None:
    """A producer that knows its id hears of the refusal."""
    queue.push_raw(json.dumps(queue.job(id="typo", fbs=30)))
    told = queue.wait_state("typo", "failed")
    assert "fbs" in json.dumps(told) and "fps" in json.dumps(told), told
    good_job_works(queue)


def test_another_body_under_the_same_id_is_a_conflict(queue: Queue, worker: Worker) -> None:
    """The first job stands; the second is reported."""
    queue.run(id="mine")
    queue.push_raw(json.dumps(queue.job(GOOD + "# other", id="mine")))
    event = queue.wait_event(lambda e: e["event"] == "conflict")
    assert event["id"] == "mine"
    assert queue.hash("mine")["state"] == "completed"
    good_job_works(queue)


@pytest.mark.slow
def test_a_value_of_512_mb_is_cut_off_by_its_length(redis: Redis, queue: Queue, worker: Worker) -> None:
    """The largest value that Redis takes is refused without being read into memory."""
    size = 512 * 1024 * 1024
    with redis.connect() as db:
        db.send_raw(b"*3\r\n$5\r\nLPUSH\r\n$%d\r\n%b\r\n$%d\r\n" % (len(QUEUE) + 3, f"{QUEUE}:in".encode(), size))
        block = b"[" * (1 << 20)
        for _ in range(size // len(block)):
            db.send_raw(block)
        db.send_raw(b"\r\n")
        assert db.read() >= 1
    entry = queue.wait_rejected(1)[0]
    assert str(size) in json.dumps(entry), entry
    good_job_works(queue)
    status = (Path("/proc") / str(worker.pid) / "status").read_text()
    peak_kb = int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]
    assert peak_kb < 100_000, f"the supervisor grew to {peak_kb} kB"


def test_a_wish_that_cannot_be_held_is_no_job(queue: Queue, worker: Worker) -> None:
    """A cache comes later: said so, not ignored."""
    queue.push_raw(json.dumps({"id": "later", "code": GOOD, "cache": True}))
    told = queue.wait_state("later", "failed", "dead")
    assert "not supported yet" in json.dumps(told)
    good_job_works(queue)
