"""The settings that `aigc local --no-provision` prints pass the Pulumi CLI's own rules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from aigc_cli.local_pulumi import SECRET, settings
from tests.infra.cli_rules import stack_faults

PROJECT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.yaml").read_text())
CONFIG = {
    "apiKeys": json.dumps({"local": "0a" * 32}),
    "callbackKey": "c" * 32,
    "webhookSecrets": json.dumps([f"whsec_{'A' * 32}", f"whsec_{'B' * 32}"]),
    "webhookNetworks": json.dumps(["127.0.0.0/8", "10.0.0.0/8"]),
    "lanes": json.dumps({"vod.image": 2}),
    "webhookHttp": "true",
    "timeout": "30",
}


def as_the_cli_keeps(arguments: list[list[str]]) -> dict[str, Any]:
    """Read `pulumi config set` arguments as the CLI does: a path reaches into an object or list."""
    values: dict[str, Any] = {}
    for *options, path, value in arguments:
        key, _, place = path.removesuffix("]").partition("[")
        if "--path" not in options:
            values[key] = value
        elif place.startswith('"'):
            values.setdefault(key, {})[json.loads(place)] = typed(value)
        else:
            entries = values.setdefault(key, [])
            assert int(place) == len(entries)
            entries.append(typed(value))
    return values


def typed(value: str) -> object:
    """Read a value that was set by its path: the CLI recognises numbers and booleans."""
    return json.loads(value) if re.fullmatch(r"true|false|-?[1-9][0-9]*|0", value) else value


def test_settings_pass_the_rules_of_the_cli() -> None:
    values = as_the_cli_keeps(list(settings(CONFIG)))

    assert not list(stack_faults(PROJECT, values, SECRET))
    assert values["webhookNetworks"] == ["127.0.0.0/8", "10.0.0.0/8"]


def test_secret_is_never_set_in_plain_text() -> None:
    plain = {
        arguments[-2].partition("[")[0]
        for arguments in settings(CONFIG)
        if "--secret" not in arguments
    }

    assert plain == {"webhookNetworks", "lanes", "webhookHttp", "timeout"}
