"""Settings of the functions, from the environment variables that `infra` sets."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator

from aigc.errors import AigcError
from aigc.robots import Robot
from aigc.signing import secret_bytes
from aigc.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "AIGC_"

OVERDUE_AFTER_S = 600
"""Default of `overdue_after_s` for each kind."""

RESULT_HOST = r"^\.?([a-z0-9_-]{1,63}\.)+[a-z]{2,}$"
"""A host with at least two labels; with a leading dot, all hosts below it."""


class SettingsError(AigcError):
    """A setting is missing or wrong: the deployment is faulty."""


class Settings(Wire):
    """The configuration of all three functions.

    Each field is the environment variable `AIGC_<FIELD>`. Values that are not strings are JSON.
    """

    region: str = Field(pattern=r"^[a-z]{2,}-[a-z0-9-]+$")
    site: Literal["cn", "intl"] = "cn"
    protocol: Literal["https", "http"] = "https"
    sub_app_id: int = Field(gt=0)
    inbox_bucket: str
    results_bucket: str
    results_prefix: str = ""
    """Folder of the results bucket, with a slash at its end; nothing is written outside it."""
    ledger_bucket: str
    input_buckets: tuple[str, ...] = ()
    """Buckets whose objects callers may use as inputs (`cos://<bucket>/<key>`)."""
    inbox_since: datetime | None = None
    """The reconciliation processes uploads from this time on; None: since their rule exists."""
    result_hosts: tuple[Annotated[str, Field(pattern=RESULT_HOST)], ...] = ()
    """Further hosts that results may be downloaded from; with a leading dot, all hosts below it."""
    previews: Literal["cos", "none"] = "cos"
    """Whether lists of images have URLs of smaller versions, which COS makes when they are read."""
    results_url: str = ""
    """Base URL (a custom domain) for reading the results bucket; empty: the domain of COS."""
    inbox_url: str = ""
    """Base URL (a custom domain) for uploads into the inbox by links; empty: the domain of COS."""
    public_docs: bool = True
    """Whether `/openapi.json` and `/docs` are sent; otherwise they do not exist."""
    console: bool = True
    """Whether `/console` is sent; otherwise it does not exist."""
    public_url: str = ""
    """Base URL of the API; empty: derived from the Host header."""
    api_keys: dict[str, str]
    """Name of each key → SHA-256 of the key, in hex."""
    callback_key: SecretStr
    """Secret that authenticates VOD callbacks, in the URL's path or as SignKey."""
    lanes: dict[str, int]
    """Task kind → number of tasks that may run at once."""
    lease_s: float = Field(gt=0)
    """Lease in seconds, longer than any function may run: after it, the holder is dead."""
    retry_base_s: float = Field(default=15, gt=0)
    """First wait before a job is retried after the vendor had no capacity; doubles each time."""
    unknown_after_s: float = Field(default=1800, gt=0)
    """Seconds after which a submission without an answer is given up."""
    reconcile_after_s: float = Field(default=180, ge=0)
    """Seconds after an upload in which only its event processes it."""
    overdue_after_s: dict[str, float] = Field(default={})
    """Task kind → seconds after which a task without an end is overdue; see `overdue_after`."""
    labels: Literal["none", "metadata", "visible"] = "metadata"
    """Labels of generated images: metadata inside the file, and the vendor's visible logo too."""
    content_producer: str = Field(default="", max_length=100)
    """Name or code of the service in the labels; empty: made of the account's APPID."""
    webhook_secrets: tuple[SecretStr, ...] = ()
    """Secrets (`whsec_…`) that sign webhooks; without one, webhooks are refused."""
    webhook_http: bool = False
    """Whether webhooks may use plain http."""
    webhook_networks: tuple[str, ...] = ()
    """Private networks that webhooks may reach, for example `10.0.0.0/8`."""
    robots: tuple[Robot, ...] = ()
    """Chat robots that report ended jobs."""
    poll_interval_s: float = Field(default=2, ge=0)
    """Shortest time in seconds between two queries of one instance for the same job."""

    @field_validator(
        *("api_keys", "lanes", "overdue_after_s", "input_buckets", "result_hosts"),
        *("webhook_secrets", "webhook_networks", "robots"),
        mode="before",
    )
    @classmethod
    def _from_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("inbox_since", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("inbox_since")
    @classmethod
    def _has_time_zone(cls, since: datetime | None) -> datetime | None:
        if since is not None and since.tzinfo is None:
            raise ValueError("a time without its zone; allowed: 2026-11-28T00:00:00+08:00")
        return since

    @field_validator("content_producer", mode="before")
    @classmethod
    def _from_json_string(cls, value: object) -> object:
        # JSON keeps it ASCII: whether SCF accepts other characters is not documented.
        if isinstance(value, str) and value.startswith('"'):
            return json.loads(value)
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _can_sign(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            secret_bytes(secret.get_secret_value())
        return secrets

    def overdue_after(self, kind: str) -> float:
        """Return the seconds after which a task of this kind is overdue; its slot is released.

        An image takes 13 to 40 s in published tests; the vendor documents no limit.
        """
        return self.overdue_after_s.get(kind, OVERDUE_AFTER_S)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the environment of the process.

        Raises:
            SettingsError: A variable is missing or wrong. The message does not contain its value.
        """
        environment = os.environ if environment is None else environment
        raw_settings = {
            name: environment[variable]
            for name in cls.model_fields
            if (variable := PREFIX + name.upper()) in environment
        }
        try:
            return cls.model_validate(raw_settings)
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
