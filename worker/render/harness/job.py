"""One job in the scene process: into the box, then the user's file.

Everything here that comes before seal() is trusted and knows nothing of the
source; everything after it may be read and changed by the scene.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import platform
import random
import signal
import sys
import tempfile
from typing import Any

import numpy as np

from . import errors, fingerprint, glyphs, source, tex, vector, writer
from .progress import Channel, Progress, encoded

#: Descriptors of the start message, in this order.
LOG, PROGRESS, MEMORY, DATA_READY, SPACE_FREE, SOURCE = range(6)
SOURCE_MAX_BYTES = 4 << 20
#: Of a result's line, for its key and its brackets.
ENVELOPE_BYTES = 64
NAME_CHARS = 200
#: Without a uid of its own a box is emptied by its one process group.
OWN_UID_LEVEL = 2  # enum box_level: standard
SEED_MASK = 0xFFFFFFFF  # what numpy.random.seed() takes


def prepare() -> dict[str, Any]:
    """In the zygote: import all that a job needs; what it then is."""
    import manim
    import pydub  # noqa: F401  (imported here so that no job has to)
    import tqdm

    # It starts a monitor thread otherwise, even when it is disabled.
    tqdm.tqdm.monitor_interval = 0
    reason = fingerprint.difference()
    tex.install()
    vector.install()
    glyphs.install()
    return {
        "ready": True,
        "manim": manim.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "render_path": "stock" if reason else "exact",
        "reason": reason,
    }


def box_plan(start: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """What seal() needs: the keeper's limits, and what this interpreter reads."""
    readable = [sys.prefix, sys.base_prefix, os.path.dirname(os.path.abspath(__file__))]
    if start["script_dir"]:
        readable.append(start["script_dir"])
    return {
        **start["limits"],
        "level": start["level"],
        "gpu": start["gpu"],
        "namespaces": start["namespaces"],
        "cgroup": start["cgroup"],
        "parent_pid": start["parent_pid"],
        "uid": start["uid"],
        "gid": start["gid"],
        "dir": start["dir"],
        "log_fd": fds[LOG],
        "keep": fds[PROGRESS:],
        "readable": readable,
    }


def set_environment(directory: str) -> None:
    """Everything that a library might write goes beneath the job's directory;
    TeX reads and writes there only, and runs no program."""
    at = {
        name: os.path.join(directory, sub)
        for name, sub in (
            ("HOME", ""),
            ("TMPDIR", "tmp"),
            ("XDG_CACHE_HOME", ".cache"),
            ("XDG_CONFIG_HOME", ".config"),
            ("TEXMFVAR", ".texmf-var"),
            ("TEXMFHOME", ".texmf"),
            ("TEXMFCONFIG", ".texmf-config"),
            ("TEXMFOUTPUT", "media/Tex"),
        )
    }
    os.environ.update(at)
    os.environ.update(openin_any="p", openout_any="p", shell_escape="f")
    os.makedirs(at["TMPDIR"], exist_ok=True)
    tempfile.tempdir = None


def open_streams() -> None:
    """New text streams for the log pipe: Python's own were made for whatever
    the zygote was started with, a file on disk perhaps, and remember that."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = os.fdopen(os.dup(fd), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def tell_where(fd: int) -> None:
    """When the keeper asks (SIGURG, which does nothing else), or when the CPU time is
    used up: the stack, written by C code in the signal's handler, whatever Python is
    at, among the lines of our words."""
    faulthandler.register(signal.SIGURG, file=fd, all_threads=False)
    faulthandler.register(signal.SIGXCPU, file=fd, all_threads=False, chain=True)


def enter_script_dir(start: dict[str, Any]) -> None:
    """A script finds its data beside itself, as it does when run by hand."""
    if start["script_dir"]:
        os.chdir(start["script_dir"])


def configure(start: dict[str, Any]) -> None:
    """Manim's config as its command line would have set it, before the file is
    executed, so that the file can override it as it can in stock."""
    from manim import config

    picture = start["picture"]
    num, den = picture["fps_num"], picture["fps_den"]
    config.media_dir = os.path.join(start["dir"], "media")
    config.assets_dir = start["script_dir"] or start["dir"]
    config.input_file = start["script_path"] or os.path.join(start["dir"], "scene.py")
    config.pixel_width = picture["width"]
    config.pixel_height = picture["height"]
    config.frame_rate = num if den == 1 else num / den
    config.seed = start["seed"] & SEED_MASK
    config.verbosity = "WARNING"
    config.progress_bar = "none"
    config.disable_caching = True
    if picture["transparent"]:
        config.transparent = True
    if picture["background"]:
        set_background(picture["background"])


def set_background(colour: str) -> None:
    """The job's background, if Manim knows it."""
    from manim import ManimColor, config

    try:
        config.background_color = ManimColor.parse(colour)
    except Exception as error:
        message = f'background "{colour}": no colour that Manim knows'
        raise errors.JobFault("source_rejected", message) from error


