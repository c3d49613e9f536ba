"""What a scene needs works inside the box; what real programs could do there does not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from box_tools import Box, living

FORMULA = r"\documentclass{article}\usepackage{amsmath}\pagestyle{empty}\begin{document}$\int_0^1 x^2$\end{document}"


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Its output, of a command that must have gone well."""
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_numpy_and_cairo(box: Box) -> None:
    code = "import numpy, cairo; s = cairo.ImageSurface(0, 8, 8); print(numpy.linalg.inv(numpy.eye(3)).sum())"
    assert said(box.run_python(code)) == "3.0"


def test_python_writes_its_own_files(box: Box) -> None:
    code = """
import os, shutil, tempfile
with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as f:
    f.write("hi")
os.makedirs("a/b"); shutil.copyfile(f.name, "a/b/c"); os.replace("a/b/c", "a/d")
print(open("a/d").read()); shutil.rmtree("a"); open(os.devnull, "w").write("x")
"""
    assert said(box.run_python(code)) == "hi"


def test_subprocesses_and_threads(box: Box) -> None:
    code = """
import subprocess, threading, concurrent.futures as c
print(subprocess.run(["echo", "one"], capture_output=True, text=True).stdout.strip())
with c.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda n: n * n, range(4))))
import multiprocessing as m
q, w = m.Pipe(duplex=False)
p = m.get_context("fork").Process(target=lambda: w.send("two")); p.start(); print(q.recv()); p.join()
"""
    assert said(box.run_python(code)).split() == ["one", "14", "two"]


def test_proc_self(box: Box) -> None:
    code = "import os; print('VmRSS' in open('/proc/self/status').read(), bool(os.listdir('/proc/self/fd')))"
    assert said(box.run_python(code)) == "True True"


@pytest.mark.parametrize("engine", ["latex", "xelatex", "lualatex"])
def test_tex(box: Box, engine: str) -> None:
    if not shutil.which(engine):
        assert engine != "latex", "TeX is not installed"
        return
    (box.dir / "f.tex").write_text(FORMULA)
    (box.dir / "f.tex").chmod(0o644)
    extra = ["-no-pdf"] if engine == "xelatex" else ["-output-format=dvi"]
    done = box.run(engine, "-interaction=batchmode", "-halt-on-error", *extra, "f.tex")
    made = "f.xdv" if engine == "xelatex" else "f.dvi"
    assert done.returncode == 0 and (box.dir / made).is_file(), done.stdout + done.stderr
    svg = box.run("dvisvgm", "--no-fonts", "-v", "0", "-o", "f.svg", made)
    assert svg.returncode == 0 and "<path" in (box.dir / "f.svg").read_text(), svg.stderr


def test_fonts(box: Box) -> None:
    code = """
import manimpango
print(len(manimpango.list_fonts()) > 0)
"""
    assert said(box.run_python(code)).endswith("True")


def test_manim_draws_a_formula(box: Box) -> None:
    code = """
from manim import *
config.update({"quality": "low_quality", "dry_run": True, "verbosity": "ERROR"})
class S(Scene):
    def construct(self):
        self.add(Tex("$x^2$"), Text("abc")); self.play(Create(Square()), run_time=0.2)
S().render(); print("drawn")
"""
    assert said(box.run_python(code)).endswith("drawn")


def test_setuid_programs_give_nothing(box: Box, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        code = "import os; os.setuid(0)"
        assert box.run_python(code).returncode != 0
        return
    outside = box.dir.parent / "programs"
    outside.mkdir(mode=0o755)
    shutil.copy("/usr/bin/id", outside / "id")
    (outside / "id").chmod(0o6755)
    done = box.run(str(outside / "id"), "-u", options=("-r", str(outside)))
    assert said(done) == str(box.uid)


def test_cannot_reach_a_listener(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        done = box.run_python(code)
        assert done.returncode != 0 and "Address family not supported" in done.stderr
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


SECRET_PLACES = [
    "/proc/1/environ",
    f"/proc/{os.getpid()}/environ",
    f"/proc/{os.getpid()}/mem",
    "/etc/shadow",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/root",
    "/home",
    "/tmp",
    "/dev/shm",
    "/var/log",
    "/proc",
    "/proc/self/environ",
    "/proc/self/net/tcp",
    "/proc/self/task",
    "/sys/class/net",
    "..",
]


def test_secret_places(box: Box) -> None:
    code = f"""
import os
for p in {SECRET_PLACES!r}:
    for how in (lambda: open(p, "rb").read(1), lambda: os.listdir(p)):
        try:
            how(); print("breach:", p)
        except (OSError, MemoryError):
            pass
"""
    assert said(box.run_python(code)) == ""


def test_tex_reads_nothing_outside(box: Box) -> None:
    secret = box.dir.parent / "secret.tex"
    secret.write_text("canary")
    secret.chmod(0o644)
    (box.dir / "f.tex").write_text(r"\documentclass{article}\begin{document}\input{%s}\end{document}" % secret)
    (box.dir / "f.tex").chmod(0o644)
    done = box.run("latex", "-interaction=batchmode", "-halt-on-error", "f.tex")
    assert done.returncode != 0
    if shutil.which("lualatex"):
        lua = r"\directlua{local f = io.open('%s') print(f and 'breach' or 'held')}" % secret
        (box.dir / "f.tex").write_text(r"\documentclass{article}\begin{document}%s\end{document}" % lua)
        done = box.run("lualatex", "-interaction=nonstopmode", "f.tex")
        assert "breach" not in done.stdout and "held" in done.stdout


def test_bomb_leaves_nothing(box: Box) -> None:
    code = """
import os, time
for fd in 1, 2:
    os.close(fd)
first = os.getpid()
while True:
    try:
        os.fork()
    except OSError:
        break
if os.getpid() != first:
    time.sleep(3600)
"""
    assert box.run_python(code, "-n", "40").returncode == 0
    if box.uid:
        # pid 1 of its namespace takes them with it, before box-run ends.
        assert living(box.uid) == [] if box.namespaces else len(living(box.uid)) > 30
        box.empty()
        assert living(box.uid) == []


def test_memory_is_refused_beyond_the_limit(box: Box) -> None:
    done = box.run_python("bytearray(3 << 30)")
    assert done.returncode == 1 and "MemoryError" in done.stderr
