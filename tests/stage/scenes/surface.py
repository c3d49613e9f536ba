from manim import *


class Surface3D(ThreeDScene):
    def construct(self):
        self.set_camera_orientation(phi=65 * DEGREES, theta=-50 * DEGREES)
        axes = ThreeDAxes(x_range=[-2, 2], y_range=[-2, 2], z_range=[-1, 1])
        surface = Surface(
            lambda u, v: axes.c2p(u, v, 0.5 * np.sin(2 * u) * np.cos(v)),
            u_range=[-2, 2],
            v_range=[-2, 2],
            resolution=(6, 6),
            fill_opacity=0.7,
        )
        label = Text("z", font_size=30)
        self.add_fixed_in_frame_mobjects(label)
        label.to_corner(UR)
        self.play(Create(axes), run_time=0.3)
        self.play(FadeIn(surface), run_time=0.3)
        self.begin_ambient_camera_rotation(rate=0.8)
        self.wait(0.5)
        self.stop_ambient_camera_rotation()
        self.move_camera(phi=30 * DEGREES, run_time=0.4)
