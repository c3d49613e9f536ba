"""Ends the interpreter while it is imported, as if all were well."""
# expect: scene_error
# tries: no
import os

os._exit(0)
