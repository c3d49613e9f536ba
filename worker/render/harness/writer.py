"""What Manim draws goes into the ring: the five writer methods of
SceneFileWriter, replaced in place, so that subclasses, `renderer=` arguments
and everything else that reaches the writer is covered too.

Stock opens an encoder per play, drops frames outside a play, and assembles
files in finish(); here a play is only a flag, and finish() sends what had to
wait for the end: sound and subtitles. A section begins with its first frame
(stock removes empty ones). A scene without any play leaves its last state as
a still picture.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np

from .progress import Progress

AUDIO_CHUNK_BYTES = 256 * 1024
SUBTITLE_BYTES = 8 * 1024
SECTION_NAME_CHARS = 200
AUTOMATIC_SECTION = "autocreated"  # what stock names the one nobody asked for
MICROSECOND = timedelta(microseconds=1)


class Sink:
    """One job's way out: its ring and its progress."""

    def __init__(self, ring: Any, progress: Progress, sections: bool) -> None:
        self.ring = ring
        self.progress = progress
        self.sections = sections
        self.section: object = None
        self.stills = 0

    def begin(self, scene_writer: Any, scene: Any) -> None:
        """A play whose frames count begins."""
        from manim import config

        if scene is not None:
            self.progress.begin_play(float(scene.duration or 0.0), float(config.frame_rate))
        section = scene_writer.sections[-1]
        wanted = self.sections or section.name != AUTOMATIC_SECTION
        if wanted and section is not self.section:
            name = str(section.name)[:SECTION_NAME_CHARS]
            kind = str(section.type_)[:SECTION_NAME_CHARS]
            self.ring.section(json.dumps({"name": name, "type": kind}))
        self.section = section

    def frame(self, pixels: np.ndarray, repeat: int) -> None:
        """`pixels` is shown `repeat` times; it is ours from now on."""
        self.ring.frame(np.ascontiguousarray(pixels), repeat)
        self.progress.frame(repeat, self.ring.frames)

    def still(self, pixels: np.ndarray) -> None:
        """A picture that is no frame of the video."""
        self.stills += 1
        self.ring.still(np.ascontiguousarray(pixels))

    def sound(self, scene_writer: Any) -> None:
        """The finished mix, as stock would have written it to a file."""
        if not scene_writer.includes_sound:
            return
        from pydub import AudioSegment

        # As stock: "makes sure sound file length will match video file".
        scene_writer.add_audio_segment(AudioSegment.silent(0))
        mix = scene_writer.audio_segment.set_sample_width(2)
        step = AUDIO_CHUNK_BYTES // (2 * mix.channels) * (2 * mix.channels)
        data = memoryview(mix.raw_data)
        for at in range(0, len(data), step):
            self.ring.audio(data[at : at + step], mix.frame_rate, mix.channels)

    def subtitles(self, scene_writer: Any) -> None:
        """Taken from the list at the end: Manager.add_subcaption appends to it
        directly."""
        for each in scene_writer.subcaptions:
            text = str(each.content).encode("utf-8", "replace")[:SUBTITLE_BYTES]
            self.ring.subtitle(
                text.decode("utf-8", "ignore"),
                each.start // MICROSECOND,
                (each.end - each.start) // MICROSECOND,
            )


def replace_methods(writer_class: type, sink: Sink, scene_of: dict[str, Any]) -> None:
    """Put ours in the place of stock's."""

    def begin_animation(
        self: Any, allow_write: bool = False, *, animation_index: int, file_path: Any = None
    ) -> None:
        self.manimd_open = self.output_spec.is_video and allow_write
        if self.manimd_open:
            sink.begin(self, scene_of.get("scene"))

    def end_animation(self: Any, allow_write: bool = False) -> None:
        self.manimd_open = False

    def write_frame(self: Any, pixels: np.ndarray, *, repeat: int = 1) -> None:
        if getattr(self, "manimd_open", False):
            sink.frame(pixels, repeat)

    def save_image(self: Any, pixels: np.ndarray) -> None:
        sink.still(pixels)

    def finish(self: Any) -> None:
        self.finish_last_section()
        sink.sound(self)
        sink.subtitles(self)

    for method in (begin_animation, end_animation, write_frame, save_image, finish):
        setattr(writer_class, method.__name__, method)


def listen_to_stock(writer_class: type, sink: Sink, scene_of: dict[str, Any]) -> None:
    """For a Manim that we do not know: its own methods run, files and all, and
    we copy what passes."""
    stock = {
        name: getattr(writer_class, name)
        for name in ("begin_animation", "write_frame", "save_image", "finish")
    }

    def begin_animation(self: Any, allow_write: bool = False, *args: Any, **kw: Any) -> None:
        if allow_write:
            sink.begin(self, scene_of.get("scene"))
        stock["begin_animation"](self, allow_write, *args, **kw)

    def write_frame(self: Any, pixels: np.ndarray, *args: Any, **kw: Any) -> None:
        repeat = args[0] if args else kw.get("repeat", kw.get("num_frames", 1))
        sink.frame(pixels.copy(), repeat)
        stock["write_frame"](self, pixels, *args, **kw)

    def save_image(self: Any, pixels: np.ndarray, *args: Any, **kw: Any) -> None:
        sink.still(np.asarray(pixels))
        stock["save_image"](self, pixels, *args, **kw)

    def finish(self: Any, *args: Any, **kw: Any) -> None:
        stock["finish"](self, *args, **kw)
        sink.sound(self)
        sink.subtitles(self)

    for method in (begin_animation, write_frame, save_image, finish):
        setattr(writer_class, method.__name__, method)
