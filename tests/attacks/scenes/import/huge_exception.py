"""An exception of a hundred megabytes, with characters that no terminal should see."""
# expect: scene_error memory_limit
# job: timeout_s=20
# tries: no
raise ValueError("\x1b[2J\u202e" * (10 << 20))
