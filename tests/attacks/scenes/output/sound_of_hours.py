"""Eight hours of silence, in records that are each well."""
# expect: time_limit disk_limit
# job: timeout_s=6
# tries: no
from manim import *

from manim.scene.scene_file_writer import SceneFileWriter


def sink():
    """The harness's way out, which a scene can find."""
    return next(c.cell_contents for c in SceneFileWriter.write_frame.__closure__ if hasattr(c.cell_contents, "ring"))


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
        for _ in range(8 * 60 * 60):
            sink().ring.audio(bytes(48000 * 4), 48000, 2)
