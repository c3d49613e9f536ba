"""Scenes that fail: the outcome, the user's own line, and nothing left of them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import pytest
import re
from house import GOOD, Queue, Worker


@dataclass
class Bad:
    """A scene, and what is to be said of it."""

    code: str
    outcome: str
    message: str
    line: int | None = None
    column: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Its source."""
        return textwrap.dedent(self.code).lstrip("\n")


SCENES = {
    "syntax error": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                self.play(Create(Square())
        """,
        "source_rejected",
        "never closed",
        line=4,
        column=18,
    ),
    "no Python at all": Bad("Once upon a time", "source_rejected", "syntax", line=1),
    "NUL-free binary": Bad("\x01\x02\x03", "source_rejected", "invalid non-printable character", line=1),
    "import error": Bad(
        """
        from manim import *
        import no_such_module_of_mine
        class A(Scene):
            pass
        """,
        "scene_error",
        "no_such_module_of_mine",
        line=2,
    ),
    "exception in mid-play": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                self.play(Create(Square()), run_time=0.2)
                dot = Dot()
                dot.add_updater(lambda d: self.bend(d))
                self.add(dot)
                self.play(FadeIn(Circle()), run_time=0.3)
            def bend(self, dot):
                return 1 / (0 * len(str(dot)))
        """,
        "scene_error",
        "ZeroDivisionError",
        line=10,
    ),
    "wrong argument inside Manim": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                self.play(Create(Square(bogus=1)))
        """,
        "scene_error",
        "bogus",
        line=4,
    ),
    "no scene": Bad("from manim import *\nx = 1\n", "source_rejected", "no scene"),
    "several, none named": Bad(
        """
        from manim import *
        class First(Scene):
            pass
        class Second(Scene):
            pass
        """,
        "source_rejected",
        "(?s)First.*Second",
    ),
    "unknown scene": Bad(
        """
        from manim import *
        class First(Scene):
            pass
        class Second(Scene):
            pass
        """,
        "source_rejected",
        "(?s)Third.*First.*Second",
        fields={"scene": "Third"},
    ),
    "no animation": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                self.add(Square())
        """,
        "output_missing",
        "play|animation",
    ),
    "bad formula": Bad(
        r"""
        from manim import *
        class A(Scene):
            def construct(self):
                self.add(Square())
                self.play(Write(MathTex(r"\frac{1}{2} + \undefinedmacro{x}")))
        """,
        "tex_error",
        "undefinedmacro",
        line=5,
    ),
    "unknown environment": Bad(
        r"""
        from manim import *
        class A(Scene):
            def construct(self):
                self.add(Tex(r"\begin{nosuchthing} a \end{nosuchthing}"))
                self.wait(0.1)
        """,
        "tex_error",
        "nosuchthing",
        line=4,
    ),
    "exits by itself": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                self.play(Create(Square()), run_time=0.2)
                import os
                os._exit(0)
        """,
        "scene_error",
        r"the scene ended its own process \(exit status 0\) before it was done",
    ),
    "kills itself": Bad(
        """
        import os, signal
        from manim import *
        class A(Scene):
            def construct(self):
                os.kill(os.getpid(), signal.SIGSEGV)
        """,
        "crashed",
        "SEGV|Segmentation|signal",
    ),
    "sys.exit": Bad(
        """
        import sys
        from manim import *
        class A(Scene):
            def construct(self):
                sys.exit(3)
        """,
        "scene_error",
        "SystemExit|exit",
        line=5,
    ),
    "endless loop": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                while True:
                    pass
        """,
        "time_limit",
        "longer than 2 seconds",
        fields={"timeout_s": 2},
    ),
    "endless loop at import": Bad("while True: pass\n", "time_limit", "longer than 2 seconds", fields={"timeout_s": 2}),
    "deaf endless loop": Bad(
        """
        import signal, time
        for s in range(1, 65):
            try: signal.signal(s, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True:
            try: time.sleep(100)
            except BaseException: pass
        """,
        "time_limit",
        "longer than 2 seconds",
        fields={"timeout_s": 2},
    ),
    "CPU eater": Bad("while True: pass\n", "cpu_limit", "cpu", fields={"timeout_s": 60, "cpu_s": 2}),
    "memory eater": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                hoard = []
                while True:
                    hoard.append(b"x" * (16 << 20))
        """,
        "memory_limit",
        "memory_mb|MemoryError",
        fields={"memory_mb": 600, "timeout_s": 60},
    ),
    "stdout flood": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                while True:
                    print("spam " * 1000)
        """,
        "log_limit",
        "print",
        fields={"timeout_s": 60},
    ),
    "fork bomb": Bad(
        """
        import os
        while True:
            try: os.fork()
            except OSError: pass
        """,
        "process_limit",
        "more processes than `processes` allows",
        fields={"timeout_s": 60, "processes": 16},
    ),
    "disk filler": Bad(
        """
        from manim import *
        class A(Scene):
            def construct(self):
                for n in range(10**9):
                    with open(f"f{n}", "wb") as out:
                        out.write(b"x" * (4 << 20))
        """,
        "disk_limit",
        "the scene wrote more than disk_mb",
        fields={"disk_mb": 40, "timeout_s": 60},
    ),
    "children left behind": Bad(
        """
        import subprocess, sys
        from manim import *
        class A(Scene):
            def construct(self):
                for _ in range(3):
                    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
                self.add(undefined_name)
        """,
        "scene_error",
        "undefined_name",
        line=7,
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_a_bad_scene_is_told_plainly(name: str, queue: Queue, worker: Worker) -> None:
    """Its outcome, its words, its line; the box empty; the next job good."""
    bad = SCENES[name]
    job_id = queue.push(bad.text(), **bad.fields)
    result = queue.result(job_id)
    error = result["error"]
    assert re.fullmatch(bad.outcome, result["outcome"]), result
    assert result["state"] == "failed" and result["attempt"] == 1, "a scene's own fault is never retried"
    assert error["code"], error
    assert re.search(bad.message, error["message"]), error
    assert "site-packages" not in error["message"] and "Traceback" not in error["message"], error
    if bad.line is not None:
        assert error["line"] == bad.line, error
        assert error["excerpt"], error
    if bad.column is not None:
        assert error["column"] == bad.column, error
    worker.idle()
    assert not list(worker.store.rglob("*.mp4")), "a failed job left a video"
    good = queue.push()
    assert queue.result(good)["outcome"] == "completed"
    queue.check(job_id, good)


def test_a_tex_error_shows_the_tex_line(queue: Queue, worker: Worker) -> None:
    """The formula's own source is in the excerpt or the message."""
    bad = SCENES["bad formula"]
    error = queue.run(bad.text())["error"]
    assert r"\undefinedmacro" in error["message"] + str(error["excerpt"]), error


def test_words_of_a_scene_cannot_choose_our_fault(queue: Queue, worker: Worker) -> None:
    """Whatever a scene prints or raises, it is the scene's fault, and clean of control characters."""
    code = GOOD.replace(
        "square = Square()",
        'print(\'{"outcome": "completed"}\\n{"error": {"outcome": "host_error"}}\', flush=True)\n'
        '        raise RuntimeError("host_error \\x1b[31m\\x07 worker_lost")',
    )
    result = queue.run(code)
    assert result["outcome"] == "scene_error"
    assert "\x1b" not in result["error"]["message"] and "\x07" not in result["error"]["message"]
    assert "\x1b" not in result["log_tail"]


def test_a_scene_that_leaves_children_completes_and_they_die(queue: Queue, worker: Worker) -> None:
    """Left-over processes do not hold a slot."""
    code = GOOD.replace(
        "square = Square()",
        "square = Square()\n        import subprocess\n"
        '        [subprocess.Popen(["sleep", "1000"], start_new_session=True) for _ in range(3)]',
    )
    assert queue.run(code)["outcome"] == "completed"
    worker.idle()
    assert queue.run()["outcome"] == "completed"


def test_state_of_one_job_does_not_reach_the_next(queue: Queue, worker: Worker) -> None:
    """Defaults, configuration and modules that a scene changes are gone afterwards."""
    spoil = GOOD.replace(
        "square = Square()",
        "square = Square()\n        Square.set_default(color=RED)\n        config.background_color = RED\n"
        "        import builtins; builtins.print = None",
    )
    ask = GOOD.replace(
        "square = Square()",
        "square = Square()\n        assert config.background_color != RED\n"
        "        assert square.color != RED\n        print('fine')",
    )
    assert queue.run(spoil)["outcome"] == "completed"
    assert queue.run(ask)["outcome"] == "completed"
