"""`source` and `assets` the whole way: from a job in Redis to the video, and
what is told when they cannot be had."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import house
import pytest
from conftest import WorkerMaker
from files_server import Files, plain, raw, serving
from house import GOOD, Queue, Redis, until
from s3_stub import ACCESS_KEY, BUCKET, SECRET_KEY, Object, Stub

CANARY = "SECRET-BODY"


def png(side: int = 8) -> bytes:
    """A red square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>'
SCENE = """
from manim import *
import helper

class Pictures(Scene):
    def construct(self):
        self.add(ImageMobject("cat.png"), SVGMobject("art/disc.svg"), Text(helper.WORD))
        for place in ("cat.png", "art/disc.svg", "scene.py"):
            try:
                open(place, "a").close()
            except OSError as error:
                print(place, type(error).__name__)
        for place in ("../fetched/0", "../fetch.json", "../job.json", "../ca.pem"):
            try:
                open(place).read()
            except OSError as error:
                print(place, type(error).__name__)
        self.wait(0.2)
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Files, int, int]]:
    """A server for the module."""
    with serving(tmp_path_factory.mktemp("files")) as it:
        yield it


@pytest.fixture
def files(certificates: tuple[Files, int, int]) -> Files:
    """It, serving the scene and what it needs."""
    it = certificates[0]
    it.asked.clear()
    it.answers.clear()
    for path, body in (("/s.py", SCENE.encode()), ("/cat", png()), ("/disc", SVG), ("/helper", b"WORD = 'ok'\n")):
        it.serve(path, body)
    return it


@pytest.fixture
def port(certificates: tuple[Files, int, int]) -> int:
    """Its TLS port."""
    return certificates[1]


def options(files: Files, **more: Any) -> dict[str, Any]:
    """Of a worker that may reach it."""
    return {"guard_allow": "127.0.0.0/8", "fetch_ca_file": files.directory / "ca.pem", "fetch_timeout_s": 10} | more


def url(port: int, path: str) -> str:
    """Over TLS, with a secret in its query."""
    return f"https://localhost:{port}{path}?token=TENANTS"


def pictures(port: int) -> list[dict[str, str]]:
    """What the scene needs."""
    return [
        {"path": "cat.png", "url": url(port, "/cat"), "sha256": hashlib.sha256(png()).hexdigest()},
        {"path": "art/disc.svg", "url": url(port, "/disc")},
        {"path": "helper.py", "url": url(port, "/helper")},
    ]


def test_from_urls_to_the_video(queue: Queue, start_worker: WorkerMaker, files: Files, port: int) -> None:
    """Manim finds pictures, drawings and modules; the scene may not change them."""
    worker = start_worker(**options(files)).ready()
    job_id = queue.push(None, source=url(port, "/s.py"), assets=pictures(port))
    result = queue.result(job_id)
    assert result["state"] == "completed", json.dumps(result)
    log = [line for line in result["log_tail"].splitlines() if line.endswith("Error")]
    places = ["cat.png", "art/disc.svg", "scene.py", "../fetched/0", "../fetch.json", "../job.json", "../ca.pem"]
    absent = [line.replace("FileNotFoundError", "PermissionError") for line in log]  # where mounts hide it
    assert absent == [f"{place} PermissionError" for place in places]
    assert result["timings_ms"]["fetch"] > 0
    assert sorted(files.asked) == [f"{path}?token=TENANTS" for path in ("/cat", "/disc", "/helper", "/s.py")]
    house.plays(Path(worker.store) / result["outputs"][0]["key"])
    worker.stop()
    assert "TENANTS" not in worker.log.text()
    queue.check(job_id)


def test_assets_beside_code(queue: Queue, start_worker: WorkerMaker, files: Files, port: int) -> None:
    """The code may be in the job itself."""
    start_worker(**options(files)).ready()
    assert queue.run(SCENE, assets=pictures(port))["state"] == "completed"


def test_submitted_by_url(redis: Redis, start_worker: WorkerMaker, files: Files, port: int) -> None:
    """`manimd submit URL --assets JSON`; what is no such JSON is not pushed."""
    start_worker(**options(files)).ready()
    words = ("submit", url(port, "/s.py"), "--wait", "--json")
    done = house.manimd(*words, f"--assets={json.dumps(pictures(port))}", redis=redis)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "completed"
    asked = len(files.asked)
    for wrong, says in (("[{", "--assets"), ("{}", "assets"), ('[{"path": "../up", "url": "https://x/"}]', "assets")):
        done = house.manimd(*words, f"--assets={wrong}", redis=redis)
        assert (done.returncode, len(files.asked)) == (2, asked) and says in done.stderr, done
    done = house.manimd("render", url(port, "/s.py"))
    assert done.returncode == 2 and "submit" in done.stderr


def test_s3(queue: Queue, redis: Redis, start_worker: WorkerMaker, files: Files, port: int) -> None:
    """The worker signs; neither Redis nor the stage ever sees a key."""
    with Stub() as stub:
        stub.objects["in/s.py"] = Object(GOOD.encode(), {})
        keys = {"fetch_s3_access_key_id": ACCESS_KEY, "fetch_s3_secret_access_key": SECRET_KEY}
        here = {"fetch_s3_endpoint": stub.endpoint, "fetch_s3_prefixes": f"s3://{BUCKET}/in/"}
        worker = start_worker(**options(files, **here), env={f"MANIMD_{k.upper()}": v for k, v in keys.items()}).ready()
        good = queue.push(None, source=f"s3://{BUCKET}/in/s.py")
        assert queue.result(good)["state"] == "completed", queue.result(good)
        outside = queue.push(None, source=f"s3://{BUCKET}/other/s.py")
        refused = queue.result(outside)
        assert (refused["state"], refused["outcome"]) == ("failed", "source_rejected")
        assert "fetch_s3_prefixes" in refused["error"]["message"]
        assert len(stub.log) == 1
        worker.stop()
        held = json.dumps([queue.hash(job) for job in (good, outside)])
        assert "X-Amz" not in held and SECRET_KEY not in held and ACCESS_KEY not in held


def test_what_is_told(queue: Queue, start_worker: WorkerMaker, files: Files, port: int) -> None:
    """The job's own fault at once; what may pass is tried again by the queue."""
    start_worker(**options(files, attempts=2, fetch_tries=1)).ready()
    files.serve("/none", plain(CANARY.encode(), f"404 {CANARY}", f"X-Tell: {CANARY}"))
    files.serve("/down", plain(CANARY.encode(), "500 Oops"))
    files.serve("/late", plain(CANARY.encode(), "500 Oops"), GOOD.encode())
    files.serve("/moved", plain(b"", "302 Found", "Location: http://169.254.169.254/latest/meta-data/"))
    wanted = {
        "/none": ("failed", "source_rejected", "source: its server answered 404", 1),
        "/moved": ("failed", "source_rejected", "redirect", 1),
        "/down": ("dead", "fetch_failed", "source: its server answered 500", 2),
        "/late": ("completed", "completed", None, 2),
    }
    for path, (state, outcome, words, attempt) in wanted.items():
        job_id = queue.push(None, source=url(port, path))
        result = queue.result(job_id)
        assert (result["state"], result["outcome"], result["attempt"]) == (state, outcome, attempt), result
        if words:
            assert words in result["error"]["message"]
        told = json.dumps(queue.hash(job_id)).replace(json.dumps(url(port, path))[1:-1], "")
        assert CANARY not in told and "169.254" not in told
        queue.check(job_id)


