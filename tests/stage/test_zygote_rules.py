"""Nothing of one job reaches the next that the same warm interpreter serves:
not by Manim's globals and caches, nor the process, nor a file."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
from collections.abc import Iterator

import pytest
from render_tools import (
    BUILD, ROOT, STOCK_ENVIRONMENT, Outcome, attempt, collect, runtime_python, stage_environment,
    write_job,
)  # fmt: skip

PATIENCE_S = 60.0


def offers_namespaces() -> bool:
    """As a worker tells its zygotes."""
    said = subprocess.run([str(BUILD / "manimd"), "doctor", "--json"], capture_output=True, check=False)
    return json.loads(said.stdout)["box.namespaces"]["state"] == "ok"


class Zygote:
    """One warm interpreter, started as worker/render/zygote.c does."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        native = BUILD / "harness" / "_manimd.so"
        harness = ROOT / "worker" / "render" / "harness" / "zygote.py"
        flags = ["-P", "-s", "-B", str(harness), str(theirs.fileno()), str(native), "spare"]
        flags += ["namespaces"] * offers_namespaces()
        self.process = subprocess.Popen(
            [runtime_python(), *flags],
            env={**STOCK_ENVIRONMENT, "HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        assert select.select([self.control], [], [], PATIENCE_S)[0], "it was never ready"
        self.control.recv(65536)

    def render(self, code: str) -> Outcome:
        """A job, served by it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, attempt() as directory:
            socket.send_fds(self.control, [b"j"], [theirs.fileno()])
            theirs.close()
            write_job(directory, code, {})
            env = {**stage_environment({}), "MANIMD_STAGE_ZYGOTE_FD": str(ours.fileno())}
            stage = subprocess.run(
                [str(BUILD / "manimd"), "stage", "render", str(directory)],
                env=env, pass_fds=[ours.fileno()], capture_output=True, text=True,
                timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            return collect(directory, stage.returncode, stage.stderr)

    def end(self) -> None:
        """It ends when nobody holds its control socket, and its jobs have."""
        self.control.close()
        assert self.process.wait(PATIENCE_S) == 0


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    """A fresh one."""
    made = Zygote()
    yield made
    made.end()


#: What it shows depends on everything that a job could have left behind.
INNOCENT = """
import builtins, gc, locale, os, random, resource, signal, sys, threading, uuid
import manimpango
from manim import *

HOME = os.environ["HOME"].rstrip("/")

class Innocent(Scene):
    def construct(self):
        print("random", random.random(), np.random.random(), np.random.get_state()[2])
        print("fresh", uuid.uuid4(), np.random.default_rng().random(), os.urandom(4).hex())
        print("env", sorted((k, v.replace(HOME, "~")) for k, v in os.environ.items()))
        print("cwd", os.getcwd() == HOME, sorted(os.listdir()))
        os.umask(mask := os.umask(0)); print("umask", oct(mask))
        print("signals", [(s, str(signal.getsignal(s))) for s in sorted(signal.valid_signals())])
        print("masked", signal.pthread_sigmask(signal.SIG_BLOCK, []))
        print("limits", [resource.getrlimit(n) for n in range(16)], sys.getrecursionlimit())
        print("nice", os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0)))
        print("python", builtins.print.__module__, gc.isenabled(), sys.flags.hash_randomization,
              hash("a"), np.geterr(), locale.setlocale(locale.LC_ALL), threading.active_count())
        print("modules", len(sys.modules), "polluted" in sys.modules, sys.path[1:])
        print("files", sorted(os.listdir("/proc/self/fd")))
        print("fonts", len(manimpango.list_fonts()), "Left Behind" in manimpango.list_fonts())
        print("config", sorted((k, str(v).replace(HOME, "~")) for k, v in config.items()))
        print("names", id(Square) == id(Scene.__mro__[0]), Square.__init__.__qualname__)
        dots = VGroup(*(Dot(np.random.uniform(-3, 3, 3)) for _ in range(5)))
        self.add(dots, Text("abc"), MathTex("x^2").shift(UP), Tex("d").shift(DOWN))
        self.play(Create(Square()), FadeIn(Circle().shift(RIGHT * random.random())), run_time=0.4)
        self.wait(0.2)
