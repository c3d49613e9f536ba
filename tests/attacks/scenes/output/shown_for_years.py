"""One frame that is shown two thousand million times."""
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
        sink().ring.frame(np.zeros((72, 128, 4), np.uint8), 2**31 - 1)
