"""Fixtures of the stages' tests; each lives in the module that it is about."""

from __future__ import annotations

from box_tools import box, box_run  # noqa: F401
from rgw import rgw  # noqa: F401
from s3_stub import stub  # noqa: F401
from store_tools import driver  # noqa: F401
