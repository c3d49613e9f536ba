"""s3: URLs against Ceph's RGW: that a real server takes what we sign."""

from __future__ import annotations

from typing import Any

import pytest
from rgw import ACCESS_KEY, BUCKET, SECRET_KEY, Rgw
from test_fetch import SCENE, Bench, Fetched


@pytest.fixture
def options(rgw: Rgw) -> dict[str, Any]:
    """The operator's, for this gateway."""
    keys = {"fetch_s3_access_key_id": ACCESS_KEY, "fetch_s3_secret_access_key": SECRET_KEY}
    return {"fetch_s3_endpoint": rgw.endpoint, "fetch_s3_prefixes": f"s3://{BUCKET}/in/"} | keys


def fetch(job: dict[str, Any], options: dict[str, Any]) -> Fetched:
    """A stage that no other server is there for."""
    return Bench(None, 0, 0, {"fetch_timeout_s": 20, "fetch_tries": 2}).fetch(job, **options)  # type: ignore[arg-type]


def test_signed_by_us(rgw: Rgw, options: dict[str, Any]) -> None:
    """Also a key that needs encoding."""
    key = "in/ä b+c&d=e?.png"
    for name, data in (("in/s.py", SCENE), (key, b"\x89PNG")):
        rgw.client().put_object(Bucket=BUCKET, Key=name, Body=data)
    job = {"source": f"s3://{BUCKET}/in/s.py", "assets": [{"path": "a.png", "url": f"s3://{BUCKET}/{key}"}]}
    assert fetch(job, options).good().files == {"source": SCENE, "0": b"\x89PNG"}


def test_whose_fault(rgw: Rgw, options: dict[str, Any]) -> None:
    """Nothing there: the job's. A key that is wrong or unknown: ours."""
    job = {"source": f"s3://{BUCKET}/in/none.py"}
    fetch(job, options).bad("source_rejected", "is not there")
    for wrong in ({"fetch_s3_secret_access_key": "wrong"}, {"fetch_s3_access_key_id": "UNKNOWN"}):
        fetch(job, options | wrong).bad("fetch_failed", "check the fetch_s3_")
