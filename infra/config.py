"""The stack's configuration, read and checked once, before anything is created."""

from __future__ import annotations

import difflib
import json
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pulumi
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel

from aigc.object_keys import LONGEST_RESULTS_PREFIX
from aigc.robots import Robot
from aigc.settings import OVERDUE_AFTER_S, RESULT_HOST
from aigc.signing import secret_bytes
from infra.schedule import check_schedule

ROOT = Path(__file__).parents[1]
SECRETS = frozenset({"apiKeys", "callbackKey", "robots", "webhookSecrets"})
EMPTY = frozenset({"", "{}", "[]"})
"""Values that hold no secret, as Pulumi writes the defaults of Pulumi.yaml."""
NOT_OWN = {
    "region": "tencentcloud:region",
    "protocol": "tencentcloud:protocol",
    "stack": "namePrefix",
}
"""Fields that no key of this project sets → the key that is probably meant."""
KINDS = ("vod.image", "vod.scene_image", "mps.image")
ANY_ORIGIN = "*"
"""The origin that matches all."""

_BUCKET = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9]{10}$"
_PREFIX = r"^([a-z][a-z0-9-]{0,28}-)?$"
_ORIGIN = r"^(\*|https?://[^/\s]+)$"
STACK_NAME = "{stack}"
"""The placeholder of the stack's name in `namePrefix`."""


class StackConfigError(pulumi.RunError):
    """A value of the configuration cannot be used; the message names it and what is allowed."""


