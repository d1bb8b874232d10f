"""The time in signatures: COS and API 3.0 refuse a request whose time is minutes off.

The SDKs sign with the clock of the machine and have no setting for another one. So the name `time`
of their modules is replaced by an object that returns the time by COS.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qcloud_cos import cos_auth
from tencentcloud.common import abstract_client

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNING = (cos_auth, abstract_client)


class _Time:
    """The module `time`, but for the present moment."""

    def __init__(self, unix_seconds: Callable[[], float]) -> None:
        self.time = unix_seconds

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the module's
        return getattr(time, name)


def sign_by(unix_seconds: Callable[[], float]) -> None:
    """Let both SDKs sign with this time."""
    for module in SIGNING:
        module.time = _Time(unix_seconds)
