"""Stores: a real Ceph RGW, and S3 that refuses, dawdles and hangs up."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import house
import pytest
from conftest import WorkerMaker
from house import Queue


def s3(endpoint: str, bucket: str, key_id: str, secret: str, **more: Any) -> dict[str, Any]:
    """A worker's options for a bucket."""
    env = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    return {"store_dir": None, "s3_endpoint": endpoint, "s3_bucket": bucket, "env": env} | more


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dead_for(queue: Queue, start_worker: WorkerMaker, words: str, **options: Any) -> dict[str, Any]:
    """A job whose outputs cannot be stored: tried again, then dead, its worker well."""
    worker = start_worker(attempts=2, **options).ready()
    job_id = queue.push()
    result = queue.result(job_id)
    assert (result["state"], result["outcome"], result["attempt"]) == ("dead", "store_failed", 2), result
    assert re.search(words, result["error"]["message"]), result["error"]
    states = [e["event"] for e in queue.events() if e.get("id") == job_id]
    assert "retrying" in states, states
    secret = options["env"]["AWS_SECRET_ACCESS_KEY"]
    assert secret not in json.dumps(result) and secret not in worker.log.text()
    queue.check(job_id)
    return result


def test_s3_refuses_the_connection(queue: Queue, start_worker: WorkerMaker) -> None:
    """A closed port."""
    port = closed_port()
    dead_for(queue, start_worker, f"{port}|refused|connect", **s3(f"http://127.0.0.1:{port}", "b", "id", "sec-1"))


class Silent:
    """A listener that takes connections and then does something unkind."""

    def __init__(self, hang_up: bool) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._hang_up = hang_up
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            if self._hang_up:
                connection.recv(65536)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
            else:
                self._held.append(connection)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._held:
            connection.close()
        self._thread.join()


def test_s3_cuts_the_line(queue: Queue, start_worker: WorkerMaker) -> None:
    """Every connection is reset in the middle of the upload."""
    server = Silent(hang_up=True)
    try:
        words = rf"127\.0\.0\.1:{server.port}\b.*the line broke (while|before)"
        dead_for(queue, start_worker, words, **s3(f"http://127.0.0.1:{server.port}", "b", "id", "sec-2"))
    finally:
        server.close()


@pytest.mark.slow
def test_s3_never_answers(queue: Queue, start_worker: WorkerMaker) -> None:
    """The store stage's own time limit ends it."""
    server = Silent(hang_up=False)
    try:
        options = s3(f"http://127.0.0.1:{server.port}", "b", "id", "sec-3", store_timeout_s=2)
        words = rf"127\.0\.0\.1:{server.port}\b.*not a byte moved within the time given"
        dead_for(queue, start_worker, words, **options)
    finally:
        server.close()


def test_a_job_waits_out_s3_being_away(queue: Queue, start_worker: WorkerMaker, rgw: Any) -> None:
    """Retrying finds the bucket again: nothing is lost, one object of the winner."""
    options = s3(f"http://127.0.0.1:{closed_port()}", rgw.bucket, rgw.access_key, rgw.secret_key)
    first = start_worker(attempts=50, s3_tries=1, retry_base_ms=1, **options).ready()
    job_id = queue.push()
    queue.wait_event(lambda e: e.get("id") == job_id and e["event"] == "retrying")
    first.stop()
    start_worker(**s3(rgw.endpoint, rgw.bucket, rgw.access_key, rgw.secret_key)).ready()
    assert queue.result(job_id)["outcome"] == "completed"
    queue.check(job_id)


# ── a real one ────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def rgw() -> Iterator[Any]:
    """Ceph's RGW from the distribution's packages, with one bucket."""
    import rgw as recipe

    yield from recipe.session()


def test_s3_takes_the_video(queue: Queue, start_worker: WorkerMaker, rgw: Any) -> None:
    """The object is there, with its bytes, and the presigned URL of the client gives it."""
    options = s3(rgw.endpoint, rgw.bucket, rgw.access_key, rgw.secret_key, s3_prefix="films")
    start_worker(**options).ready()
    job_id = queue.push()
    output = queue.result(job_id)["outputs"][0]
    assert output["key"].startswith(f"films/{job_id}/")
    told = house.manimd(
        "status",
        job_id,
        "--json",
        f"--s3-endpoint={rgw.endpoint}",
        redis=queue.redis,
        env=options["env"] | {"MANIMD_S3_BUCKET": rgw.bucket},
    )
    url = json.loads(told.stdout)["result"]["outputs"][0]["url"]
    with urllib.request.urlopen(url, timeout=house.PATIENCE_S) as answer:
        data = answer.read()
    assert hashlib.sha256(data).hexdigest() == output["sha256"]
    queue.check(job_id)


def test_bucket_missing(queue: Queue, start_worker: WorkerMaker, rgw: Any) -> None:
    """Named in the sentence."""
    options = s3(rgw.endpoint, "no-such-bucket-here", rgw.access_key, rgw.secret_key)
    dead_for(queue, start_worker, "no-such-bucket-here|NoSuchBucket", **options)


def test_wrong_key(queue: Queue, start_worker: WorkerMaker, rgw: Any) -> None:
    """Said so, without the secret."""
    options = s3(rgw.endpoint, rgw.bucket, rgw.access_key, "not-the-secret-at-all")
    dead_for(queue, start_worker, "SignatureDoesNotMatch|key|403", **options)


def test_key_unknown(queue: Queue, start_worker: WorkerMaker, rgw: Any) -> None:
    """An access key id that S3 does not know."""
    options = s3(rgw.endpoint, rgw.bucket, "NOBODY", "sec-4")
    dead_for(queue, start_worker, "InvalidAccessKeyId|key|403", **options)


# ── one that misbehaves and then behaves ──────────────────────────────────


@pytest.mark.parametrize("name", ["slow_down", "internal_error", "cuts_body", "loses_answer", "dawdles"])
def test_s3_misbehaves_once_and_then_takes_it(name: str, queue: Queue, start_worker: WorkerMaker) -> None:
    """Tried again within the store stage: one attempt, one object, the right bytes."""
    import s3_stub

    with s3_stub.Stub() as stub:
        stub.fault("PUT", getattr(s3_stub, name), times=1)
        options = s3(stub.endpoint, s3_stub.BUCKET, s3_stub.ACCESS_KEY, s3_stub.SECRET_KEY, s3_tries=4)
        start_worker(**options).ready()
        result = queue.run()
        assert (result["outcome"], result["attempt"]) == ("completed", 1), result
        output = result["outputs"][0]
        stored = [o.data for key, o in stub.objects.items() if output["key"] in str(key)]
        assert [hashlib.sha256(data).hexdigest() for data in stored] == [output["sha256"]]
