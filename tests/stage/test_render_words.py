"""What a result says beyond the exception's own words: what to do about it, where the
scene was when its time was up, and what its log tells of a picture that is another."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from bad_scenes import HEAD, JOB_FAULT, fails, scene
from render_tools import render

ROOT = Path(__file__).resolve().parents[2]


def renamed() -> dict[str, str]:
    """The harness's table, read as text: it is imported by scenes' interpreters only."""
    tree = ast.parse((ROOT / "worker/render/harness/hints.py").read_text())
    found = [n for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "RENAMED"]
    return dict(ast.literal_eval(found[0].value))


HINTS = {
    "an older name": (scene("self.play(ShowCreation(Circle()))"), "Manim Community calls it Create"),
    "a camera without a frame": (scene("self.camera.frame"), "derive the scene from MovingCameraScene"),
    "a fence": (f"Here it is:\n```python\n{HEAD}```\n", "send only what is inside it"),
    "a magic": (f"{HEAD}%%manim -ql Bad\n", "leave it out"),
    "ManimGL": ("from manimlib import *\n", "here is Manim Community"),
    "a package": ("import pandas as pd\n", "no other packages"),
    "a window": (scene("self.interactive_embed()"), "leave out self.interactive_embed()"),
    "a keyboard": (scene("input('how many?')"), "leave out input()"),
    "a socket": (scene("import socket\nsocket.create_connection(('127.0.0.1', 1))"), "no network"),
    "a place": (scene("open('/tmp/x', 'w')"), "its own directory only"),
    "a coroutine": (f"{HEAD}class Bad(Scene):\n    async def construct(self): pass\n", "write `def construct(self)`"),
    "a pool": (scene("import multiprocessing\nmultiprocessing.Pool(2)"), "use concurrent.futures.ThreadPoolExecutor"),
    "a pool of futures": (
        scene("from concurrent.futures import ProcessPoolExecutor as Pool\nPool(2).submit(print)"),
        "use concurrent.futures.ThreadPoolExecutor",
    ),
    "a manager": (scene("import multiprocessing\nmultiprocessing.Manager()"), "use concurrent.futures.Thread"),
    "shared memory": (
        scene("from multiprocessing.shared_memory import SharedMemory\nSharedMemory(create=True, size=9)"),
        "use concurrent.futures.ThreadPoolExecutor",
    ),
    "an event loop": (scene("import asyncio\nasyncio.run(asyncio.sleep(0))"), "call plain functions"),
    "no raw string": (scene("MathTex('\\frac{1}{2}')"), 'write the formula as r"…"'),
}


@pytest.mark.parametrize("name", HINTS)
def test_what_to_do_about_it(name: str) -> None:
    """Behind Python's words, for what people and models write from memory."""
    code, words = HINTS[name]
    ended = render(code)
    assert ended.status == JOB_FAULT and words in ended.error["message"], ended.result


def test_no_hint_where_nothing_is_certain() -> None:
    """A name of their own, a module of their own."""
    assert fails(scene("show_creation()"), "scene_error").error["message"] == (
        "NameError: name 'show_creation' is not defined"
    )


def test_every_older_name_has_a_newer_one() -> None:
    """As Manim is now: those are gone, these are there."""
    names = {old: re.match(r"\w+", new)[0] for old, new in renamed().items()}
    body = f"import manim\nfor old, new in {names!r}.items():\n"
    body += "    print(old, hasattr(manim, old), hasattr(manim, new) or hasattr(Axes, new))\nself.wait(0.1)"
    ended = render(scene(body))
    assert ended.outcome == "completed", ended.result
    told = ended.result["log_tail"].split("\n")[: len(names)]
    assert told == [f"{old} False True" for old in names]


def test_characters_that_no_font_has() -> None:
    """They are boxes in a video that completed: so it is said, once for each."""
    private = "\U0010fffd"  # of the last plane for private use
    code = scene(f"Text('a {private}{private} é')\nMarkupText('{private}')\nself.wait(0.1)")
    ended = render(code)
    assert ended.outcome == "completed", ended.result
    assert ended.result["log_tail"].count("no font on this worker has \U0010fffd (U+10FFFD):") == 1
    assert "(U+00E9)" not in ended.result["log_tail"]


