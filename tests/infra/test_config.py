"""The stack's configuration: what is refused, and that Pulumi.yaml tells the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from infra.config import StackConfig, StackConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.conftest import Deployment

    Run = Callable[..., Deployment]

PROJECT = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.yaml").read_text())
NOT_CONFIGURED = {"region", "protocol", "stack"}  # Pulumi's own, and the provider's


def declared() -> dict[str, Any]:
    return {key: value for key, value in PROJECT["config"].items() if ":" not in key}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("appId", "125", "appId is '125'; allowed: 10 digits"),
        ("mpsRole", "maybe", "mpsRole is 'maybe'; allowed: existing, create, import or skip"),
        ("memory", "200", "memory is '200'; allowed: 64, or 128 to 3072 in steps of 128"),
        ("timeout", "901", "timeout is '901'; allowed: 10 to 900 seconds"),
        ("timeout", "long", "timeout is 'long'; allowed: 10 to 900 seconds"),
        ("lanes", '{"vod.movie": 1}', "lanes is .*; allowed: an object of vod.image, "),
        ("lanes", '{"vod.image": 0}', "lanes is .*; allowed: an object of vod.image, "),
        ("lanes", "many", "lanes is 'many'; allowed: an object"),
        ("inboxBucket", "inbox", "inboxBucket is 'inbox'; allowed: a bucket with its APPID"),
        ("sweepSchedule", "* * *", "sweepSchedule is .*; allowed: a cron expression of 7"),
        ("namePrefix", "Big-", "namePrefix is 'Big-'; allowed: empty, or lower-case"),
        ("publicUrl", "example.com", "publicUrl is 'example.com'; allowed: empty, or a URL"),
        ("site", "eu", "site is 'eu'; allowed: cn or intl"),
        ("packagePath", "dist/missing.zip", "packagePath: found nothing; allowed: "),
        ("tencentcloud:protocol", "ftp", "protocol is 'ftp'; allowed: https or http"),
    ],
)
def test_wrong_value_is_refused_by_name(
    given: dict[str, str], key: str, value: str, message: str
) -> None:
    config = {**given, "region": "ap-guangzhou", "stack": "dev"}

    with pytest.raises(StackConfigError, match=message):
        _ = StackConfig.parse({**config, key.rpartition(":")[2]: value}).package


@pytest.mark.parametrize(
    ("key", "value"), [("apiKeys", '{"me": "plain-text-key"}'), ("callbackKey", "short")]
)
def test_wrong_secret_is_refused_without_being_shown(
    given: dict[str, str], key: str, value: str
) -> None:
    with pytest.raises(StackConfigError) as caught:
        StackConfig.parse({**given, "region": "ap-guangzhou", "stack": "dev", key: value})

    assert str(caught.value).startswith(f"{key} is not as it must be; allowed: ")
    assert "plain-text-key" not in str(caught.value)


@pytest.mark.parametrize("key", ["apiKeys", "callbackKey"])
def test_missing_secret_is_named(given: dict[str, str], key: str) -> None:
    del given[key]

    with pytest.raises(StackConfigError, match=f"{key} is missing"):
        StackConfig.parse({**given, "region": "ap-guangzhou", "stack": "dev"})


def test_results_never_go_into_the_inbox(given: dict[str, str]) -> None:
    same = {"inboxBucket": "mine-1250000000", "resultsBucket": "mine-1250000000"}

    with pytest.raises(StackConfigError, match="resultsBucket is 'mine-1250000000'"):
        StackConfig.parse({**given, **same, "region": "ap-guangzhou", "stack": "dev"})


def test_project_file_declares_every_key_with_its_default() -> None:
    fields = {str(field.alias): field for field in StackConfig.model_fields.values()}

    assert set(declared()) == set(fields) - NOT_CONFIGURED
    for key, told in declared().items():
        default = None if fields[key].is_required() else fields[key].default
        # Pulumi knows no fractions: they are declared as strings.
        told_default = told.get("default")
        is_fraction = fields[key].annotation is float
        assert (float(told_default) if is_fraction else told_default) == default, key
        assert told["type"] in {"string", "integer", "boolean", "array", "object"}, key
        assert told["description"].endswith("."), key


def test_secret_keys_are_declared_as_secrets() -> None:
    assert {key for key, told in declared().items() if told.get("secret")} == {
        "apiKeys",
        "callbackKey",
    }
