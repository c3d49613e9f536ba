"""Ends its video, says that it is done, and keeps its slot."""
# expect: scene_error
# tries: no, it is the outcome that shows
import time

from manim import *

from manim.scene.scene_file_writer import SceneFileWriter


def sink():
    """The harness's way out, which a scene can find."""
    return next(c.cell_contents for c in SceneFileWriter.write_frame.__closure__ if hasattr(c.cell_contents, "ring"))


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
        sink().ring.end()
        sink().progress.channel.say({"result": {"outcome": "completed"}})
        time.sleep(1000)
