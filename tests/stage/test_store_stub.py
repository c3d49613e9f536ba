"""The store stage against an S3 server that misbehaves (s3_stub.py)."""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from s3_stub import (
    BUCKET,
    SECRET_KEY,
    Stub,
    answers,
    cuts_answer,
    cuts_body,
    dawdles,
    drips,
    floods,
    hangs,
    internal_error,
    is_no_s3,
    loses_answer,
    says_error_late,
    slow_down,
    stops_reading,
)
from store_tools import NONCE, Attempt, sha256

MIB = 1024 * 1024
VIDEO = random.Random(1).randbytes(3 * MIB + 17)
LONG = random.Random(2).randbytes(16 * MIB) * 5 + b"tail"  # six parts
KEY = f"job-1/{NONCE}/scene.mp4"


@pytest.fixture
def attempt(driver: Path, tmp_path: Path, stub: Stub) -> Attempt:
    """One video of 3 MiB, for the stub."""
    return Attempt(driver, tmp_path / "a", {"scene.mp4": VIDEO}, env=stub.env())


@pytest.fixture
def long_attempt(driver: Path, tmp_path: Path, stub: Stub) -> Attempt:
    """One video that goes up in parts."""
    return Attempt(driver, tmp_path / "a", {"scene.mp4": LONG}, env=stub.env())


def puts(stub: Stub) -> int:
    """How many PUTs came."""
    return sum(line.startswith("PUT") for line in stub.log)


def test_an_object_is_put_and_looked_at(attempt: Attempt, stub: Stub) -> None:
    """One PUT, one HEAD; type, metadata and result are as promised."""
    result = attempt.run().good()
    assert [line.split("?")[0] for line in stub.log] == [f"PUT /{BUCKET}/{KEY}", f"HEAD /{BUCKET}/{KEY}"]
    assert stub.objects[KEY].data == VIDEO
    assert stub.objects[KEY].headers == {
        "content-type": "video/mp4",
        "x-amz-meta-job": "job-1",
        "x-amz-meta-sha256": sha256(VIDEO),
    }
    assert result["outputs"] == [
        {
            "kind": "mp4",
            "name": "scene.mp4",
            "width": 4,
            "frames": 7,
            "key": KEY,
            "bytes": len(VIDEO),
            "sha256": sha256(VIDEO),
            "verified": True,
        }
    ]
    assert (result["requests"], result["retries"]) == (2, 0)
    assert result["timings_ms"]["store"] >= 0


def test_twice_is_harmless(attempt: Attempt, stub: Stub) -> None:
    """The same keys, the same bytes."""
    first = attempt.run().good()
    second = attempt.run().good()
    assert first["outputs"] == second["outputs"] and list(stub.objects) == [KEY]


def test_several_outputs_and_odd_prefix(driver: Path, tmp_path: Path, stub: Stub) -> None:
    """A prefix with blanks, UTF-8 and signs is encoded strictly (the stub insists)."""
    files = {"scene.mp4": b"v", "frame.png": b"p", "scene.gif": b""}
    prefix = "Ünï 日本/a+b (1)~&=@:%25'*!,;$"
    attempt = Attempt(driver, tmp_path / "a", files, env=stub.env(MANIMD_S3_PREFIX=f"/{prefix}/"))
    result = attempt.run().good()
    assert [o["key"] for o in result["outputs"]] == [f"{prefix}/job-1/{NONCE}/{name}" for name in files]
    assert {key: o.data for key, o in stub.objects.items()} == {
        f"{prefix}/job-1/{NONCE}/{name}": data for name, data in files.items()
    }


@pytest.mark.parametrize(
    ("fault", "times"),
    [(slow_down, 4), (internal_error, 2), (answers(429, "TooManyRequests"), 1), (answers(502, ""), 1)],
    ids=["slow-down", "500", "429", "502"],
)
def test_busy_servers_are_tried_again(attempt: Attempt, stub: Stub, fault: Any, times: int) -> None:
    """Retried until it works, and counted."""
    stub.fault("PUT", fault, times)
    result = attempt.run().good()
    assert (result["retries"], result["requests"]) == (times, times + 2)
    assert stub.objects[KEY].data == VIDEO


