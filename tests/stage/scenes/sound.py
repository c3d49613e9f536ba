import struct
import wave

from manim import *


def tone(path, hertz, seconds, rate=22050):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        for i in range(int(seconds * rate)):
            out.writeframes(struct.pack("<h", int(9000 * np.sin(TAU * hertz * i / rate))))


class Sound(Scene):
    def construct(self):
        tone("a.wav", 440, 0.3)
        tone("b.wav", 660, 0.5)
        self.add_sound("a.wav")
        self.play(Create(Square()), run_time=0.5, subcaption="a square", subcaption_duration=0.4)
        self.add_sound("b.wav", time_offset=0.1, gain=-3)
        self.add_subcaption("it waits", duration=0.5)
        self.wait(0.8)
