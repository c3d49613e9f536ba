"""Never ends to be imported."""
# expect: time_limit
# job: timeout_s=2
# tries: no
from manim import *

while True:
    pass