def test_retry_after_is_heeded(attempt: Attempt, stub: Stub) -> None:
    """Not earlier than the server asks."""
    stub.fault("PUT", answers(503, "SlowDown", Retry_After="2"))
    began = time.monotonic()
    attempt.run().good()
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize(
    "fault", [cuts_body, loses_answer, cuts_answer], ids=["cut-body", "lost-answer", "cut-answer"]
)
def test_broken_lines_are_tried_again(attempt: Attempt, stub: Stub, fault: Any) -> None:
    """Whenever the line breaks."""
    stub.fault("PUT", fault, 2)
    result = attempt.run().good()
    assert result["retries"] == 2 and stub.objects[KEY].data == VIDEO


@pytest.mark.parametrize("fault", [hangs, stops_reading], ids=["hangs", "stops-reading"])
def test_a_stall_is_noticed(driver: Path, tmp_path: Path, stub: Stub, fault: Any) -> None:
    """A quarter of a short store_timeout_s without a byte ends a try."""
    data = VIDEO * 8  # more than the kernels' buffers
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": data}, env=stub.env())
    stub.fault("PUT", fault)
    result = attempt.run(MANIMD_STORE_TIMEOUT_S="8").good()
    assert result["retries"] == 1 and stub.objects[KEY].data == data


@pytest.mark.parametrize("fault", [hangs, drips, floods], ids=["hangs", "drips", "floods"])
def test_never_longer_than_the_limit(attempt: Attempt, stub: Stub, fault: Any) -> None:
    """store_timeout_s holds whatever the server does."""
    stub.fault("PUT", fault, 1000)
    began = time.monotonic()
    ended = attempt.run(MANIMD_STORE_TIMEOUT_S="3", MANIMD_S3_TRIES="100")
    assert time.monotonic() - began < 10
    ended.bad("store_timeout_s")


def test_tries_are_bounded(attempt: Attempt, stub: Stub) -> None:
    """s3_tries, then the sentence."""
    stub.fault("PUT", slow_down, 1000)
    message = attempt.run(MANIMD_S3_TRIES="3").bad("after 3 tries: the server says to slow down")
    assert message.startswith(f'put "{KEY}" to bucket "{BUCKET}": ')
    assert puts(stub) == 3


FATAL = [
    (404, "NoSuchBucket", "no such bucket: create it or set s3_bucket"),
    (403, "InvalidAccessKeyId", "set s3_access_key_id"),
    (403, "SignatureDoesNotMatch", "set s3_secret_access_key"),
    (403, "AccessDenied", "access denied"),
    (403, "ExpiredToken", "renew s3_session_token"),
    (301, "PermanentRedirect", "the bucket is elsewhere"),
    (403, "QuotaExceeded", "the quota is used up"),
    (400, "Strange\nCode", "the server answered 400 Strange Code: told so"),
    (507, "", "the server answered 507"),
]


@pytest.mark.parametrize(("status", "code", "words"), FATAL, ids=[f"{s}-{c.strip()[:9]}" for s, c, _ in FATAL])
def test_the_hopeless_is_not_tried_again(attempt: Attempt, stub: Stub, status: int, code: str, words: str) -> None:
    """One request, one clear sentence."""
    stub.fault("PUT", answers(status, code, "told so", Location="http://127.0.0.1:1/"), 1000)
    message = attempt.run().bad(words)
    assert len(stub.log) == 1
    assert SECRET_KEY not in message


def test_parts(long_attempt: Attempt, stub: Stub) -> None:
    """Six parts of 16 MiB, put together, with progress on the way."""
    ended = long_attempt.run()
    result = ended.good()
    assert stub.objects[KEY].data == LONG
    assert stub.objects[KEY].headers["content-type"] == "video/mp4"
    assert stub.objects[KEY].headers["x-amz-meta-sha256"] == sha256(LONG)
    assert not stub.uploads
    assert result["requests"] == 1 + 6 + 1 + 1 and result["outputs"][0]["verified"]
    assert ended.out.splitlines()[-1] == f'{{"stored_bytes":{len(LONG)},"total_bytes":{len(LONG)}}}'


def test_parts_are_tried_again_each(long_attempt: Attempt, stub: Stub) -> None:
    """Only those that failed."""
    stub.fault("PUT", slow_down, 2, query="partNumber=2")
    stub.fault("PUT", cuts_body, 1, query="partNumber=6")
    result = long_attempt.run().good()
    assert result["retries"] == 3 and stub.objects[KEY].data == LONG
    assert sum("partNumber=1&" in line for line in stub.log) == 1


