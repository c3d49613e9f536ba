"""The box with a GPU: what Mesa draws by EGL without one works in it, and what it
opens is what docs/gpu.md lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from box_tools import Box
from render_tools import render

#: moderngl is a dependency of Manim: a context without a window, one triangle.
DRAW = """
import struct, moderngl
context = moderngl.create_standalone_context(backend="egl", libgl="libGL.so.1", libegl="libEGL.so.1")
target = context.simple_framebuffer((64, 64))
target.use()
target.clear(1.0, 0.0, 0.0, 1.0)
program = context.program(
    vertex_shader="#version 330\\n in vec2 at; void main() { gl_Position = vec4(at, 0.0, 1.0); }",
    fragment_shader="#version 330\\nout vec4 colour; void main() { colour = vec4(0.0, 1.0, 0.0, 1.0); }",
)
corners = context.buffer(struct.pack("6f", -1, -1, 1, -1, 0, 1))
context.vertex_array(program, [(corners, "2f", "at")]).render()
pixels = target.read(components=3)
print(tuple(pixels[:3]), tuple(pixels[64 * 63 * 3 : 64 * 63 * 3 + 3]), context.info["GL_RENDERER"])
"""

SCENE = """
from manim import *
class S(Scene):
    def construct(self): self.wait(0.2)
"""

IOCTL = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
null = os.open("/dev/null", os.O_RDWR)
def met(command):
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if libc.ioctl(null, ctypes.c_ulong(command), 0) < 0 else "0"
print(*(met(int(word, 16)) for word in sys.argv[1:]))
"""

NVIDIA, RENDER_NODE, UNIFIED, FOREIGN = "c00046d6", "c0106407", "25", "c0105b01"
RESOURCES, ANY_OTHER = "c030462b", "c01046d3"  # NV_ESC_RM_ALLOC; NV_ESC_IOCTL_XFER_CMD
NVIDIA_TOO_LOW, TIOCSTI = "c00046c7", "5412"


def words(box: Box, profile: str, code: str, *arguments: str) -> list[str]:
    """What Python says in a box of that profile."""
    done = box.run(str(box.python), "-c", code, *arguments, options=("-p", profile))
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_egl_draws_and_reads_back(box: Box) -> None:
    """Surfaceless, by whatever driver GLVND finds: here mostly Mesa's llvmpipe."""
    done = box.run(str(box.python), "-c", DRAW, options=("-p", "scene-gpu"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(0, 255, 0) (255, 0, 0) "), done.stdout


def test_commands_by_type(box: Box) -> None:
    """ENOTTY (or EACCES, by Landlock): the kernel looked at it; ENOSYS: the filter did not let it."""
    asked = (NVIDIA, RESOURCES, RENDER_NODE, ANY_OTHER, NVIDIA_TOO_LOW, UNIFIED, FOREIGN, TIOCSTI)
    through = [word != "ENOSYS" for word in words(box, "scene-gpu", IOCTL, *asked)]
    assert through == [True] * 3 + [False] * 5
    through = [word != "ENOSYS" for word in words(box, "scene", IOCTL, *asked)]
    assert through == [False] * 8


MEMFD = """
import ctypes, os, time
try:
    fd = os.memfd_create("m")
    os.write(fd, bytes(1 << 20))
    print("made")
except OSError as error:
    print(error.errno)
"""


def test_only_a_gpu_has_memfds(box: Box) -> None:
    """What they hold is counted: tests/unit/sandbox/test_held.c."""
    assert words(box, "scene-gpu", MEMFD) == ["made"]
    assert words(box, "scene", MEMFD) == ["38"]  # ENOSYS


NODES = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.close(os.open(path, os.O_RDWR))
        print(path)
    except OSError:
        pass
"""
DENIED = ("/dev/dri/card0", "/dev/dri/card1", "/dev/nvidia-uvm-tools", "/dev/kfd", "/dev/nvidia-caps/nvidia-cap1")


def test_the_other_nodes_stay_shut(box: Box) -> None:
    """Whether they are there or not."""
    assert words(box, "scene-gpu", NODES, *DENIED, "/dev/nvidia-uvm", "/dev/zero") == []


def test_a_scene_draws_by_egl() -> None:
    """With `gpu = egl` the scene's own box is that one, and the result says so."""
    code = DRAW + "import os; os.close(os.memfd_create('m'))" + SCENE
    done = render(code, {"gpu": "egl"})
    assert done.outcome == "completed", done.result
    assert done.log.startswith("(0, 255, 0) (255, 0, 0) ")
    assert done.result["sandbox"]["gpu"] == "kernel driver exposed"
    assert done.result["sandbox"]["tripped"] == {}


def test_a_real_gpu(box: Box) -> None:
    """The same drawing, by the driver of a card."""
    nodes = [path for path in ("/dev/nvidiactl", "/dev/dri/renderD128") if Path(path).exists()]
    if not nodes:
        pytest.skip("not applicable: neither /dev/nvidiactl nor /dev/dri is there")
    usable = [path for path in nodes if os.stat(path).st_mode & 0o006 == 0o006]
    if not usable:
        pytest.skip(f"not applicable: {nodes[0]} is not open to every uid")
    assert words(box, "scene-gpu", NODES, *usable) == usable
    done = box.run(str(box.python), "-c", DRAW, options=("-p", "scene-gpu"))
    assert done.returncode == 0, done.stderr
    assert "llvmpipe" not in done.stdout and "softpipe" not in done.stdout, done.stdout
    print(done.stdout)