BLANKS = {
    "MathTex('\\theta + 1')": r"\theta",
    "MathTex('a', '\\times', 'b \\to c')": r"\times",
    "MathTex('x \\tan(x)')": r"\tan",
    "Tex('$x \\neq 1$')": r"\neq",
    "MathTex('2 \\rho')": r"\rho",
}
NO_BLANKS = [
    "MathTex(r'\\theta \\times \\tan(x) \\to \\neq \\rho')",
    "MathTex('a\\tb\\n\\to\\n\\theta')",
    "Tex('a\\tan apple\\tto you')",
    "Tex('one\\r\\ntwo\\nand three')",
]


@pytest.mark.parametrize("how", BLANKS)
def test_a_command_that_python_read_as_a_blank(how: str) -> None:
    """TeX says nothing, and draws another formula: so it is said, once."""
    ended = render(scene(f"{how}\n{how}\nself.wait(0.1)"))
    assert ended.outcome == "completed", ended.result
    assert ended.result["log_tail"].count(f'read the beginning of "{BLANKS[how]}" in it as a blank') == 1, ended.log


def test_blanks_that_are_meant() -> None:
    ended = render(scene("\n".join(NO_BLANKS) + "\nself.wait(0.1)"))
    assert ended.outcome == "completed", ended.result
    assert "blank" not in ended.log


def test_endless_loop() -> None:
    ended = fails(scene("while True: pass"), "time_limit", timeout_s=1)
    assert ended.error["message"] == "it ran longer than 1 seconds; it was at line 5, in construct"
    assert ended.error["line"] == 5


def test_endless_loop_at_import() -> None:
    ended = fails(HEAD + "while True: pass\n", "time_limit", timeout_s=1)
    assert ended.error["message"] == "it ran longer than 1 seconds; it was at line 2"


WHERE = {
    "in Manim": "self.play(Create(Square()), run_time=10**6)",
    "in C": "import time; time.sleep(10**6)",
    "in a system call": "import os; os.read(os.pipe()[0], 1)",
    "in another's code": "import queue; queue.Queue().get()",
}


@pytest.mark.parametrize("what", WHERE)
def test_where_it_was_when_its_time_was_up(what: str) -> None:
    ended = fails(scene("self.wait(0.1)\n" + WHERE[what]), "time_limit", timeout_s=2)
    assert ended.error["message"].endswith("; it was at line 6, in construct"), ended.error


SPENT = {
    "by itself": "while True: pass",
    "by children": "import subprocess\nwhile True: subprocess.run(['sh', '-c', 'i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done'])",
}


@pytest.mark.parametrize("how", SPENT)
def test_where_it_was_when_its_cpu_time_was_up(how: str) -> None:
    """Its own, which the kernel tells it, or that of all that it started."""
    lines = SPENT[how].splitlines()
    ended = fails(scene(SPENT[how]), "cpu_limit", cpu_s=1)
    assert ended.error["message"].endswith(f"; it was at line {4 + len(lines)}, in construct"), ended.error


@pytest.mark.parametrize(
    "how",
    [
        "signal.signal(signal.SIGURG, signal.SIG_IGN)",
        "signal.signal(signal.SIGURG, lambda *_: os._exit(0))",
        "os.execvp('sleep', ['sleep', '100'])",
        "os.closerange(3, 100)",
        r"""[os.write(fd, b'  File "/etc/passwd", line 1 in x\n') for fd in range(3, 9) if fifo(fd)]""",
    ],
)
def test_who_does_not_say_where_it_is_ends_all_the_same(how: str) -> None:
    body = (
        "import os, signal, stat, time\n"
        "def fifo(fd):\n    try: return stat.S_ISFIFO(os.fstat(fd).st_mode)\n    except OSError: return False\n"
        f"{how}\nwhile True: time.sleep(1)"
    )
    ended = fails(scene(body), "time_limit", timeout_s=1)
    assert "passwd" not in ended.error["message"]
