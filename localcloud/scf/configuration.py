"""A function's configuration, with the API's rules and defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.core import ApiError

NAME = re.compile(r"[A-Za-z][\w:-]{0,58}[A-Za-z0-9]", re.ASCII)
HANDLER = re.compile(r"[\w-]{2,60}\.[\w-]{2,60}", re.ASCII)
DESCRIPTION = re.compile(r"[A-Za-z0-9 ,.\n\u3400-\u9fff\uff0c\u3002\u3001]{0,1000}")
"""The documented characters: letters, digits, space, comma, period, line break, Chinese."""
RUNTIMES = ("Python3.9", "Python3.10")
RESERVED = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")
MAX_ENVIRONMENT = 4096
MAX_TIMEOUT = 900
MIN_INIT_TIMEOUT, MAX_INIT_TIMEOUT = 3, 300
MEMORY_SIZES = (64, *range(128, 3073, 128))

_FIELDS = {
    "Handler": "handler",
    "Description": "description",
    "MemorySize": "memory_mb",
    "Timeout": "timeout_s",
    "InitTimeout": "init_timeout_s",
    "Runtime": "runtime",
    "Role": "role",
    "ClsLogsetId": "cls_logset_id",
    "ClsTopicId": "cls_topic_id",
    "L5Enable": "l5_enable",
}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The settings of a function; the defaults are the API's."""

    name: str
    namespace: str = "default"
    handler: str
    runtime: str
    description: str = ""
    memory_mb: int = 128
    timeout_s: int = 3
    init_timeout_s: int = 65
    role: str = ""
    cls_logset_id: str = ""
    cls_topic_id: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    l5_enable: str = "FALSE"
    public_net: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, params: dict[str, Any]) -> Configuration:
        """Return the configuration in the parameters of CreateFunction.

        Raises:
            ApiError: A parameter is missing or not allowed.
        """
        if params.get("Type", "Event") != "Event":
            raise ApiError(
                "UnsupportedOperation", f"Type is {params['Type']}: the local cloud runs Event only"
            )
        if "Runtime" not in params:
            raise ApiError("MissingParameter.Runtime", "Runtime is required")
        if "Handler" not in params:
            raise ApiError("InvalidParameterValue.Handler", "Handler is required")
        initial = cls(
            name=params["FunctionName"],
            namespace=params.get("Namespace", "default"),
            handler=params["Handler"],
            runtime=params["Runtime"],
        )
        return initial.update(params)

    def update(self, params: dict[str, Any]) -> Configuration:
        """Return a copy with these parameters; settings without a parameter do not change.

        Raises:
            ApiError: A parameter is not allowed.
        """
        changes = {name: params[field] for field, name in _FIELDS.items() if field in params}
        if "Environment" in params:
            changes["environment"] = _environment(params["Environment"])
        if "PublicNetConfig" in params:
            changes["public_net"] = params["PublicNetConfig"]
        updated = replace(self, **changes)
        updated.check()
        return updated

    def check(self) -> None:
        """Check the settings against the service's rules.

        Raises:
            ApiError: A value is not allowed; the code and the message name it.
        """
        _require(
            NAME.fullmatch(self.name),
            *("InvalidParameterValue.FunctionName", "FunctionName", self.name),
            "2 to 60 letters, digits, '-', '_', ':'; first a letter, last a letter or digit",
        )
        _require(
            HANDLER.fullmatch(self.handler),
            *("InvalidParameterValue.Handler", "Handler", self.handler),
            "file.function, each of 2 to 60 letters, digits, '-', '_'",
        )
        _require(
            self.runtime in RUNTIMES,
            *("InvalidParameterValue.Runtime", "Runtime", self.runtime),
            ", ".join(RUNTIMES) + " on the local cloud",
        )
        _require(
            DESCRIPTION.fullmatch(self.description),
            *("InvalidParameterValue.Description", "Description", repr(self.description)),
            "at most 1000 letters, digits, spaces, commas, periods, line breaks, Chinese",
        )
        self._check_limits()

    def _check_limits(self) -> None:
        _require(
            self.memory_mb in MEMORY_SIZES,
            *("InvalidParameterValue.MemorySize", "MemorySize", self.memory_mb),
            "64, or 128 to 3072 in steps of 128",
        )
        _require(
            1 <= self.timeout_s <= MAX_TIMEOUT,
            *("LimitExceeded.Timeout", "Timeout", self.timeout_s),
            f"1 to {MAX_TIMEOUT} seconds",
        )
        _require(
            MIN_INIT_TIMEOUT <= self.init_timeout_s <= MAX_INIT_TIMEOUT,
            *("LimitExceeded.InitTimeout", "InitTimeout", self.init_timeout_s),
            f"{MIN_INIT_TIMEOUT} to {MAX_INIT_TIMEOUT} seconds",
        )

    def describe(self) -> dict[str, Any]:
        """Return the fields of GetFunction, including all fields that the provider reads."""
        variables = [{"Key": key, "Value": value} for key, value in self.environment.items()]
        status = self.public_net.get("PublicNetStatus", "ENABLE")
        eip = self.public_net.get("EipConfig", {}).get("EipStatus", "DISABLE")
        return {
            **{field: getattr(self, name) for field, name in _FIELDS.items()},
            "FunctionName": self.name,
            "Namespace": self.namespace,
            "Environment": {"Variables": variables},
            "PublicNetConfig": {
                "PublicNetStatus": status,
                "EipConfig": {"EipStatus": eip, "EipAddress": []},
            },
            "Type": "Event",
            "VpcConfig": {"VpcId": "", "SubnetId": ""},
            "InstallDependency": "FALSE",
            "AsyncRunEnable": "FALSE",
            "TraceEnable": "FALSE",
            "DnsCache": "FALSE",
            "EipConfig": {"EipFixed": "FALSE", "Eips": []},
            "AccessInfo": {"Host": "", "Vip": ""},
            "Layers": [],
        }


def _environment(environment: dict[str, Any]) -> dict[str, str]:
    # To remove all variables, the provider sends a single variable without a name.
    variables = {
        variable["Key"]: variable.get("Value", "")
        for variable in environment.get("Variables") or []
        if variable.get("Key")
    }
    for key in variables:
        _require(
            not key.startswith(RESERVED),
            *("InvalidParameterValue.EnvironmentSystemProtect", "Environment", key),
            f"any name that does not start with {', '.join(RESERVED)}",
        )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in variables.items())
    _require(
        size <= MAX_ENVIRONMENT,
        *("InvalidParameterValue.EnvironmentExceededLimit", "Environment", f"{size} bytes"),
        f"at most {MAX_ENVIRONMENT} bytes of names and values",
    )
    return variables


def _require(condition: object, code: str, name: str, value: object, allowed: str) -> None:
    if not condition:
        raise ApiError(code, f"{name} is {value}; allowed: {allowed}")