class StackConfig(BaseModel):
    """All keys of `pulumi config`; each description says what is allowed."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    region: str = Field(pattern=r"^[a-z]{2,}-[a-z0-9-]+$", description="a region: ap-guangzhou")
    protocol: Literal["https", "http"] = Field("https", description="https or http")
    stack: str = Field(description="the stack's name")
    # SCF accepts 4 KB of environment, and each key needs 64 characters and its name.
    api_keys: dict[str, str] = Field(
        {},
        max_length=20,
        description="an object of at most 20 names and SHA-256 digests in lower-case hex",
    )
    callback_key: SecretStr = Field(description="16 to 32 letters and digits")
    app_id: str | None = Field(None, pattern=r"^[0-9]{10}$", description="10 digits")
    site: Literal["cn", "intl"] = Field("cn", description="cn or intl")
    name_prefix: str = Field(
        f"aigc-{STACK_NAME}-",
        validate_default=True,
        description="empty, or lower-case letters, digits and '-', ending in '-', at most 30",
    )
    tags: dict[str, str] = Field(
        {},
        max_length=10,
        description="an object of at most 10 tags, each a string: `pulumi config set --type string"
        """ --path 'tags["name"]' 2026` for a number""",
    )
    inbox_bucket: str | None = Field(None, pattern=_BUCKET, description="a bucket with its APPID")
    inbox_since: AwareDatetime | None = Field(
        None, description="a time with its zone, like 2026-11-28T00:00:00+08:00"
    )
    results_bucket: str | None = Field(None, pattern=_BUCKET, description="a bucket with its APPID")
    input_buckets: tuple[Annotated[str, Field(pattern=_BUCKET)], ...] = Field(
        (), max_length=5, description="a list of at most 5 buckets with their APPID"
    )
    results_prefix: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*/)*$",
        max_length=LONGEST_RESULTS_PREFIX,
        description="empty, or folders like aigc/results/: letters, digits, '.', '_', '-', each"
        f" folder beginning with a letter or digit, '/' at the end, at most"
        f" {LONGEST_RESULTS_PREFIX} characters",
    )
    sub_app_id: int | None = Field(None, gt=0, description="a VOD application's number")
    lanes: dict[str, int] = Field(
        {"vod.image": 1, "vod.scene_image": 1, "mps.image": 4},
        description=f"an object of {', '.join(KINDS)} and numbers from 1",
    )
    # SCF also has 64 MB, but the provider refuses that.
    memory: int = Field(
        256, ge=128, le=3072, multiple_of=128, description="128 to 3072 in steps of 128"
    )
    timeout: int = Field(60, ge=10, le=900, description="10 to 900 seconds")
    reserved_concurrency: int | None = Field(
        None, description="megabytes, a multiple of 128, not less than memory"
    )
    gateway_concurrency: int | None = Field(
        25600, description="empty, or megabytes, a multiple of 128, not less than memory"
    )
    async_retries: int = Field(2, ge=0, le=2, description="0 to 2")
    event_age: int = Field(21600, ge=60, le=21600, description="60 to 21600 seconds")
    endpoint: Literal["function-url", "api-gateway"] = Field(
        "function-url", description="function-url or api-gateway"
    )
    cors_origins: tuple[str, ...] = Field(
        (ANY_ORIGIN,),
        description="a list of origins like https://example.com; for api-gateway empty or ['*']",
    )
    callback_mode: Literal["push", "none"] = Field("push", description="push or none")
    logs: bool = Field(True, description="true or false")  # noqa: FBT003  its default
    log_retention: int = Field(30, ge=1, le=3600, description="1 to 3600 days")
    alarm_receivers: tuple[int, ...] = Field((), description="a list of UIDs of CAM users")
    retry_base: float = Field(15, gt=0, description="seconds, more than 0")
    unknown_after: float = Field(1800, gt=0, description="seconds, more than 0")
    overdue_after: dict[str, float] = Field(
        dict.fromkeys(KINDS, float(OVERDUE_AFTER_S)),
        description=f"an object of {', '.join(KINDS)} and seconds, more than 0",
    )
    poll_interval: float = Field(2, ge=0, description="seconds, 0 or more")
    reconcile_after: float = Field(180, ge=0, description="seconds, 0 or more")
    labels: Literal["none", "metadata", "visible"] = Field(
        "metadata", description="none, metadata or visible"
    )
    content_producer: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f-\x9f]{0,100}$",
        description="at most 100 characters without control characters",
    )
    webhook_secrets: tuple[str, ...] = Field(
        (),
        max_length=3,
        description="a list of at most 3, whsec_ and then 24 to 64 bytes in Base64",
    )
    webhook_http: bool = Field(False, description="true or false")  # noqa: FBT003  its default
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), max_length=10, description="a list of at most 10 networks like 10.1.0.0/16"
    )
    robots: tuple[Robot, ...] = Field(
        (),
        max_length=3,
        description="a list of at most 3 objects with kind (wecom, feishu or dingtalk), url (https,"
        " at most 256 characters) and, if need be, secret, jobs (none, failed or all) and alarms"
        " (true or false)",
    )
    result_hosts: tuple[Annotated[str, Field(pattern=RESULT_HOST)], ...] = Field(
        (),
        max_length=10,
        description="a list of at most 10 hosts like images.example.com, or .example.com for all"
        " hosts below it",
    )
    results_url: str = Field("", pattern=r"^(https?://\S+)?$", description="empty, or a URL")
    previews: Literal["cos", "none"] = Field("cos", description="cos or none")
    inbox_url: str = Field("", pattern=r"^(https?://\S+)?$", description="empty, or a URL")
    public_docs: bool = Field(True, description="true or false")  # noqa: FBT003  its default
    console: bool = Field(True, description="true or false")  # noqa: FBT003  its default
    public_url: str = Field("", pattern=r"^(https?://\S+)?$", description="empty, or a URL")
    mps_role: Literal["existing", "create", "import", "skip"] = Field(
        "existing", description="existing, create, import or skip"
    )
    sweep_schedule: str = Field(
        "0 */1 * * * * *",
        description="a cron expression of 7 fields: second 0-59, minute 0-59, hour 0-23, day 1-31,"
        " month 1-12 or JAN-DEC, weekday 0-6 or SUN-SAT, year 1970-2099; each *, a number, a-b,"
        " */n or a-b/n, or several of them with commas",
    )
    package_path: str | None = Field(None, description="the path of a zip that exists")

    @classmethod
    def load(cls) -> StackConfig:
        """Read the configuration of the stack that is being deployed.

        Raises:
            StackConfigError: A key is missing or its value is not allowed.
        """
        provider = pulumi.Config("tencentcloud")
        values: dict[str, Any] = {
            "region": provider.require("region"),
            "protocol": (provider.get("protocol") or "https").lower(),
            "stack": pulumi.get_stack(),
        }
        values |= _configured()
        _check_encrypted(values)
        return cls.parse(values)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> StackConfig:
        """Check values; numbers and objects are the strings that Pulumi keeps.

        Raises:
            StackConfigError: A key is missing or its value is not allowed.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            # A network is tried as IPv4 and as IPv6, and both attempts report the same value.
            messages = dict.fromkeys(map(_explain, error.errors()))
            raise StackConfigError("; ".join(messages)) from None

    @field_validator(
        *("app_id", "inbox_bucket", "results_bucket", "sub_app_id", "reserved_concurrency"),
        *("gateway_concurrency", "package_path", "inbox_since"),
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        # Pulumi requires a default of each optional key: an empty string means that it is not set.
        return None if value == "" else value

    @field_validator(
        *("api_keys", "lanes", "tags", "cors_origins", "alarm_receivers", "input_buckets"),
        *("overdue_after", "webhook_secrets", "webhook_networks", "result_hosts", "robots"),
        mode="before",
    )
    @classmethod
    def _from_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _are_digests(cls, keys: dict[str, str]) -> dict[str, str]:
        if not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in keys.values()):
            raise ValueError("not a digest")
        return keys

    @field_validator("callback_key")
    @classmethod
    def _is_sign_key(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9]{16,32}", key.get_secret_value()):
            raise ValueError("not such a key")
        return key

    @field_validator("webhook_secrets")
    @classmethod
    def _can_sign(cls, secrets: tuple[str, ...]) -> tuple[str, ...]:
        for secret in secrets:
            secret_bytes(secret)
        return secrets

    @field_validator("robots")
    @classmethod
    def _are_reachable(cls, robots: tuple[Robot, ...], info: Any) -> tuple[Robot, ...]:  # noqa: ANN401  pydantic's ValidationInfo
        begin = ("https://", "http://") if info.data.get("webhook_http") else ("https://",)
        urls = [robot.url.get_secret_value() for robot in robots]
        if not all(url.startswith(begin) for url in urls) or len(set(urls)) < len(urls):
            raise ValueError("not such robots")
        return robots

    @field_validator("lanes")
    @classmethod
    def _are_limits(cls, lanes: dict[str, int]) -> dict[str, int]:
        if lanes.keys() - set(KINDS) or any(limit < 1 for limit in lanes.values()):
            raise ValueError("not such lanes")
        return {**cls.model_fields["lanes"].default, **lanes}

    @field_validator("overdue_after")
    @classmethod
    def _are_seconds(cls, seconds: dict[str, float]) -> dict[str, float]:
        if seconds.keys() - set(KINDS) or not all(value > 0 for value in seconds.values()):
            raise ValueError("not such seconds")
        return {**cls.model_fields["overdue_after"].default, **seconds}

    @field_validator("sweep_schedule")
    @classmethod
    def _is_schedule(cls, expression: str) -> str:
        check_schedule(expression)
        return expression

    @field_validator("name_prefix")
    @classmethod
    def _makes_names(cls, prefix: str, info: Any) -> str:  # noqa: ANN401  pydantic's ValidationInfo
        expanded = prefix.replace(STACK_NAME, info.data["stack"])
        if not re.match(_PREFIX, expanded):
            allowed = cls.model_fields["name_prefix"].description
            value = repr(prefix) if expanded == prefix else f"{prefix!r}, which makes {expanded!r}"
            raise StackConfigError(f"namePrefix is {value}; allowed: {allowed}")
        return expanded

    @field_validator("reserved_concurrency", "gateway_concurrency")
    @classmethod
    def _holds_an_instance(cls, reserved: int | None, info: Any) -> int | None:  # noqa: ANN401  pydantic's ValidationInfo
        if reserved is not None and (reserved % 128 or reserved < info.data.get("memory", 0)):
            raise ValueError("no instance fits")
        return reserved

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...], info: Any) -> tuple[str, ...]:  # noqa: ANN401  pydantic's ValidationInfo
        # API Gateway allows all origins or none.
        lists_origins = info.data.get("endpoint") == "api-gateway" and origins not in {
            (),
            (ANY_ORIGIN,),
        }
        if lists_origins or not all(re.fullmatch(_ORIGIN, origin) for origin in origins):
            raise ValueError("not such origins")
        return origins

    @field_validator("results_bucket")
    @classmethod
    def _is_not_the_inbox(cls, bucket: str | None, info: Any) -> str | None:  # noqa: ANN401  pydantic's ValidationInfo
        if bucket is not None and bucket == info.data.get("inbox_bucket"):
            raise ValueError("the inbox itself: results would be uploads again")
        return bucket

    def bucket(self, role: str, app_id: str) -> str:
        """Return the name of a bucket that this stack creates."""
        return f"{self.name_prefix}{role}-{app_id}"

    def check_buckets(self, app_id: str) -> None:
        """Check the existing buckets against the account.

        Raises:
            StackConfigError: A bucket is another account's, or has another role in this stack.
        """
        own = {role: self.bucket(role, app_id) for role in ("inbox", "results", "ledger")}
        for role, bucket in (("inbox", self.inbox_bucket), ("results", self.results_bucket)):
            others = [name for other, name in own.items() if other != role]
            if bucket is not None and (bucket in others or not bucket.endswith(f"-{app_id}")):
                raise StackConfigError(
                    f"{role}Bucket is {bucket!r}; allowed: a bucket of the account {app_id}"
                    f" that is neither {' nor '.join(others)}"
                )
        for bucket in self.input_buckets:
            if bucket == own["ledger"] or not bucket.endswith(f"-{app_id}"):
                raise StackConfigError(
                    f"inputBuckets names {bucket!r}; allowed: buckets of the account {app_id},"
                    " but never the ledger"
                )

    @property
    def alarm_robots(self) -> tuple[Robot, ...]:
        """The robots that alarms are sent to."""
        return tuple(robot for robot in self.robots if robot.alarms)

    def reservation(self, function: str) -> int | None:
        """Return the megabytes that all instances of a function may use together; None: no limit.

        Anybody can call the gateway. Its own limit leaves room for the other functions.
        """
        limits = [self.reserved_concurrency]
        if function == "gateway":
            limits.append(self.gateway_concurrency)
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def bucket_origins(self) -> tuple[str, ...]:
        """The origins whose pages may use presigned links: with an own domain also the console."""
        origins = self.cors_origins
        if not (self.console and self.public_url) or ANY_ORIGIN in origins:
            return origins
        own = urlsplit(self.public_url)
        return tuple(dict.fromkeys((*origins, f"{own.scheme}://{own.netloc}")))

    @property
    def package(self) -> Path:
        """The functions' zip.

        Raises:
            StackConfigError: There is no zip, or more than one.
        """
        if self.package_path is not None:
            path = ROOT / self.package_path
            zips = [path] if path.is_file() else []
        else:
            zips = sorted((ROOT / "dist").glob("aigc-functions-*.zip"))
        if len(zips) != 1:
            names = ", ".join(path.name for path in zips) or "nothing"
            raise StackConfigError(
                f"packagePath: found {names}; allowed: the path of one zip, as `make package` makes"
            )
        return zips[0]


def _configured() -> dict[str, str]:
    """Read every value of the stack's configuration, those with unknown keys included.

    Raises:
        StackConfigError: A key that belongs to the provider or to Pulumi is set for this project.
    """
    prefix = f"{pulumi.get_project()}:"
    config = {**pulumi.runtime.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    values = {
        name.removeprefix(prefix): value
        for name, value in config.items()
        if name.startswith(prefix)
    }
    for key in sorted(values.keys() & NOT_OWN.keys()):
        raise StackConfigError(_unknown_key(key))
    return values


def _check_encrypted(values: dict[str, Any]) -> None:
    """Refuse secrets in plain text, which Pulumi.<stack>.yaml would show.

    Pulumi.yaml cannot demand it: the CLI refuses `secret: true` beside a default.

    Raises:
        StackConfigError: A secret value is not encrypted.
    """
    for key in sorted(SECRETS & values.keys()):
        is_encrypted = pulumi.runtime.is_config_secret(f"{pulumi.get_project()}:{key}")
        if values[key] not in EMPTY and not is_encrypted:
            raise StackConfigError(
                f"{key} is in plain text in the stack's settings; allowed: a value set with `pulumi"
                f" config set --secret`; remove it first: `pulumi config rm {key}`"
            )


def _unknown_key(key: str) -> str:
    known = [str(field.alias) for field in StackConfig.model_fields.values()]
    known = [name for name in known if name not in NOT_OWN] + sorted(NOT_OWN.values())
    similar = difflib.get_close_matches(NOT_OWN.get(key, key), known, n=1)
    meant = f"; did you mean {similar[0]}?" if similar else ";"
    return f"{key} is not a configuration key{meant} `pulumi config rm {key}` removes it"


def _explain(error: Any) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    key = str(error["loc"][0])
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        return _unknown_key(key)
    description = next(
        str(field.description) for field in StackConfig.model_fields.values() if field.alias == key
    )
    if error["type"] == "missing":
        return f"{key} is missing; allowed: {description}"
    value = "not as it must be" if key in SECRETS else repr(error["input"])
    return f"{key} is {value}; allowed: {description}"
