"""A scene goes in at Redis, a video comes out."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import house
import pytest
from conftest import WorkerMaker
from house import GOOD, QUEUE, ROOT, TINY, Queue, Redis, Worker, plays, video_facts


def stock_frames(tmp: Path, code: str, fps: int = 10) -> int:
    """How many frames stock Manim's own video of a scene has."""
    (tmp / "stock.py").write_text(code)
    command = [sys.executable, "-m", "manim", "render", "--silent", "--progress_bar", "none", "--disable_caching"]
    command += ["-r", "128,72", "--fps", str(fps), "--media_dir", str(tmp / "media"), str(tmp / "stock.py")]
    subprocess.run(command, check=True, capture_output=True)
    videos = [p for p in (tmp / "media").rglob("*.mp4") if "partial" not in str(p)]
    return int(video_facts(videos[0])["frames"])


def only_output(result: dict[str, Any], kind: str = "mp4") -> dict[str, Any]:
    """The one output of a completed job."""
    assert result["state"] == "completed", result
    assert [o["kind"] for o in result["outputs"]] == [kind], result
    return dict(result["outputs"][0])


def stored(worker: Worker, output: dict[str, Any]) -> Path:
    """The file of an output, checked against what the result says of it."""
    path = worker.store / output["key"]
    data = path.read_bytes()
    assert len(data) == output["bytes"]
    assert hashlib.sha256(data).hexdigest() == output["sha256"]
    return path


def test_redis_cli_is_a_complete_producer(redis: Redis, queue: Queue, worker: Worker, tmp_path: Path) -> None:
    """LPUSH, claim, render, store, finish; each place says the same."""
    job = queue.job(GOOD, id="first", scene="Good", metadata={"order": 7})
    assert redis.cli("LPUSH", f"{QUEUE}:in", json.dumps(job)) == "1"
    result = queue.result("first")

    assert (result["id"], result["outcome"], result["error"]) == ("first", "completed", None)
    assert result["metadata"] == {"order": 7}
    assert result["attempt"] == 1
    assert result["cached"] is False
    assert result["render_path"]
    assert result["sandbox"]["level"] in ("standard", "strong")
    assert set(result["timings_ms"]) == {"queue", "fetch", "render", "encode", "store"}
    output = only_output(result)
    path = stored(worker, output)
    prefix, nonce, name = output["key"].split("/")
    assert (prefix, name, len(nonce)) == ("first", "scene.mp4", 32)

    facts = video_facts(path)
    plays(path)
    assert facts["frames"] == output["frames"] == stock_frames(tmp_path, GOOD)
    assert (facts["width"], facts["height"], facts["r_frame_rate"]) == (128, 72, "10/1")
    assert (facts["codec_name"], facts["pix_fmt"]) == ("h264", "yuv420p")
    assert output["duration_s"] == pytest.approx(facts["frames"] / 10)

    told = queue.hash("first")
    assert told["state"] == "completed"
    assert json.loads(told["result"])["outputs"][0]["key"] == output["key"]
    queue.check("first")


def documented() -> set[str]:
    """The dotted keys of docs/jobs.md's table of the result."""
    text = (ROOT / "docs" / "jobs.md").read_text()
    section = text[text.index("## The result") : text.index("## Outcomes")]
    keys: set[str] = set()
    for line in section.splitlines():
        if line.startswith("| `"):
            _, names, meaning, _ = re.split(r"(?<!\\)\|", line)
            keys |= set(re.findall(r"`([a-z0-9_.\[\]]+)`", names))
    return keys


def keys_of(result: dict[str, Any]) -> set[str]:
    """Its keys as the table writes them; names of layers are not keys."""
    keys = set(result)
    keys |= {f"{name}.{key}" for name in ("error", "timings_ms", "sandbox") for key in result[name] or {}}
    return keys | {f"outputs[].{key}" for output in result["outputs"] for key in output}


def test_a_result_has_the_documented_keys(queue: Queue, worker: Worker) -> None:
    """Of a good job, and of one that fails in its own file and in one of its making."""
    good = queue.run()
    bad = queue.run(GOOD.replace("square = Square()", "square = nobody"))
    elsewhere = queue.run(
        GOOD.replace(
            "square = Square()",
            "import pathlib, sys; pathlib.Path('beside.py').write_text('1/0'); sys.path.insert(0, '.')\n        import beside",
        )
    )
    table = documented()
    optional = {"error.file"}  # only when it is not the job's own source
    errors = {key for key in table if key.startswith("error.")}
    outputs = {key for key in table if key.startswith("outputs[].")}
    fetched = {"sandbox.fetch"}  # of a job with URLs
    assert keys_of(good) == table - errors - fetched
    assert keys_of(bad) == table - outputs - optional - fetched
    assert keys_of(elsewhere) - optional == table - outputs - optional - fetched


def test_events_tell_the_whole_life(queue: Queue, worker: Worker) -> None:
    """The stream names each step once, in order."""
    job_id = queue.push()
    queue.result(job_id)
    mine = [event for event in queue.events() if event.get("id") == job_id]
    steps = [event["event"] for event in mine]
    assert steps == ["queued", "active", "completed"], mine
    assert mine[1]["worker"] and mine[2]["outcome"] == "completed"
    assert json.loads(mine[2]["result"])["id"] == job_id


