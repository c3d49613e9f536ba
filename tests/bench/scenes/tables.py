"""A table, a graph of vertices and edges, axes with a plotted area, code."""

from manim import (
    DOWN,
    LEFT,
    RIGHT,
    YELLOW,
    Axes,
    Create,
    FadeOut,
    Graph,
    Indicate,
    IntegerTable,
    Scene,
    Write,
)


class Tables(Scene):
    """Structures that are made of many parts."""

    def construct(self) -> None:
        """Play the scene."""
        table = IntegerTable([[2, 7, 6], [9, 5, 1], [4, 3, 8]], include_outer_lines=True)
        table.scale(0.6).to_edge(LEFT)
        self.play(table.create(), run_time=0.8)
        self.play(Indicate(table.get_entries((2, 2)), color=YELLOW), run_time=0.4)
        graph = Graph([1, 2, 3, 4, 5], [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1), (1, 3)], layout="circular")
        graph.scale(0.8).to_edge(RIGHT)
        self.play(Create(graph), run_time=0.6)
        self.play(graph[1].animate.shift(0.5 * DOWN), run_time=0.4)
        self.play(FadeOut(table), FadeOut(graph), run_time=0.3)
        axes = Axes(x_range=(0, 3, 1), y_range=(0, 9, 3), x_length=6, y_length=4)
        plot = axes.plot(lambda x: x * x, color=YELLOW)
        area = axes.get_area(plot, x_range=(1, 2), opacity=0.5)
        self.play(Write(axes), run_time=0.5)
        self.play(Create(plot), run_time=0.4)
        self.add(area)
        self.wait(0.2)
