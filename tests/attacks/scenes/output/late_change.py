"""Changes a frame's memory after it was handed over."""
# expect: completed output_invalid
# tries: no
from manim import *

from manim.scene.scene_file_writer import SceneFileWriter


def sink():
    """The harness's way out, which a scene can find."""
    return next(c.cell_contents for c in SceneFileWriter.write_frame.__closure__ if hasattr(c.cell_contents, "ring"))


class Attack(Scene):
    def construct(self):
        pixels = np.zeros((72, 128, 4), np.uint8)
        for _ in range(50):
            sink().ring.frame(pixels, 1)
            pixels[:] += 1
        self.wait(0.1)
