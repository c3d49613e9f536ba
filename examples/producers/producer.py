"""A complete producer in Python: pushes a scene, shows progress, prints the result.

    pip install redis
    python producer.py SCENE.py [SCENE]

REDIS_URL says where Redis is (default: this machine).
"""

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import redis

QUEUE = "manimd:{default}"
TERMINAL = {"completed", "failed", "cancelled", "dead"}


def push(db: redis.Redis, code: str, scene: str | None) -> str:
    """Push a job and give its id; pushing the same again is harmless."""
    job: dict[str, Any] = {"id": str(uuid.uuid4()), "code": code, "quality": "720p30"}
    if scene:
        job["scene"] = scene
    db.lpush(f"{QUEUE}:in", json.dumps(job))
    return str(job["id"])


def result_of(db: redis.Redis, job_id: str) -> dict[str, Any]:
    """Wait for a job to end, printing each word of its log stream.

    The hash is read before and after each wait: it is the truth, while the
    stream only says when to look again.
    """
    last = "0"
    while True:
        state, result = db.hmget(f"{QUEUE}:job:{job_id}", "state", "result")
        if state in TERMINAL:
            return json.loads(result) if result else {"id": job_id, "state": state}
        for _, entries in db.xread({f"{QUEUE}:log:{job_id}": last}, block=1000) or []:
            for last, fields in entries:
                print(last, fields, file=sys.stderr)


def main() -> int:
    """Run one job to its end; exit 1 when it did not complete."""
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    db = redis.Redis.from_url(url, decode_responses=True)
    scene = sys.argv[2] if len(sys.argv) == 3 else None
    result = result_of(db, push(db, Path(sys.argv[1]).read_text(encoding="utf-8"), scene))
    print(json.dumps(result, indent=2))
    return 0 if result["state"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