def test_the_guard(queue: Queue, start_worker: WorkerMaker, files: Files, port: int) -> None:
    """As it is when nobody has allowed anything."""
    start_worker(**options(files, guard_allow=None)).ready()
    job_id = queue.push(None, source=url(port, "/s.py"))
    result = queue.result(job_id)
    assert (result["outcome"], result["attempt"]) == ("source_rejected", 1)
    assert "refused: its address is not public" in result["error"]["message"]
    assert files.asked == []


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_stopped_while_it_fetches(
    queue: Queue, redis: Redis, start_worker: WorkerMaker, files: Files, port: int, how: str
) -> None:
    """A slot that waits for a server is empty again at once; while it waits it holds no key."""
    keys = {"MANIMD_FETCH_S3_SECRET_ACCESS_KEY": "CANARY-1", "AWS_SECRET_ACCESS_KEY": "CANARY-2"}
    worker = start_worker(keys, **options(files, fetch_timeout_s=60, lease_ms=1500)).ready()
    files.serve("/hang", raw(then_wait=True))
    more = {"deadline_at": house.time.time() + 1.5 * house.SLOWER} if how == "deadline" else {}
    job_id = queue.push(None, source=url(port, "/hang"), **more)
    until("it is asked for", lambda: files.asked)
    stages = [pid for pid, command in house.descendants(worker.pid).items() if " stage fetch " in command]
    assert len(stages) == 2  # the stage and the fetcher
    for pid in stages:
        assert b"CANARY" not in Path(f"/proc/{pid}/environ").read_bytes()
    if how == "cancel":
        assert house.manimd("cancel", job_id, redis=redis).returncode == 0
    result = queue.result(job_id)
    assert result["outcome"] == {"cancel": "cancelled", "deadline": "expired"}[how], result
    worker.idle()
    queue.check(job_id)


@pytest.mark.parametrize("how", ["drained", "killed"])
def test_a_worker_that_goes_while_it_fetches(
    queue: Queue, start_worker: WorkerMaker, files: Files, port: int, how: str
) -> None:
    """Another one fetches it again; nothing of the first is left."""
    quick = options(files, lease_ms=1000, drain_timeout_s=0)
    first = start_worker(**quick).ready()
    files.serve("/hang", raw(then_wait=True))
    job_id = queue.push(None, source=url(port, "/hang"))
    until("it is asked for", lambda: files.asked)
    if how == "drained":
        first.stop()
    else:
        first.kill()
    files.serve("/hang", GOOD.encode())
    second = start_worker(**quick).ready()
    result = queue.result(job_id)
    assert result["state"] == "completed", json.dumps(result)
    second.stop()
    queue.check(job_id)


def test_a_list_without_keys_stops_the_start(directory: Path, redis: Redis) -> None:
    """Said at once, not at the first job."""
    common = ["work", "--until-empty", f"--store-dir={directory}"]
    done = house.manimd(*common, "--fetch-s3-prefixes=s3://b/", redis=redis)
    assert done.returncode == 2 and "fetch_s3_access_key_id" in done.stderr
    done = house.manimd(*common, "--fetch-s3-prefixes=b/", redis=redis)
    assert done.returncode == 2 and "fetch_s3_prefixes" in done.stderr
