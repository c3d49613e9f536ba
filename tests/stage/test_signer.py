"""Our signer against botocore's, on requests made at random.

The seed is printed and can be given: MANIMD_SEED=…
"""

from __future__ import annotations

import datetime
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

COUNT = 800
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
PIECES = (
    *("a", "Z", "0", "job", " ", "  ", "+", "%", "%25", "%2F", "é", "日本", "🎬", "=", "&", "@", ":"),
    *("~", "(", ")", "'", "*", ",", ";", "!", "$", "#", "?", "[", "]", "^", "`", "{", "|", "}", "\\", '"', "<", ">"),
    *("-", "_", ".", "/", "//"),
)
NAMES = ("prefix", "uploads", "uploadId", "partNumber", "x-id", "list-type", "delimiter", "a", "a-b", "A", "é", "a b")
HEADERS = (
    *("x-amz-meta-job", "x-amz-meta-job-id", "x-amz-meta-sha256", "X-Amz-Meta-Title", "x-amz-acl"),
    *("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "Content-Type", "Content-MD5"),
    *("x-amz-storage-class", "If-None-Match", "Range", "x-amz-tagging"),
)
VALUES = ("a", "video/mp4", "two  blanks", "  around  ", "a\tb", "é", "x=1&y=2", "*", "a,b", '"q"', "")


def text(rng: random.Random, most: int) -> str:
    """Odd text."""
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, most)))


def make(rng: random.Random) -> dict[str, Any]:
    """A request, in the driver's terms."""
    host = rng.choice(["127.0.0.1:9000", "s3.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", "h:8443", "[::1]:80"])
    query = [[rng.choice(NAMES), text(rng, 4)] for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    if query and rng.random() < 0.3:
        query.append(list(query[0]))
    headers = [[rng.choice(HEADERS), rng.choice(VALUES)] for _ in range(rng.randint(0, 6))]
    return {
        "method": rng.choice(["GET", "PUT", "HEAD", "POST", "DELETE"]),
        "host": host,
        "path": "/" + text(rng, 9),
        "query": query,
        "headers": headers,
        "hash": rng.choice([EMPTY_SHA256, "%064x" % rng.getrandbits(256), "UNSIGNED-PAYLOAD"]),
        "time": rng.randint(0, 4_000_000_000),
        "region": rng.choice(["us-east-1", "auto", "eu-central-1", "cn-north-1"]),
        "id": rng.choice(["AKIDEXAMPLE", "user:name", "a+b/c="]),
        "secret": text(rng, 12) or "s",
        "token": rng.choice([None, None, "FwoGZXIvYXdzEBQ+/=", "t"]),
    }


def theirs(spec: dict[str, Any]) -> AWSRequest:
    """The same request, signed by botocore."""
    query = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in spec["query"])
    scheme = "http" if ":" in spec["host"] else "https"
    url = f"{scheme}://{spec['host']}{quote(spec['path'], safe='/~')}" + (f"?{query}" if query else "")
    request = AWSRequest(method=spec["method"], url=url)
    for name, value in spec["headers"]:
        request.headers.add_header(name, value)
    request.headers.add_header("host", spec["host"])
    credentials = Credentials(spec["id"], spec["secret"], spec["token"])
    kind = auth.S3SigV4QueryAuth if "expires" in spec else auth.S3SigV4Auth
    more = {"expires": spec["expires"]} if "expires" in spec else {}
    signer = kind(credentials, "s3", spec["region"], **more)
    signer.payload = lambda _: spec["hash"]  # type: ignore[method-assign]
    if "expires" in spec:
        signer.payload = lambda _: "UNSIGNED-PAYLOAD"  # type: ignore[method-assign]
    now = datetime.datetime.fromtimestamp(spec["time"], datetime.timezone.utc)
    fakes = {name: lambda *_, **__: now for name in ("get_current_datetime",) if hasattr(auth, name)}
    fake = mock.MagicMock(wraps=datetime.datetime)
    fake.utcnow.return_value = now.replace(tzinfo=None)
    fake.now.return_value = now
    with mock.patch.multiple(auth, **fakes) if fakes else mock.patch.object(auth.datetime, "datetime", fake):
        signer.add_auth(request)
    return request


@pytest.fixture(scope="module")
def specs() -> list[dict[str, Any]]:
    """COUNT requests; every second one is to be presigned."""
    seed = int(os.environ.get("MANIMD_SEED") or random.SystemRandom().getrandbits(32))
    print(f"MANIMD_SEED={seed}")
    rng = random.Random(seed)
    made = [make(rng) for _ in range(COUNT)]
    for spec in made[::2]:
        spec["expires"] = rng.randint(1, 604800)
        # botocore's presigner keeps only the first of repeated names.
        spec["query"] = [[n, v] for n, v in dict(map(tuple, reversed(spec["query"]))).items()]
    return made


@pytest.fixture(scope="module")
def ours(driver: Path, specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What our signer makes of them."""
    lines = "".join(json.dumps(spec) + "\n" for spec in specs)
    done = subprocess.run([driver, "sign"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines_of(signed: dict[str, Any]) -> dict[str, str]:
    """The header lines that signing added."""
    return dict(line.split(": ", 1) for line in signed["lines"].splitlines())


def test_headers_are_signed_as_botocore_does(specs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    """Authorization, letter for letter."""
    assert len(ours) == len(specs) == COUNT
    for spec, mine in zip(specs[1::2], ours[1::2], strict=True):
        request = theirs(spec)
        assert mine["rc"] == 0
        lines = lines_of(mine)
        assert lines["Authorization"] == request.headers["Authorization"], spec
        assert lines["X-Amz-Date"] == request.headers["X-Amz-Date"]
        assert lines.get("X-Amz-Security-Token") == request.headers.get("X-Amz-Security-Token")
        assert lines["X-Amz-Content-Sha256"] == spec["hash"]
        assert mine["path"] == quote(spec["path"], safe="/~")


def test_urls_are_presigned_as_botocore_does(specs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    """The same query, whatever its order, signature included."""
    for spec, mine in zip(specs[::2], ours[::2], strict=True):
        url = theirs(spec).url
        theirs_query = sorted(parse_qsl(url.split("?", 1)[1], keep_blank_values=True, strict_parsing=True))
        ours_query = sorted(parse_qsl(mine["query"], keep_blank_values=True, strict_parsing=True))
        assert ours_query == theirs_query, spec