"""

POLLUTING = """
import atexit, builtins, gc, glob, os, random, resource, shutil, signal, sys, threading, time, types
import manimpango
from manim import *
from manim.utils import tex_file_writing

Square.set_default(color=RED, fill_opacity=1)
Circle.set_default(radius=3)
Text.set_default(font="DejaVu Serif", font_size=90)
MathTex.set_default(color=BLUE)
config.background_color = "#223344"
config.frame_rate = 7
config.tex_template = TexTemplate(preamble=r"\\usepackage{amsmath}\\boldmath")
random.seed(1); np.random.seed(1)
np.seterr(all="ignore")
Scene.wait = lambda self, *a, **k: None
Mobject.shift = lambda self, *a: self
Square.__init__ = Circle.__init__
builtins.sum = lambda *a: 0
sys.setrecursionlimit(333333)
sys.modules["polluted"] = types.ModuleType("polluted")
sys.path.insert(1, "/polluted")
gc.disable()
os.environ.update(LANG="polluted", PATH="/polluted:" + os.environ["PATH"], openin_any="a", PYTHONHASHSEED="9")
os.umask(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))
atexit.register(lambda: open("left", "w"))
for place in sys.path + glob.glob("/var/cache/*") + glob.glob("/var/lib/texmf*") + ["/tmp", "/dev/shm",
        os.path.dirname(tex_file_writing.__file__), os.path.dirname(sys.executable)]:
    try: open(os.path.join(place, "polluted.py"), "w").write("x")
    except OSError: continue
    if os.environ["HOME"].rstrip("/") not in os.path.realpath(place): print("REACHED", place)
for name in ("_manimd_harness.writer", "_manimd_harness.tex", "_manimd_harness.errors"):
    for key in list(vars(sys.modules[name])):
        if not key.startswith("__"): setattr(sys.modules[name], key, getattr(sys.modules[name], key))
font = glob.glob("/usr/share/fonts/**/DejaVuSans*.ttf", recursive=True)
if font:
    shutil.copyfile(font[0], "own.ttf"); print("registered", manimpango.register_font("own.ttf"))

class Polluting(Scene):
    def construct(self):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        self.add(Text("abc"), MathTex("x^2"))
        self.play(Create(Square()), run_time=0.3)
        END
"""
ENDS = {"well": "pass", "in its own death": "os.kill(os.getpid(), 11)", "in an exception": "raise ValueError"}


def lines(ended: Outcome) -> dict[str, str]:
    """What the innocent scene printed, by its first words."""
    assert ended.outcome == "completed", ended.result
    return dict(line.split(" ", 1) for line in ended.log.splitlines() if " " in line)


def test_nothing_of_a_job_reaches_the_next(zygote: Zygote) -> None:
    fresh = zygote.render(INNOCENT)
    before = lines(fresh)
    assert len(before) > 12 and len(fresh.frames) > 5
    for end in ENDS.values():
        polluted = zygote.render(POLLUTING.replace("END", end))
        assert polluted.outcome in ("completed", "crashed", "scene_error"), polluted.result
        assert "REACHED" not in polluted.log
    after = zygote.render(INNOCENT)
    found = lines(after)
    assert found.pop("fresh") != before.pop("fresh"), "two jobs had the same entropy"
    assert found == before
    assert after.frames == fresh.frames


def test_a_warm_job_is_as_a_cold_one(zygote: Zygote) -> None:
    """And not only as its neighbours in the same interpreter."""
    first = zygote.render(INNOCENT)
    other = Zygote()
    try:
        second = other.render(INNOCENT)
    finally:
        other.end()
    assert first.frames == second.frames
    found, before = lines(first), lines(second)
    assert found.pop("fresh") != before.pop("fresh")
    assert found == before