def test_complete_says_error_after_200(long_attempt: Attempt, stub: Stub) -> None:
    """The body is read, always."""
    stub.fault("POST", says_error_late, 1, query="uploadId")
    result = long_attempt.run().good()
    assert result["retries"] == 1 and stub.objects[KEY].data == LONG


def test_complete_is_lost(long_attempt: Attempt, stub: Stub) -> None:
    """The retry is told NoSuchUpload; HEAD shows that all is well."""
    stub.fault("POST", loses_answer, 1, query="uploadId")
    result = long_attempt.run().good()
    assert result["outputs"][0]["verified"] and stub.objects[KEY].data == LONG


@pytest.mark.parametrize("where", ["part", "complete"])
def test_a_failed_upload_is_aborted(long_attempt: Attempt, stub: Stub, where: str) -> None:
    """No parts stay behind."""
    if where == "part":
        stub.fault("PUT", answers(403, "AccessDenied"), 1, query="partNumber=5")
    else:
        stub.fault("POST", says_error_late, 1000, query="uploadId")
    long_attempt.run(MANIMD_S3_TRIES="2").bad("access denied" if where == "part" else "InternalError")
    assert not stub.uploads and not stub.objects
    assert stub.log[-1].startswith("DELETE")


@pytest.mark.parametrize("fault", [hangs, slow_down], ids=["in-a-request", "in-a-pause"])
def test_sigterm_stops_and_aborts(long_attempt: Attempt, stub: Stub, fault: Any) -> None:
    """At once, also while waiting; the parts are given up, the result says cancelled."""
    stub.fault("PUT", fault, 100000, query="partNumber=5")
    stub.fault("DELETE", dawdles)
    process = long_attempt.popen(MANIMD_S3_TRIES="100")
    stub.wait_for("partNumber=5")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 3
    assert long_attempt.result()["outcome"] == "cancelled"
    assert not stub.uploads and any(line.startswith("DELETE") for line in stub.log)


def test_the_region_is_learned(attempt: Attempt, stub: Stub) -> None:
    """From the answer's body, once, and kept."""
    stub.region = "eu-central-1"
    result = attempt.run().good()
    assert result["retries"] == 1 and stub.objects[KEY].data == VIDEO


def test_the_region_is_learned_from_a_redirect_that_is_not_followed(attempt: Attempt, stub: Stub) -> None:
    """301 names it in x-amz-bucket-region; its Location gets nothing."""
    with Stub() as elsewhere:
        redirect = answers(
            301, "PermanentRedirect", Location=elsewhere.endpoint + "/x", x_amz_bucket_region="eu-west-3"
        )
        stub.fault("PUT", redirect, 1)
        stub.region = "eu-west-3"
        assert attempt.run().good()["retries"] == 1
        assert elsewhere.log == []


@pytest.mark.parametrize("offset_s", [7200, -7200])
def test_a_skewed_clock_is_learned(attempt: Attempt, stub: Stub, offset_s: int) -> None:
    """From the Date header, once, and kept."""
    stub.clock_offset_s = offset_s
    result = attempt.run().good()
    assert result["retries"] == 1 and result["requests"] == 3


def test_a_wild_clock_is_given_up(attempt: Attempt, stub: Stub) -> None:
    """A server that goes on refusing the date is told of."""
    stub.fault("PUT", answers(403, "RequestTimeTooSkewed"), 1000)
    attempt.run().bad("set this machine's clock")
    assert puts(stub) == 2


def test_may_put_but_not_get(attempt: Attempt, stub: Stub) -> None:
    """A least-privilege key: the server's own check of the hash has to do."""
    stub.fault("HEAD", answers(403, "AccessDenied"), 1000)
    result = attempt.run().good()
    assert result["outputs"][0]["verified"] is False


def test_something_else_is_there(attempt: Attempt, stub: Stub) -> None:
    """HEAD tells another size: not completed."""

    def changes(h: Any) -> bool:
        stub.objects[KEY].data = b"other"
        return False

    stub.fault("HEAD", changes)
    attempt.run().bad("something else than was sent (5 bytes, not")


def test_nothing_is_there_yet(attempt: Attempt, stub: Stub) -> None:
    """A HEAD that comes too early is tried again."""
    stub.fault("HEAD", answers(404, "NoSuchKey"), 2)
    assert attempt.run().good()["retries"] == 2


