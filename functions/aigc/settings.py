"""What the functions are told by their environment: exactly what `infra` passes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator

from aigc.errors import AigcError
from aigc.signing import secret_bytes
from aigc.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "AIGC_"


class SettingsError(AigcError):
    """The environment lacks a setting or holds a wrong one: the deployment is faulty."""


class Settings(Wire):
    """The configuration of all three functions.

    Each field is the environment variable `AIGC_<FIELD>`; what is not a string there is JSON.
    """

    region: str = Field(pattern=r"^[a-z]{2,}-[a-z0-9-]+$")
    site: Literal["cn", "intl"] = "cn"
    protocol: Literal["https", "http"] = "https"
    sub_app_id: int = Field(gt=0)
    inbox_bucket: str
    results_bucket: str
    ledger_bucket: str
    input_buckets: tuple[str, ...] = ()
    """Buckets whose objects callers may name as inputs, `cos://<bucket>/<key>`."""
    results_url: str = ""
    """Base URL under which callers read the results bucket (a custom domain); empty: COS's own."""
    public_url: str = ""
    """Base URL of the API where the Host header does not tell it; empty: derived."""
    api_keys: dict[str, str]
    """Name of each key → SHA-256 of the key, in hex."""
    callback_key: SecretStr
    """What a VOD callback proves itself with: in the URL's path, or as SignKey."""
    lanes: dict[str, int]
    """Task kind → most tasks at once."""
    lease_s: float = Field(gt=0)
    """Longer than any function may run: whoever holds a job longer than this is dead."""
    retry_base_s: float = Field(default=15, gt=0)
    """First wait before a job that found no room upstream is tried again; doubles each time."""
    unknown_after_s: float = Field(default=1800, gt=0)
    """How long a submission without any answer may stay unexplained before it is given up."""
    labels: Literal["none", "metadata", "visible"] = "metadata"
    """Labels of generated pictures: metadata inside the file, and the vendor's visible logo too."""
    content_producer: str = Field(default="", max_length=100)
    """Name or code of the service in the labels; empty: made of the account's APPID."""
    webhook_secrets: tuple[SecretStr, ...] = ()
    """What webhooks are signed with, `whsec_…`; none, no webhooks."""
    webhook_http: bool = False
    """Whether webhooks may go over plain http."""
    webhook_networks: tuple[str, ...] = ()
    """Networks beside the public internet that webhooks may go to, `10.0.0.0/8` for instance."""
    poll_interval_s: float = Field(default=2, ge=0)
    """Least time between two upstream queries about one job by one instance."""

    @field_validator(
        *("api_keys", "lanes", "input_buckets", "webhook_secrets", "webhook_networks"),
        mode="before",
    )
    @classmethod
    def _from_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("webhook_secrets")
    @classmethod
    def _can_sign(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            secret_bytes(secret.get_secret_value())
        return secrets

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the process's environment.

        Raises:
            SettingsError: A variable is missing or wrong; it is named, its value is not.
        """
        environment = os.environ if environment is None else environment
        given = {
            name: environment[variable]
            for name in cls.model_fields
            if (variable := PREFIX + name.upper()) in environment
        }
        try:
            return cls.model_validate(given)
        except (ValidationError, ValueError) as error:
            raise SettingsError(_explain(error)) from None


def _explain(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return "a setting is not JSON"
    faults = (
        f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False)
    )
    return "the function's environment is not usable: " + "; ".join(faults)