def test_progress_is_written_while_it_renders(queue: Queue, worker: Worker) -> None:
    """The job's hash and log show how far a running scene is."""
    code = GOOD.replace("self.wait(0.3)", "[self.play(square.animate.rotate(1), run_time=1) for _ in range(40)]")
    job_id = queue.push(code)
    progress = house.until("progress", lambda: queue.hash(job_id).get("progress"))
    told = json.loads(progress)
    assert {"percent", "frames", "fps"} <= set(told), told
    assert queue.result(job_id)["state"] == "completed"


def test_several_jobs_through_two_slots(queue: Queue, start_worker: WorkerMaker) -> None:
    """Ten jobs, two slots, two workers: each once."""
    workers = [start_worker(slots=2).ready(), start_worker(slots=1).ready()]
    ids = [queue.push() for _ in range(10)]
    for job_id in ids:
        assert queue.result(job_id)["outcome"] == "completed"
    queue.check(*ids)
    done = [e for e in queue.events() if e["event"] == "completed"]
    assert sorted(e["id"] for e in done) == sorted(ids)
    files = [p for w in workers for p in w.store.rglob("*.mp4")]
    assert len(files) == 10


def test_until_empty_ends_by_itself(queue: Queue, start_worker: WorkerMaker) -> None:
    """`--until-empty` takes what there is and exits 0."""
    ids = [queue.push() for _ in range(2)]
    worker = start_worker(until_empty=True)
    assert house.wait_exit(worker.process) == 0
    worker.assert_nothing_left()
    queue.check(*ids)


def test_pushing_the_same_again_is_harmless(queue: Queue, worker: Worker) -> None:
    """Same id and body: one run, one completion."""
    job = json.dumps(queue.job(id="twice"))
    for _ in range(3):
        queue.push_raw(job)
    queue.result("twice")
    last = queue.push()
    queue.result(last)
    queue.check("twice", last)
    done = [e for e in queue.events() if e["event"] == "completed" and e["id"] == "twice"]
    assert len(done) == 1
    assert len(list((worker.store / "twice").iterdir())) == 1


def test_png_is_the_last_frame_also_without_a_play(queue: Queue, worker: Worker) -> None:
    """`outputs: ["png"]` of a scene that only adds."""
    code = "from manim import *\nclass Still(Scene):\n    def construct(self):\n        self.add(Square(fill_opacity=1))\n"
    output = only_output(queue.run(code, outputs=["png"]), "png")
    path = stored(worker, output)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", str(path)]
    assert subprocess.check_output(probe, text=True).strip() == "128,72"


def test_sound_comes_out(queue: Queue, worker: Worker) -> None:
    """A sound that the scene itself makes is in the video, as AAC."""
    code = '''
import math, struct, wave
from manim import *

class Loud(Scene):
    def construct(self):
        with wave.open("tone.wav", "wb") as out:
            out.setparams((1, 2, 44100, 0, "NONE", ""))
            out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(k / 16))) for k in range(22050)))
        self.add_sound("tone.wav")
        self.play(Create(Circle()), run_time=1)
'''
    path = stored(worker, only_output(queue.run(code)))
    probe = ["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    assert subprocess.check_output([*probe, str(path)], text=True).strip() == "aac"
    plays(path)


def test_the_same_seed_gives_the_same_video(queue: Queue, worker: Worker) -> None:
    """Randomness is repeatable, and another seed is another picture."""
    code = '''
import random
from manim import *

class Chance(Scene):
    def construct(self):
        dots = [Dot([random.uniform(-5, 5), random.uniform(-3, 3), 0]) for _ in range(9)]
        self.play(*map(FadeIn, dots), run_time=0.3)
'''
    sums = [only_output(queue.run(code, seed=seed))["sha256"] for seed in (5, 5, 6)]
    assert sums[0] == sums[1] != sums[2]


def test_a_preset_is_its_size(queue: Queue, worker: Worker) -> None:
    """`quality` without overrides gives stock's own size and rate."""
    job = {k: v for k, v in queue.job().items() if k not in TINY} | {"quality": "480p15"}
    queue.push_raw(json.dumps(job))
    output = only_output(queue.result(str(job["id"])))
    facts = video_facts(stored(worker, output))
    assert (facts["width"], facts["height"], facts["r_frame_rate"]) == (854, 480, "15/1")


def test_formulas_render(queue: Queue, worker: Worker) -> None:
    """TeX works inside the box, and says nothing of it to whoever wrote the scene."""
    code = GOOD.replace("square = Square()", 'square = MathTex(r"e^{i\\pi} + 1", "= 0")')
    result = queue.run(code)
    assert only_output(result)["frames"] > 0
    assert result["log_tail"] == ""


def test_over_tcp(redis: Redis, queue: Queue, start_worker: WorkerMaker) -> None:
    """redis:// works as unix:// does."""
    start_worker(redis_url=redis.tcp_url).ready()
    assert queue.run()["outcome"] == "completed"