def own_the_outputs(start: dict[str, Any]) -> None:
    """What is made of the frames is the job's to say, not the file's."""
    from manim import config

    config.format = None
    config.dry_run = False
    config.preview = False
    config.live_preview = False
    config.enable_gui = False
    config.show_in_file_browser = False
    config.write_all = False
    config.disable_caching = True
    config.progress_bar = "none"
    config.save_sections = bool(start["sections"])


def seed_all(seed: int) -> None:
    """As Scene.__init__ does later; here for code that runs at import."""
    random.seed(seed & SEED_MASK)
    np.random.seed(seed & SEED_MASK)


def read_source(fd: int) -> bytes:
    """The user's file, through the descriptor that the keeper opened."""
    with os.fdopen(fd, "rb") as file:
        return file.read(SOURCE_MAX_BYTES)


def tell_picture(channel: Channel) -> None:
    """The size that the scene will have: the file may have changed the job's."""
    from manim import config

    rate = float(config.frame_rate)
    whole = rate == int(rate)
    channel.say(
        {
            "picture": {
                "width": int(config.pixel_width),
                "height": int(config.pixel_height),
                "fps_num": int(rate) if whole else round(rate * 1001),
                "fps_den": 1 if whole else 1001,
            }
        }
    )


def leave_a_still(scene: Any, sink: writer.Sink) -> None:
    """A scene whose plays were all skipped has a last state, too."""
    if sink.ring.frames or sink.stills:
        return
    scene.renderer.static_image = None
    scene.renderer.update_frame(scene)
    sink.still(scene.renderer.get_frame())


def check_anything_drawn(start: dict[str, Any], scene: Any, sink: writer.Sink) -> None:
    """A video needs frames."""
    if sink.ring.frames or set(start["outputs"]) <= {"png", "poster"}:
        return
    name = type(scene).__name__
    if scene.renderer.num_plays:
        message = f'scene "{name}" skips all of its animations, so there is no video to make'
    elif inspect.iscoroutinefunction(scene.construct):
        message = f'scene "{name}" runs nothing: its `construct` is async; write `def construct(self)`'
    else:
        message = (
            f'scene "{name}" plays no animation, so there is no video to make; '
            'call self.play() or self.wait(), or ask for the output "png"'
        )
    raise errors.JobFault("output_missing", message)


def render(start: dict[str, Any], code: Any, path: str, channel: Channel, fds: list[int],
           about: dict[str, Any]) -> None:
    """The user's code runs here, and nowhere else."""
    from _manimd import Ring  # type: ignore[import-not-found]
    from manim.scene.scene_file_writer import SceneFileWriter

    ring = Ring(fds[MEMORY], fds[DATA_READY], fds[SPACE_FREE])
    module = source.execute(code, path)
    scene_class = source.choose(source.scene_classes(module), start["scene"])
    own_the_outputs(start)
    tell_picture(channel)
    sink = writer.Sink(ring, Progress(channel, scene_class), bool(start["sections"]))
    scene_of: dict[str, Any] = {}
    exact = about["render_path"] == "exact"
    (writer.replace_methods if exact else writer.listen_to_stock)(
        SceneFileWriter, sink, scene_of
    )
    scene = scene_of["scene"] = scene_class()
    scene.render()
    leave_a_still(scene, sink)
    check_anything_drawn(start, scene, sink)
    sink.progress.tell(ring.frames)
    ring.end()


def judge(start: dict[str, Any], channel: Channel, fds: list[int], about: dict[str, Any]) -> int:
    """Render; say how it ended; the exit status."""
    path = start["script_path"] or os.path.join(start["dir"], "scene.py")
    try:
        code = source.compile_source(read_source(fds[SOURCE]), path)
        seed_all(start["seed"])
        configure(start)
        render(start, code, path, channel, fds, about)
    except BaseException as error:  # whatever it is, it ends here
        channel.say({"result": describe(error, path)})
        return 1
    channel.say({"result": {"outcome": "completed"}})
    return 0


def describe(error: BaseException, path: str) -> dict[str, Any]:
    """The words for an exception; fewer when there is no memory for them, or no
    room in a line."""
    try:
        result = errors.result_of(error, path)
        if len(encoded(result)) + ENVELOPE_BYTES <= Channel.LINE_BYTES:
            return result
    except BaseException:
        pass
    name = type(error).__name__[:NAME_CHARS]
    outcome = "memory_limit" if isinstance(error, MemoryError) else "scene_error"
    return {"outcome": outcome, "error": {"code": name, "message": name}}


def main(job_fd: int, start: dict[str, Any], fds: list[int], about: dict[str, Any]) -> None:
    """In the scene process, which never returns to the zygote's code."""
    from _manimd import seal

    seal(job_fd, box_plan(start, fds))
    os.chdir(start["dir"])
    set_environment(start["dir"])
    tex.bound(start["limits"]["tex_ms"], start["level"] >= OWN_UID_LEVEL)
    enter_script_dir(start)
    open_streams()
    tell_where(fds[PROGRESS])
    status = judge(start, Channel(fds[PROGRESS]), fds, about)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass
    os._exit(status)
