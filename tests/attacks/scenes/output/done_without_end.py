"""Says that it is done and ends well, without the ring's END: nothing more will come."""
# expect: output_invalid
# tries: no
import os

from manim import *

from manim.scene.scene_file_writer import SceneFileWriter


def sink():
    """The harness's way out, which a scene can find."""
    return next(c.cell_contents for c in SceneFileWriter.write_frame.__closure__ if hasattr(c.cell_contents, "ring"))


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
        sink().progress.channel.say({"result": {"outcome": "completed"}})
        os._exit(0)
