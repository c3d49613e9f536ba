"""Whether the judge sees what it is there to see: each way to be caught, once."""

from __future__ import annotations

import base64
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from judge import Verdict, judge
from PIL import Image
from scene_file import BadHeader, SceneFile, parse
from targets import Targets, canary

SECRET = canary("selftest")
GOOD: dict[str, Any] = {"outcome": "completed", "log_tail": "tried something\n", "sandbox": {"level": "standard"}}
SCENE = SceneFile(Path("x.py"), "selftest", "x", {"": ("completed",)})


def verdict(result: dict[str, Any], events: list[dict[str, str]] | None = None, outputs: list[Path] | None = None) -> Verdict:
    """What the judge says of it."""
    made = Verdict(SCENE, "standard", 0, str(result["outcome"]))
    judge(made, result, events or [], outputs or [], [SECRET])
    return made


def caught(**changes: Any) -> bool:
    """Whether a result with these changes is not held."""
    return not verdict(GOOD | changes).held


@contextmanager
def targets(*prepare: str) -> Iterator[Targets]:
    """Something to aim at."""
    with tempfile.TemporaryDirectory() as directory:
        made = Targets(Path(directory) / "outside", f"selftest-{os.urandom(4).hex()}", prepare)
        try:
            yield made
        finally:
            made.close()


def touched(prepare: str, act: Callable[[dict[str, Any]], object]) -> bool:
    """Whether what `act` does is seen, and only then."""
    with targets(prepare) as made:
        quiet = not made.complaints()
        act(made.known)
        return quiet and bool(made.complaints())


def send(family: int, kind: int, address: Any) -> None:
    """Contact a listener."""
    with socket.socket(family, kind) as out:
        out.connect(address)
        out.send(b"x")


def in_picture() -> bool:
    """A secret in the pixels of a PNG."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "frame.png"
        Image.frombytes("RGB", (64, 1), SECRET.encode().ljust(192, b".")).save(path)
        return SECRET.encode() not in path.read_bytes() and not verdict(GOOD, outputs=[path]).held


def refused(text: str) -> bool:
    """Whether a header is not understood."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "scene.py"
        path.write_text(text)
        try:
            parse(path)
        except BadHeader:
            return True
        return False


CASES: dict[str, Callable[[], bool]] = {
    "nothing wrong is held": lambda: verdict(GOOD).held,
    "a breach told in the log": lambda: caught(log_tail="tried x\nBREACH all of it\n"),
    "a secret in the log": lambda: caught(log_tail=f"tried x\n{SECRET}\n"),
    "a secret in hex": lambda: caught(metadata=SECRET.encode().hex()),
    "a secret backwards": lambda: caught(metadata=SECRET[::-1]),
    "a secret in base64": lambda: all(caught(m=base64.b64encode(b"." * n + SECRET.encode()).decode()) for n in range(3)),
    "a secret in an event": lambda: not verdict(GOOD, [{"data": json.dumps({"x": SECRET})}]).held,
    "a secret in a picture": in_picture,
    "another outcome": lambda: caught(outcome="host_error"),
    "another level": lambda: caught(sandbox={"level": "none"}),
    "a scene that tried nothing": lambda: caught(log_tail="hello\n"),
    "a TCP contact": lambda: touched("tcp", lambda k: send(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", k["tcp"]))),
    "a datagram": lambda: touched("udp", lambda k: send(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", k["udp"]))),
    "an abstract contact": lambda: touched("abstract", lambda k: send(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + k["abstract"])),
    "a contact by path": lambda: touched("unix", lambda k: send(socket.AF_UNIX, socket.SOCK_STREAM, k["unix"])),
    "a changed file": lambda: touched("files", lambda k: Path(k["writable"]).write_text("other")),
    "a changed mode": lambda: touched("files", lambda k: os.chmod(k["secret"], 0o600)),
    "a changed time": lambda: touched("files", lambda k: os.utime(k["secret"], (0, 0))),
    "a new link": lambda: touched("files", lambda k: os.link(k["secret"], k["shared"] + "/link")),
    "a new file": lambda: touched("files", lambda k: Path(k["shared"], "new").touch()),
    "a header without an outcome": lambda: refused('"""x"""\n# job: timeout_s=1\n'),
    "a header of an unknown outcome": lambda: refused('"""x"""\n# expect: perfect\n'),
    "a header of an unknown key": lambda: refused('"""x"""\n# expect: completed\n# hope: yes\n'),
}


def run() -> dict[str, str]:
    """Each case, and what is wrong with it ("" when it is caught)."""
    found = {}
    for name, case in CASES.items():
        try:
            found[name] = "" if case() else "it was not seen"
        except Exception as error:  # whatever it is, the judge is at fault
            found[name] = repr(error)
    return found
