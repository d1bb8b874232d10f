"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples in each run, and none that fails because the machine was busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
