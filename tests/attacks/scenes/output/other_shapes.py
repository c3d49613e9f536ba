"""Hands over frames of other shapes than it announced."""
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
        for shape in ((36, 64, 4), (128, 72, 4), (1, 1, 4)):
            sink().ring.frame(np.zeros(shape, np.uint8), 1)
        self.wait(0.1)
