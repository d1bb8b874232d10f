"""Reads the execution role's temporary key from the environment.

SCF replaces the key while an instance lives, so it is read at each use and never stored. The SDK's
own provider reads other variables and no token.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aigc.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable


def role_credentials() -> tuple[str, str, str]:
    """Return secret id, secret key and session token.

    Raises:
        SettingsError: The function has no execution role.
    """
    try:
        return (
            os.environ["TENCENTCLOUD_SECRETID"],
            os.environ["TENCENTCLOUD_SECRETKEY"],
            os.environ["TENCENTCLOUD_SESSIONTOKEN"],
        )
    except KeyError as error:
        raise SettingsError(
            f"{error.args[0]} is not set: the function runs without an execution role"
        ) from None


class CurrentCredential:
    """Credential for the SDK's clients, which read it each time they sign a request."""

    def __init__(self, credentials: Callable[[], tuple[str, str, str | None]]) -> None:
        self._credentials = credentials

    def get_credential_info(self) -> tuple[str, str, str | None]:
        """Return secret id, secret key and session token."""
        return self._credentials()
