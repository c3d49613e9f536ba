"""The store stage against a real S3 server, Ceph's RGW, read back by botocore."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from rgw import Rgw
from store_tools import NONCE, Attempt, sha256

MIB = 1024 * 1024
VIDEO = random.Random(3).randbytes(2 * MIB + 5)
LONG = random.Random(4).randbytes(16 * MIB) * 4 + random.Random(5).randbytes(7 * MIB)


@pytest.fixture
def env(rgw: Rgw) -> dict[str, str]:
    """A stage's environment for the gateway."""
    return {
        "MANIMD_S3_ENDPOINT": rgw.endpoint,
        "MANIMD_S3_BUCKET": rgw.bucket,
        "AWS_ACCESS_KEY_ID": rgw.access_key,
        "AWS_SECRET_ACCESS_KEY": rgw.secret_key,
    }


def read(rgw: Rgw, key: str) -> tuple[bytes, dict[str, Any]]:
    """An object and its headers, by botocore."""
    answer = rgw.client().get_object(Bucket=rgw.bucket, Key=key)
    return answer["Body"].read(), answer


def presign(driver: Path, env: dict[str, str], key: str, expires_s: int, now_s: float) -> str:
    """A URL, by our client's side."""
    command = [driver, "presign", key, str(expires_s), str(int(now_s))]
    full = {"PATH": os.environ["PATH"]} | env
    return subprocess.run(command, env=full, check=True, capture_output=True, text=True).stdout.strip()


PREFIXES = ["", "films", "a b/Ünï 日本 🎬", "x+y&z=1@2:3", "~(o')*!,;$", "100%/%25%2F"]


@pytest.mark.parametrize("prefix", PREFIXES, ids=["none", "plain", "utf8", "signs", "marks", "percent"])
def test_put_and_presigned_get(driver: Path, tmp_path: Path, rgw: Rgw, env: dict[str, str], prefix: str) -> None:
    """Stored under the promised key; botocore and plain HTTP read it back."""
    env["MANIMD_S3_PREFIX"] = prefix
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": VIDEO, "frame.png": b"png"}, env=env)
    outputs = attempt.run().good()["outputs"]
    key = f"{prefix}/job-1/{NONCE}/scene.mp4".lstrip("/")
    assert outputs[0]["key"] == key and all(o["verified"] for o in outputs)
    data, answer = read(rgw, key)
    assert data == VIDEO
    assert answer["ContentType"] == "video/mp4"
    assert answer["Metadata"] == {"job": "job-1", "sha256": sha256(VIDEO)}
    with urllib.request.urlopen(presign(driver, env, key, 60, time.time())) as got:
        assert got.read() == VIDEO
        assert got.headers["Content-Type"] == "video/mp4"


def test_a_presigned_url_expires(driver: Path, tmp_path: Path, rgw: Rgw, env: dict[str, str]) -> None:
    """And is good for one key only."""
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": b"v", "frame.png": b"p"}, env=env)
    key = attempt.run().good()["outputs"][0]["key"]
    old = presign(driver, env, key, 60, time.time() - 120)
    good = presign(driver, env, key, 60, time.time())
    for url in (old, good.replace("scene.mp4", "frame.png"), good.split("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        assert refused.value.code == 403


def test_multipart(driver: Path, tmp_path: Path, rgw: Rgw, env: dict[str, str]) -> None:
    """71 MiB in parts, twice; nothing unfinished stays."""
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": LONG}, env=env)
    for _ in range(2):
        output = attempt.run().good()["outputs"][0]
        assert output["verified"] and output["bytes"] == len(LONG)
    data, answer = read(rgw, output["key"])
    assert hashlib.sha256(data).hexdigest() == output["sha256"] == sha256(LONG)
    assert answer["ContentType"] == "video/mp4" and answer["ETag"].endswith('-5"')
    assert answer["Metadata"]["sha256"] == sha256(LONG)
    assert "Uploads" not in rgw.client().list_multipart_uploads(Bucket=rgw.bucket)


WRONG = [
    ({"MANIMD_S3_BUCKET": "missing"}, 'to bucket "missing": no such bucket: create it or set s3_bucket'),
    ({"AWS_ACCESS_KEY_ID": "NOBODY"}, "the access key id is not known there: set s3_access_key_id"),
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the signature does not match: set s3_secret_access_key"),
]


@pytest.mark.parametrize("size", [1, 65 * MIB], ids=["single", "multipart"])
@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=["bucket", "key", "secret"])
def test_what_is_wrong_is_named(
    driver: Path, tmp_path: Path, env: dict[str, str], wrong: dict[str, str], words: str, size: int
) -> None:
    """One sentence, at once."""
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": bytes(size)}, env=env | wrong)
    ended = attempt.run()
    ended.bad(words)
    assert ended.result["requests"] == 1


def test_access_denied(driver: Path, tmp_path: Path, rgw: Rgw, env: dict[str, str]) -> None:
    """A stranger's bucket."""
    rgw.call(
        *("radosgw-admin", "-n", "client.gateway", "user", "create", "--uid=other", "--display-name=other"),
        *("--access-key=OTHER", "--secret-key=othersecret"),
    )
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": b"v"}, env=env)
    ended = attempt.run(AWS_ACCESS_KEY_ID="OTHER", AWS_SECRET_ACCESS_KEY="othersecret")
    ended.bad("access denied: let this access key put and get objects there")


def test_probe(driver: Path, rgw: Rgw, env: dict[str, str]) -> None:
    """doctor's round trip leaves nothing."""
    subprocess.run([driver, "probe"], env={"PATH": os.environ["PATH"], "MANIMD_S3_PREFIX": "pr"} | env, check=True)
    assert rgw.client().list_objects_v2(Bucket=rgw.bucket, Prefix="pr/")["KeyCount"] == 0
