"""Makes the SDKs sign with the time of COS.

COS and API 3.0 refuse a request if its time is wrong by minutes. The SDKs sign with the machine's
clock and have no setting for another clock. So the name `time` of their modules is replaced.
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
    """The module `time` with another function `time`."""

    def __init__(self, unix_seconds: Callable[[], float]) -> None:
        self.time = unix_seconds

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any attribute of the module
        return getattr(time, name)


def sign_by(unix_seconds: Callable[[], float]) -> None:
    """Make both SDKs sign with the time that this function returns."""
    for module in SIGNING:
        module.time = _Time(unix_seconds)