def test_not_an_s3_server(attempt: Attempt, stub: Stub) -> None:
    """A web server that says 200 to everything stores nothing."""
    stub.fault("PUT", is_no_s3, 1000)
    stub.fault("HEAD", is_no_s3, 1000)
    attempt.run().bad("is s3_endpoint that of an S3 API")


def test_session_token(attempt: Attempt, stub: Stub) -> None:
    """Sent and signed."""
    stub.token = "FwoGZXIvYXdzEBQ+/="
    attempt.run().bad("the session token is wrong")
    attempt.run(AWS_SESSION_TOKEN=stub.token).good()


def test_secrets_from_files(attempt: Attempt, stub: Stub, tmp_path: Path) -> None:
    """…_FILE, as container platforms mount them."""
    (tmp_path / "secret").write_text(SECRET_KEY + "\n")
    del attempt.env["AWS_SECRET_ACCESS_KEY"]
    attempt.run().bad("s3_secret_access_key is not set")
    attempt.run(MANIMD_S3_SECRET_ACCESS_KEY_FILE=str(tmp_path / "secret")).good()


def test_proxies_of_the_environment_are_ignored(attempt: Attempt, stub: Stub) -> None:
    """They would see the keys' requests."""
    attempt.run(http_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1").good()


def test_connection_refused(attempt: Attempt, stub: Stub) -> None:
    """Named with host and port; nobody is there."""
    ended = attempt.run(MANIMD_S3_ENDPOINT="http://127.0.0.1:1", MANIMD_S3_TRIES="2")
    ended.bad('after 2 tries: "http://127.0.0.1:1": Connection refused: is s3_endpoint right')


def test_no_such_host(attempt: Attempt) -> None:
    """A name that does not resolve."""
    ended = attempt.run(MANIMD_S3_ENDPOINT="http://s3.invalid", MANIMD_S3_TRIES="2")
    ended.bad('"http://s3.invalid": its name does not resolve')


SETTINGS = [
    ({"MANIMD_S3_ENDPOINT": "127.0.0.1:9000"}, "must begin with https:// or http://"),
    ({"MANIMD_S3_ENDPOINT": "http://u:secret@h/"}, "must hold no user"),
    ({"MANIMD_S3_ENDPOINT": "http:///x"}, "names no host"),
    ({"MANIMD_S3_BUCKET": "a/b"}, 's3_bucket "a/b": no name of a bucket'),
    ({"MANIMD_S3_BUCKET": ""}, "set store_dir or s3_bucket"),
    ({"AWS_ACCESS_KEY_ID": ""}, "s3_access_key_id is not set"),
    ({"MANIMD_S3_PREFIX": "a/../b"}, "s3_prefix: must be UTF-8"),
    ({"MANIMD_S3_PREFIX": "a//b"}, "s3_prefix: must be UTF-8"),
]


@pytest.mark.parametrize(("env", "words"), SETTINGS, ids=[w.split(":")[0] for _, w in SETTINGS])
def test_wrong_settings(attempt: Attempt, stub: Stub, env: dict[str, str], words: str) -> None:
    """Each is named, nothing is sent, no secret is shown."""
    message = attempt.run(**env).bad(words)
    assert stub.log == [] and "secret@" not in message


def test_tls(driver: Path, tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused at once; s3_ca_file vouches."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stub -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Stub(tls=context) as stub:
        attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": VIDEO}, env=stub.env())
        refused = attempt.run()
        refused.bad(": set s3_ca_file to the certificates to be trusted")
        assert refused.result["requests"] == 1 and stub.log == []
        attempt.run(MANIMD_S3_CA_FILE=str(tmp_path / "none.pem")).bad("none.pem")
        attempt.run(AWS_CA_BUNDLE=str(cert)).good()
        assert stub.objects[KEY].data == VIDEO


def test_probe(driver: Path, stub: Stub) -> None:
    """Put, head, delete; nothing stays."""
    env = {"PATH": os.environ["PATH"]} | stub.env(MANIMD_S3_PREFIX="p")
    subprocess.run([driver, "probe"], env=env, check=True)
    assert [line.split()[0] for line in stub.log] == ["PUT", "HEAD", "DELETE"]
    assert all(f"/{BUCKET}/p/manimd-probe-" in line for line in stub.log) and not stub.objects
    failed = subprocess.run(
        [driver, "probe"], env=env | {"MANIMD_S3_BUCKET": "other"}, capture_output=True, text=True
    )
    assert failed.returncode == 3 and "no such bucket" in failed.stderr
