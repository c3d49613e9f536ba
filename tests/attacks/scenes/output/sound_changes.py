"""Sound that changes its rate."""
# expect: output_invalid
# tries: no
from manim import *

from manim.scene.scene_file_writer import SceneFileWriter


def sink():
    """The harness's way out, which a scene can find."""
    return next(c.cell_contents for c in SceneFileWriter.write_frame.__closure__ if hasattr(c.cell_contents, "ring"))


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
        sink().ring.audio(bytes(4800), 44100, 2)
        sink().ring.audio(bytes(4800), 48000, 2)
