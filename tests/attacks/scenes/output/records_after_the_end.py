"""Says that nothing follows, and goes on."""
# expect: completed output_invalid time_limit
# job: timeout_s=5
# tries: no
from manim import *

from manim.scene.scene_file_writer import SceneFileWriter


def sink():
    """The harness's way out, which a scene can find."""
    return next(c.cell_contents for c in SceneFileWriter.write_frame.__closure__ if hasattr(c.cell_contents, "ring"))


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
        sink().ring.end()
        for _ in range(20):
            sink().ring.frame(np.zeros((72, 128, 4), np.uint8), 1)
            sink().ring.flush()
        self.wait(0.1)
