"""An exception that says to come from a file outside, so that its lines are shown."""
# expect: scene_error
# prepare: files
# tries: no
from attack import *

path = TARGETS["secret"]
exec(compile("\n" * 3 + "raise ValueError", path, "exec"))
