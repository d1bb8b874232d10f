"""The execution role's temporary key, as SCF puts it into the environment.

SCF exchanges it while an instance lives, so it is read at each use and never kept. The SDK has
no provider for it: its own reads other variables and never a token.
"""

from __future__ import annotations

import os

from aigc.settings import SettingsError


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


class RoleCredential:
    """What the SDK's clients ask for a key each time they sign."""

    def get_credential_info(self) -> tuple[str, str, str]:
        """Return secret id, secret key and session token."""
        return role_credentials()
