from manim import *


class Cameras(ZoomedScene):
    def __init__(self, **kwargs):
        super().__init__(zoom_factor=0.3, zoomed_display_height=2, zoomed_display_width=3, **kwargs)

    def construct(self):
        spiral = ParametricFunction(
            lambda t: 0.2 * t * np.array([np.cos(t), np.sin(t), 0]), t_range=[0, 12]
        )
        self.add(spiral)
        self.activate_zooming(animate=False)
        self.play(self.zoomed_camera.frame.animate.shift(UP), run_time=0.5)
        self.play(self.camera.frame.animate.scale(0.8).shift(LEFT), run_time=0.5)
        self.wait(0.2)
