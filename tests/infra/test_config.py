"""The stack's configuration: the refused values, and the same declarations in Pulumi.yaml."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from infra.config import SECRETS, StackConfig, StackConfigError

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
        ("memory", "200", "memory is '200'; allowed: 128 to 3072 in steps of 128"),
        ("memory", "3200", "memory is '3200'; allowed: 128 to 3072 in steps of 128"),
        ("timeout", "901", "timeout is '901'; allowed: 10 to 900 seconds"),
        ("lanes", '{"vod.movie": 1}', "lanes is .*; allowed: an object of vod.image, "),
        ("lanes", '{"vod.image": 0}', "lanes is .*; allowed: an object of vod.image, "),
        ("overdueAfter", '{"vod.image": 0}', "overdueAfter is .*; allowed: an object of "),
        ("inboxBucket", "inbox", "inboxBucket is 'inbox'; allowed: a bucket with its APPID"),
        ("inboxSince", "2026-11-28", "inboxSince is '2026-11-28'; allowed: a time with its zone"),
        ("sweepSchedule", "* * *", "sweepSchedule is .*; allowed: a cron expression of 7"),
        ("sweepSchedule", "0 61 * * * * *", "sweepSchedule is .*61.*; allowed: a cron expression"),
        ("namePrefix", "Big-", "namePrefix is 'Big-'; allowed: empty, or lower-case"),
        ("publicUrl", "example.com", "publicUrl is 'example.com'; allowed: empty, or a URL"),
        ("site", "eu", "site is 'eu'; allowed: cn or intl"),
        ("tags", '["a"]', "tags is .*; allowed: an object of at most 10 tags"),
        ("tags", '{"year": 2026}', "tags is 2026; allowed: .* --type string --path .*name"),
        ("asyncRetries", "3", "asyncRetries is '3'; allowed: 0 to 2"),
        ("eventAge", "59", "eventAge is '59'; allowed: 60 to 21600 seconds"),
        ("reservedConcurrency", "128", "reservedConcurrency is .*128.*; allowed: megabytes, a"),
        ("endpoint", "web", "endpoint is 'web'; allowed: function-url or api-gateway"),
        ("corsOrigins", '["example.com"]', "corsOrigins is .*; allowed: a list of origins like"),
        ("corsOrigins", "*", "corsOrigins is .*; allowed: a list of origins like"),
        ("callbackMode", "pull", "callbackMode is 'pull'; allowed: push or none"),
        ("labels", "all", "labels is 'all'; allowed: none, metadata or visible"),
        ("contentProducer", "x" * 101, "contentProducer is .*; allowed: at most 100 characters"),
        ("logs", "maybe", "logs is 'maybe'; allowed: true or false"),
        ("logRetention", "0", "logRetention is '0'; allowed: 1 to 3600 days"),
        ("alarmReceivers", '["me@example.com"]', "alarmReceivers is .*; allowed: a list of UIDs"),
        ("subAppId", "0", "subAppId is '0'; allowed: a VOD application's number"),
        ("inputBuckets", '["photos"]', "inputBuckets is .*; allowed: a list of at most 5 buckets"),
        ("resultsBucket", "results", "resultsBucket is 'results'; allowed: a bucket with"),
        ("retryBase", "0", "retryBase is '0'; allowed: seconds, more than 0"),
        ("unknownAfter", "-1", "unknownAfter is '-1'; allowed: seconds, more than 0"),
        ("pollInterval", "-1", "pollInterval is '-1'; allowed: seconds, 0 or more"),
        ("webhookHttp", "perhaps", "webhookHttp is 'perhaps'; allowed: true or false"),
        ("webhookNetworks", '["10.1.2.3/16"]', "webhookNetworks is '10.1.2.3/16'; allowed: a list"),
        ("inboxUrl", "example.com", "inboxUrl is 'example.com'; allowed: empty, or a URL"),
        ("resultsUrl", "example.com", "resultsUrl is 'example.com'; allowed: empty, or a URL"),
        ("tencentcloud:region", "Guangzhou", "region is 'Guangzhou'; allowed: a region"),
        ("packagePath", "dist/missing.zip", "packagePath: found nothing; allowed: "),
        ("tencentcloud:protocol", "ftp", "protocol is 'ftp'; allowed: https or http"),
    ],
)
def test_wrong_value_is_refused_by_name(
    valid_config: dict[str, str], key: str, value: str, message: str
) -> None:
    config = {**valid_config, "region": "ap-guangzhou", "stack": "dev"}

    with pytest.raises(StackConfigError, match=message):
        _ = StackConfig.parse({**config, key.rpartition(":")[2]: value}).package


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("apiKeys", '{"me": "plain-text-key"}'),
        ("callbackKey", "short"),
        ("webhookSecrets", '["plain-text-key"]'),
        ("robots", '[{"kind": "slack", "url": "https://example.com/plain-text-key"}]'),
        ("robots", '[{"kind": "wecom", "url": "http://example.com/plain-text-key"}]'),
        ("robots", '[{"kind": "wecom", "url": "https://e.com/plain-text-key", "job": "all"}]'),
    ],
)
def test_wrong_secret_is_refused_without_being_shown(
    valid_config: dict[str, str], key: str, value: str
) -> None:
    with pytest.raises(StackConfigError) as caught:
        StackConfig.parse({**valid_config, "region": "ap-guangzhou", "stack": "dev", key: value})

    assert str(caught.value).startswith(f"{key} is not valid; allowed: ")
    assert "plain-text-key" not in str(caught.value)


def test_value_that_fits_neither_form_of_a_network_is_reported_once(
    valid_config: dict[str, str],
) -> None:
    config = {**valid_config, "region": "ap-guangzhou", "stack": "dev"}

    with pytest.raises(StackConfigError) as caught:
        StackConfig.parse({**config, "webhookNetworks": '["10.1.2.3/16", "10.1.2.4/16"]'})

    assert str(caught.value).count("10.1.2.3/16") == 1
    assert str(caught.value).count("10.1.2.4/16") == 1


@pytest.mark.parametrize(
    ("key", "meant"),
    [("lane", "lanes"), ("region", "tencentcloud:region"), ("protocol", "tencentcloud:protocol")],
)
def test_unknown_key_is_refused_before_anything_is_declared(run: Run, key: str, meant: str) -> None:
    message = f"{key} is not a configuration key; did you mean {meant}"

    with pytest.raises(StackConfigError, match=message):
        run(**{key: "https"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("apiKeys", json.dumps({"me": "0" * 64})),
        ("webhookSecrets", json.dumps([f"whsec_{'A' * 32}"])),
        ("robots", json.dumps([{"kind": "wecom", "url": "https://example.com/token"}])),
    ],
)
def test_secret_in_plain_text_is_refused(run: Run, key: str, value: str) -> None:
    with pytest.raises(StackConfigError, match=f"{key} is in plain text.*config set --secret"):
        run(secret_keys=tuple(SECRETS - {key}), **{key: value})


def test_missing_secret_is_named(valid_config: dict[str, str]) -> None:
    del valid_config["callbackKey"]

    with pytest.raises(StackConfigError, match="callbackKey is missing"):
        StackConfig.parse({**valid_config, "region": "ap-guangzhou", "stack": "dev"})


def test_api_keys_are_optional(valid_config: dict[str, str]) -> None:
    del valid_config["apiKeys"]

    config = StackConfig.parse({**valid_config, "region": "ap-guangzhou", "stack": "dev"})

    assert config.api_keys == {}


def test_inbox_is_refused_as_results_bucket(valid_config: dict[str, str]) -> None:
    same = {"inboxBucket": "mine-1250000000", "resultsBucket": "mine-1250000000"}

    with pytest.raises(StackConfigError, match="resultsBucket is 'mine-1250000000'"):
        StackConfig.parse({**valid_config, **same, "region": "ap-guangzhou", "stack": "dev"})


def test_api_gateway_allows_all_origins_or_none(valid_config: dict[str, str]) -> None:
    config = {**valid_config, "region": "ap-guangzhou", "stack": "dev", "endpoint": "api-gateway"}

    assert StackConfig.parse({**config, "corsOrigins": "[]"}).cors_origins == ()
    with pytest.raises(StackConfigError, match=r"corsOrigins is .*; allowed: a list"):
        StackConfig.parse({**config, "corsOrigins": '["https://example.com"]'})


@pytest.mark.parametrize("stack", ["Prod_EU", "a-name-that-is-far-too-long-for-it"])
def test_stack_whose_name_is_no_valid_prefix_needs_a_prefix(
    valid_config: dict[str, str], stack: str
) -> None:
    config = {**valid_config, "region": "ap-guangzhou", "stack": stack}

    with pytest.raises(StackConfigError, match=f"namePrefix is .*, expanded 'aigc-{stack}-'"):
        StackConfig.parse(config)
    assert StackConfig.parse({**config, "namePrefix": "aigc-"}).name_prefix == "aigc-"


@pytest.mark.parametrize("bucket", ["aigc-dev-ledger-1250000000", "photos-1259999999"])
def test_input_bucket_is_never_the_ledger_or_of_another_account(
    valid_config: dict[str, str], bucket: str
) -> None:
    config = {
        **valid_config,
        "region": "ap-guangzhou",
        "stack": "dev",
        "inputBuckets": f'["{bucket}"]',
    }

    with pytest.raises(StackConfigError, match=f"inputBuckets names '{bucket}'"):
        StackConfig.parse(config).check_buckets("1250000000")


@pytest.mark.parametrize(
    ("key", "bucket"),
    [
        ("inboxBucket", "mine-1259999999"),
        ("inboxBucket", "aigc-dev-ledger-1250000000"),
        ("inboxBucket", "aigc-dev-results-1250000000"),
        ("resultsBucket", "aigc-dev-inbox-1250000000"),
    ],
    ids=["another account's", "the ledger", "the results", "the inbox"],
)
def test_existing_bucket_is_of_this_account_and_has_no_other_role(
    valid_config: dict[str, str], key: str, bucket: str
) -> None:
    config = {**valid_config, "region": "ap-guangzhou", "stack": "dev", key: bucket}

    with pytest.raises(StackConfigError, match=f"{key} is '{bucket}'; allowed: a bucket of"):
        StackConfig.parse(config).check_buckets("1250000000")


def as_pulumi_gives(default: object) -> str:
    """Return a default of Pulumi.yaml as the program gets it: as text, or as JSON."""
    return default if isinstance(default, str) else json.dumps(default)


def test_project_file_declares_every_key_with_a_type_and_a_description() -> None:
    fields = {str(field.alias) for field in StackConfig.model_fields.values()}

    assert set(declared()) == fields - NOT_CONFIGURED
    for key, declaration in declared().items():
        assert declaration["type"] in {"string", "integer", "boolean", "array", "object"}, key
        assert declaration["description"].endswith("."), key


def test_project_file_has_a_default_for_every_optional_key() -> None:
    """Pulumi itself refuses to run while a key has neither a default nor a value."""
    required = {
        str(field.alias) for field in StackConfig.model_fields.values() if field.is_required()
    }

    assert {key for key, declaration in declared().items() if "default" not in declaration} == (
        required - NOT_CONFIGURED
    )


def test_defaults_of_project_file_and_program_are_equal() -> None:
    needed = {
        "region": "ap-guangzhou",
        "stack": "dev",
        "callbackKey": "c" * 20,
    }
    defaults = {
        key: as_pulumi_gives(declaration["default"])
        for key, declaration in declared().items()
        if "default" in declaration
    }

    assert StackConfig.parse({**defaults, **needed}) == StackConfig.parse(needed)


def test_deployment_guide_explains_every_key_and_no_other() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    table = guide.partition("## Keys")[2].partition("\n## ")[0]

    explained = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert {key for key in explained if ":" not in key} == set(declared())
    assert len(explained) == len(set(explained))


def test_secret_without_a_default_is_declared_as_a_secret() -> None:
    """The program refuses other secrets in plain text: the CLI allows no default of a secret."""
    assert {key for key, declaration in declared().items() if declaration.get("secret")} == {
        "callbackKey"
    }
