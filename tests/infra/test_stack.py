"""The resources that the program declares."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from aigc.jobs.buckets import INPUTS, STAGING
from aigc.jobs.storing import KEPT_S
from aigc.settings import PREFIX, Settings
from aigc.uploads.rules import Rules, RulesError
from infra.components.function import function_url
from infra.components.storage import LEDGER_DAYS
from infra.permissions import MOST_CHARACTERS, Reach, gateway_policy, upload_prefixes
from infra.stack import packaged_rules
from localcloud.scf.cos_trigger import CosRule
from localcloud.scf.http_trigger import UrlDesc
from localcloud.scf.timer_trigger import parse_cron
from tests.infra.conftest import ENDPOINT, MPS_ROLE, MPS_ROLE_ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.infra.conftest import Declared, Deployment

    Run = Callable[..., Deployment]

FUNCTIONS = ("gateway", "upload", "sweep")


def functions(deployment: Deployment) -> dict[str, Declared]:
    return deployment.of_type("scf/function:Function") or deployment.of_type(":Function")


def triggers(deployment: Deployment, function: str) -> list[dict[str, Any]]:
    triggers: list[dict[str, Any]] = functions(deployment)[f"{function}-function"].inputs[
        "triggers"
    ]
    return triggers


def statements(deployment: Deployment, function: str) -> list[dict[str, Any]]:
    document = deployment.declared[f"{function}-policy"].inputs["document"]
    parsed: list[dict[str, Any]] = json.loads(document)["statement"]
    return parsed


def test_program_declares_exactly_these_resources(run: Run) -> None:
    deployment = run()

    custom = {name for name, resource in deployment.declared.items() if resource.options.custom}
    per_function = ("function", "retries", "role", "policy", "attachment")
    assert custom == {
        *("aigc-inbox", "aigc-results", "aigc-ledger", "vod-application", "vod-events"),
        *("logs-logset", "logs-topic", "logs-index", "gateway-reservation"),
        *(f"{name}-{part}" for name in FUNCTIONS for part in per_function),
    }


def test_functions_are_event_functions_with_everything_explicit(run: Run) -> None:
    deployment = run(memory="512", timeout="90")

    for name in FUNCTIONS:
        inputs = functions(deployment)[f"{name}-function"].inputs
        assert inputs["name"] == f"aigc-dev-{name}"
        assert inputs["handler"] == f"{name}.main_handler"
        assert inputs["runtime"] == "Python3.10"
        assert inputs["funcType"] == "Event"
        assert inputs["enablePublicNet"] is True
        assert (inputs["memSize"], inputs["timeout"]) == (512, 90)
        assert inputs["role"] == f"aigc-dev-{name}"
        assert inputs["zipFile"].endswith("aigc-functions-0123456789ab.zip")


def test_resources_with_data_are_protected(run: Run) -> None:
    deployment = run(mps_role=None, mpsRole="create")

    protected = {name for name, resource in deployment.declared.items() if resource.options.protect}
    assert protected == {
        *("aigc-inbox", "aigc-results", "aigc-ledger", "vod-application", "mps-role"),
    }


def test_buckets_are_private_and_the_ledger_is_never_versioned(run: Run) -> None:
    buckets = run().of_type(":Bucket")

    assert {bucket.inputs["bucket"] for bucket in buckets.values()} == {
        f"aigc-dev-{role}-1250000000" for role in ("inbox", "results", "ledger")
    }
    assert all(bucket.inputs["acl"] == "private" for bucket in buckets.values())
    ledger = buckets["aigc-ledger"].inputs
    assert "versioningEnable" not in ledger
    rules = ledger["lifecycleRules"]
    assert {rule["filterPrefix"]: rule["expiration"]["days"] for rule in rules} == LEDGER_DAYS
    assert len({rule["id"] for rule in rules}) == len(rules)


def test_records_of_jobs_and_keys_never_expire() -> None:
    kept = ("jobs/", "index/", "images/", "keys/", "lanes/", "unstored/", "dead/", "webhooks/")

    assert not [prefix for prefix in LEDGER_DAYS if prefix.startswith(kept)]


def test_inputs_and_staged_images_expire_in_a_results_bucket_of_this_stack(run: Run) -> None:
    rules = run().of_type(":Bucket")["aigc-results"].inputs["lifecycleRules"]

    days = {rule["filterPrefix"]: rule["expiration"]["days"] for rule in rules}
    assert days == {INPUTS: 7, STAGING: 30}
    assert days[STAGING] * 86400 > KEPT_S


def test_a_results_prefix_is_in_the_trigger_the_expiry_and_the_policies(run: Run) -> None:
    deployment = run(resultsPrefix="site/images/")

    rules = deployment.of_type(":Bucket")["aigc-results"].inputs["lifecycleRules"]
    folders = [f"site/images/{folder}" for folder in (INPUTS, STAGING)]
    assert [rule["filterPrefix"] for rule in rules] == folders
    _, results = triggers(deployment, "upload")
    assert json.loads(results["triggerDesc"])["filter"] == {"Prefix": f"site/images/{STAGING}"}
    assert deployment.exports["resultsPrefix"] == "site/images/"
    bucket = "qcs::cos:ap-guangzhou:uid/1250000000:aigc-dev-results-1250000000/"
    for name in FUNCTIONS:
        on_results = {
            action: resource.removeprefix(bucket)
            for statement in statements(deployment, name)
            for resource in statement["resource"]
            if resource.startswith(bucket)
            for action in statement["action"]
        }
        assert on_results == {
            "name/cos:GetObject": "site/images/*",
            "name/cos:PutObject": "site/images/*",
            "name/cos:DeleteObject": f"site/images/{STAGING}*",
            "name/cos:GetBucket": "*",
        }


EXPIRY = [
    {"filterPrefix": f"site/{folder}", "expirations": [{"days": 30}]}
    for folder in (INPUTS, STAGING)
]


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        ([], [INPUTS, STAGING]),
        ([{**EXPIRY[0], "expirations": []}, EXPIRY[1]], [INPUTS]),
        (EXPIRY, []),
        ([{**EXPIRY[0], "filterPrefix": "site/"}], []),
    ],
)
def test_an_existing_results_bucket_without_a_needed_lifecycle_rule_is_reported(
    run: Run, rules: list[dict[str, Any]], missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi, "warn", warnings.append)

    run(
        resultsBucket="yours-1250000000",
        resultsPrefix="site/",
        lifecycle_rules={"yours-1250000000": rules},
    )

    text = str(warnings)
    assert [
        folder for folder in (INPUTS, STAGING) if f"deletes objects below site/{folder}" in text
    ] == missing


def test_a_flood_of_calls_leaves_room_for_uploads_and_the_sweep(run: Run) -> None:
    reserved = run().of_type(":ReservedConcurrencyConfig")

    assert set(reserved) == {"gateway-reservation"}
    assert reserved["gateway-reservation"].inputs["reservedConcurrencyMem"] == 25600


@pytest.mark.parametrize(
    ("gateway", "each", "reserved"),
    [
        ("", "", {}),
        ("1024", "", {"gateway": 1024}),
        ("", "512", {"gateway": 512, "upload": 512, "sweep": 512}),
        ("1024", "2048", {"gateway": 1024, "upload": 2048, "sweep": 2048}),
    ],
)
def test_the_smaller_limit_of_concurrency_holds(
    run: Run, gateway: str, each: str, reserved: dict[str, int]
) -> None:
    deployment = run(gatewayConcurrency=gateway, reservedConcurrency=each)

    declared = deployment.of_type(":ReservedConcurrencyConfig").values()
    assert {
        config.name.removesuffix("-reservation"): config.inputs["reservedConcurrencyMem"]
        for config in declared
    } == reserved


def test_origins_that_may_call_may_use_links(run: Run) -> None:
    buckets = run(corsOrigins='["https://example.com"]').of_type(":Bucket")

    methods = {"results": ["GET", "HEAD", "PUT"], "inbox": ["PUT"]}
    for role, allowed in methods.items():
        [rule] = buckets[f"aigc-{role}"].inputs["corsRules"]
        assert rule["allowedOrigins"] == ["https://example.com"]
        assert rule["allowedMethods"] == allowed
    assert "corsRules" not in buckets["aigc-ledger"].inputs


def test_console_of_an_own_domain_may_use_links(run: Run) -> None:
    listed = {"corsOrigins": '["https://example.com"]', "publicUrl": "https://api.example.org/v"}
    both, listed_only = run(**listed), run(**listed, console="false")

    [rule] = both.of_type(":Bucket")["aigc-results"].inputs["corsRules"]
    assert rule["allowedOrigins"] == ["https://example.com", "https://api.example.org"]
    [rule] = listed_only.of_type(":Bucket")["aigc-results"].inputs["corsRules"]
    assert rule["allowedOrigins"] == ["https://example.com"]


def test_no_origin_may_use_links_if_none_may_call(run: Run) -> None:
    buckets = run(corsOrigins="[]").of_type(":Bucket")
    assert not any("corsRules" in bucket.inputs for bucket in buckets.values())


def test_existing_buckets_and_application_are_used_and_not_declared(run: Run) -> None:
    deployment = run(
        inboxBucket="mine-1250000000", resultsBucket="yours-1250000000", subAppId="1500000009"
    )

    assert set(deployment.of_type(":Bucket")) == {"aigc-ledger"}
    assert not deployment.of_type(":SubApplication")
    assert not deployment.of_type(":EventConfig")
    assert deployment.exports["inboxBucket"] == "mine-1250000000"
    assert deployment.exports["resultsBucket"] == "yours-1250000000"
    assert deployment.exports["subAppId"] == 1500000009


def test_gateway_has_an_open_function_url_and_nothing_else(run: Run) -> None:
    [trigger] = triggers(run(), "gateway")

    assert trigger["type"] == "http"
    desc = UrlDesc.parse(trigger["triggerDesc"])
    assert desc.auth_type == "NONE"
    assert desc.net_config.enable_extranet
    assert desc.cors_config is not None
    assert "authorization" in desc.cors_config.headers


def test_upload_has_a_trigger_for_the_inbox_and_one_for_the_staging_folder(run: Run) -> None:
    inbox, results = triggers(run(), "upload")

    assert (inbox["name"], inbox["cosRegion"]) == ("aigc-dev-inbox-1250000000", "ap-guangzhou")
    assert results["name"] == "aigc-dev-results-1250000000"
    domain = ".cos.ap-guangzhou.myqcloud.com"
    assert CosRule.parse(inbox["name"] + domain, inbox["triggerDesc"]).prefix == "in/a"
    assert CosRule.parse(results["name"] + domain, results["triggerDesc"]).prefix == STAGING


def test_sweep_runs_by_the_schedule_and_is_not_repeated(run: Run) -> None:
    deployment = run(sweepSchedule="0 */2 * * * * *")

    [trigger] = triggers(deployment, "sweep")
    parse_cron(trigger["triggerDesc"])
    assert trigger["triggerDesc"] == "0 */2 * * * * *"
    retries = {
        name: deployment.declared[f"{name}-retries"].inputs["asyncTriggerConfig"]["retryConfigs"]
        for name in FUNCTIONS
    }
    assert retries == {
        "gateway": [{"retryNum": 2}],
        "upload": [{"retryNum": 2}],
        "sweep": [{"retryNum": 0}],
    }


def test_environment_has_exactly_the_variables_of_the_settings(run: Run) -> None:
    deployment = run(
        timeout="90",
        lanes='{"vod.image": 5}',
        resultsUrl="https://cdn.example",
        labels="visible",
        contentProducer='"示例" studio',
    )

    environment = functions(deployment)["gateway-function"].inputs["environment"]
    settings = Settings.from_environment(environment)
    assert set(environment) == {PREFIX + name.upper() for name in Settings.model_fields}
    assert settings.sub_app_id == 1500000001
    assert settings.lease_s == 105
    assert settings.lanes == {"vod.image": 5, "vod.scene_image": 1, "mps.image": 4}
    assert settings.ledger_bucket == "aigc-dev-ledger-1250000000"
    assert settings.callback_key.get_secret_value() == "c" * 20
    assert (settings.protocol, settings.results_url) == ("https", "https://cdn.example")
    assert (settings.labels, settings.content_producer) == ("visible", '"示例" studio')
    assert environment["AIGC_CONTENT_PRODUCER"].isascii()


def test_secrets_stay_secret_in_the_state(run: Run) -> None:
    deployment = run()

    raw = json.dumps(deployment.raw_inputs["gateway-function"]["environment"])
    events = json.dumps(deployment.raw_inputs["vod-events"]["notificationUrl"])
    assert pulumi.runtime.rpc._special_secret_sig in raw  # noqa: SLF001
    assert pulumi.runtime.rpc._special_secret_sig in events  # noqa: SLF001


def test_vod_reports_to_the_gateway_under_the_callback_key(run: Run) -> None:
    events = run().declared["vod-events"].inputs

    assert events == {
        "subAppId": 1500000001,
        "mode": "PUSH",
        "notificationUrl": f"{ENDPOINT}/vod/events/{'c' * 20}",
    }


def test_policies_allow_exact_actions_on_exact_resources(run: Run) -> None:
    deployment = run()

    for name in FUNCTIONS:
        for statement in statements(deployment, name):
            assert statement["effect"] == "allow"
            assert all("*" not in action for action in statement["action"])
            only_mps = all(action.startswith("mps:") for action in statement["action"])
            assert ("*" in statement["resource"]) == only_mps


def grants(deployment: Deployment, function: str) -> set[str]:
    return {
        action for statement in statements(deployment, function) for action in statement["action"]
    }


def test_each_function_has_its_own_additional_actions(run: Run) -> None:
    deployment = run()

    gateway, upload, sweep = (grants(deployment, name) for name in FUNCTIONS)
    assert upload - gateway == {"name/cos:HeadObject"}
    tidying = {"name/cos:DeleteMultipleObjects", "name/cos:GetBucketVersioning"}
    assert sweep - gateway == tidying | {"name/cos:HeadObject"}
    assert sweep - upload - tidying == {"vod:DescribeTaskDetail"}
    assert gateway - upload == {"vod:DescribeTaskDetail", "vod:ManageTask"}


def test_inbox_is_written_by_the_gateway_only(run: Run) -> None:
    bucket = "photos-1250000000"
    deployment = run(inboxBucket=bucket)

    granted = {
        function: {
            action.removeprefix("name/cos:")
            for statement in statements(deployment, function)
            if bucket in str(statement["resource"])
            for action in statement["action"]
        }
        for function in FUNCTIONS
    }

    assert granted == {
        "gateway": {"GetObject", "GetBucket", "PutObject"},
        "upload": {"GetObject", "HeadObject"},
        "sweep": {"GetObject", "GetBucket", "HeadObject"},
    }


def test_gateway_writes_only_where_a_rule_takes_uploads(run: Run) -> None:
    inbox = "qcs::cos:ap-guangzhou:uid/1250000000:aigc-dev-inbox-1250000000/"

    resources = [
        statement["resource"]
        for statement in statements(run(), "gateway")
        if "name/cos:PutObject" in statement["action"] and inbox in str(statement["resource"])
    ]

    assert resources == [[f"{inbox}in/anime/*", f"{inbox}in/art/*"]]


def rules_for(*rules: dict[str, Any]) -> Rules:
    image = {
        "kind": "vod.image",
        "task": {"model_name": "GG", "model_version": "3.0", "prompt": "Redraw it"},
    }
    return Rules.parse(
        {"rule": [{"name": f"r{at}", **image, **rule} for at, rule in enumerate(rules)]}
    )


@pytest.mark.parametrize(
    ("rules", "prefixes"),
    [
        ([], ()),
        ([{"prefix": "a/"}, {"prefix": "b/"}], ("a/", "b/")),
        ([{"prefix": "a/b/"}, {"prefix": "a/"}, {"prefix": "ab/"}], ("a/", "ab/")),
        ([{"prefix": "a/", "glob": ["a/x-*.jpg"]}], ("a/x-",)),
        ([{"prefix": "照片/"}, {"prefix": "b/"}], ("",)),
        ([{"prefix": "b/照片/"}, {"prefix": "c/*/"}], ("b/", "c/")),
        ([{"prefix": "a/"}, {"suffix": ".png"}], ("",)),
    ],
    ids=["no rule", "two", "covered", "a glob", "Chinese", "part of it", "no prefix"],
)
def test_prefixes_cover_all_rules(rules: list[dict[str, Any]], prefixes: tuple[str, ...]) -> None:
    assert upload_prefixes(rules_for(*rules)) == prefixes


def test_prefixes_of_batches_are_left_out() -> None:
    batches = Rules.parse({"rule": [{"name": "b", "type": "batch", "prefix": "batches/"}]})

    assert upload_prefixes(batches) == ()


def test_policy_with_too_many_prefixes_has_the_prefix_that_they_share() -> None:
    reach = Reach(
        region="ap-guangzhou",
        app_id="1250000000",
        sub_app_id=1,
        inbox="inbox-1250000000",
        results="results-1250000000",
        ledger="ledger-1250000000",
        upload_prefixes=tuple(f"shop/customer-{number:03}/" for number in range(100)),
    )

    document = gateway_policy(reach)

    assert len(document) <= MOST_CHARACTERS
    assert "inbox-1250000000/shop/customer-0*" in document
    assert "shop/customer-001/" not in document


def test_buckets_for_inputs_may_only_be_read(run: Run) -> None:
    bucket = "photos-1250000000"
    deployment = run(inputBuckets=f'["{bucket}"]')

    resource = f"qcs::cos:ap-guangzhou:uid/1250000000:{bucket}/*"
    for function in FUNCTIONS:
        about = [
            (statement["action"], statement["resource"])
            for statement in statements(deployment, function)
            if bucket in str(statement["resource"])
        ]
        assert about == [(["name/cos:GetObject"], [resource])]


def test_nothing_but_staged_images_may_be_deleted_outside_the_ledger(run: Run) -> None:
    deployment = run()

    cos = "qcs::cos:ap-guangzhou:uid/1250000000:aigc-dev"
    for function in FUNCTIONS:
        may_delete = {
            resource
            for statement in statements(deployment, function)
            for resource in statement["resource"]
            if any("Delete" in action for action in statement["action"])
        }
        assert may_delete == {
            f"{cos}-results-1250000000/.aigc/mps/*",
            f"{cos}-ledger-1250000000/*",
        }


def test_each_function_has_a_role_that_only_scf_may_assume(run: Run) -> None:
    roles = run().of_type(":Role")

    assert set(roles) == {f"{name}-role" for name in FUNCTIONS}
    for role in roles.values():
        [statement] = json.loads(role.inputs["document"])["statement"]
        assert statement["principal"] == {"service": ["scf.qcloud.com"]}


@pytest.mark.parametrize("mode", ["existing", "skip"])
def test_existing_mps_role_is_not_declared(run: Run, mode: str) -> None:
    deployment = run(mpsRole=mode)

    assert "mps-role" not in deployment.declared


@pytest.mark.parametrize("mode", ["existing", "import"])
def test_missing_mps_role_is_reported_with_the_remedy(run: Run, mode: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"mpsRole is {mode}.*set mpsRole to create"):
        run(mpsRole=mode, mps_role=None)


OWN_MPS_ROLE = {
    **MPS_ROLE,
    "description": "What MPS may do in COS on this account's behalf; made by aigc-functions/dev",
}


@pytest.mark.parametrize(
    ("mode", "existing_role", "imported"),
    [
        ("create", None, ""),
        ("create", OWN_MPS_ROLE, MPS_ROLE_ID),
        ("import", MPS_ROLE, MPS_ROLE_ID),
    ],
    ids=["first run", "every later run", "taken over"],
)
def test_own_mps_role_stays_in_the_program_and_is_never_deleted(
    run: Run, mode: str, existing_role: dict[str, Any] | None, imported: str
) -> None:
    deployment = run(mpsRole=mode, mps_role=existing_role)

    role = deployment.declared["mps-role"]
    assert role.inputs["name"] == "MPS_QcsRole"
    assert role.options.importId == imported
    assert role.options.retainOnDelete
    assert {
        attachment.inputs["policyName"] for attachment in deployment.of_type("ByName").values()
    } == {
        "QcloudAccessForMPSRole",
        "QcloudAccessForMPSRoleInDeliverToSCF",
    }


def test_mps_role_of_another_source_is_refused(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match="this stack did not make; allowed: existing"):
        run(mpsRole="create", mps_role=MPS_ROLE)


def test_missing_function_url_is_an_error() -> None:
    untold = {"type": "http", "trigger_desc": '{"NetConfig": {"EnableExtranet": true}}'}
    other = {"type": "timer", "trigger_desc": "0 * * * * * *"}

    assert function_url([SimpleNamespace(**other), SimpleNamespace(**untold)]) is None  # type: ignore[list-item]


def test_exports_have_all_addresses(run: Run) -> None:
    console = "https://console.cloud.tencent.com"
    bucket = f"{console}/cos/bucket?bucket=aigc-dev-{{}}-1250000000&region=ap-guangzhou"

    exports = run().exports
    del exports["queries"]  # tests/infra/test_options.py looks at them

    assert exports == {
        "console": f"{ENDPOINT.rstrip('/')}/console",
        "endpoint": ENDPOINT,
        "appId": "1250000000",
        "region": "ap-guangzhou",
        "site": "cn",
        "subAppId": 1500000001,
        "inboxBucket": "aigc-dev-inbox-1250000000",
        "resultsBucket": "aigc-dev-results-1250000000",
        "resultsPrefix": "",
        "ledgerBucket": "aigc-dev-ledger-1250000000",
        "uploadPrefixes": ["in/anime/", "in/art/"],
        "keyNames": ["me"],
        "gatewayFunction": "aigc-dev-gateway",
        "uploadFunction": "aigc-dev-upload",
        "sweepFunction": "aigc-dev-sweep",
        "links": {
            "functions": f"{console}/scf/list?ns=default",
            "inbox": bucket.format("inbox"),
            "results": bucket.format("results"),
            "vod": f"{console}/vod/overview",
            "logs": f"{console}/cls/search?region=ap-guangzhou&topic_id=logs-topic",
        },
        "upload": (
            "coscli cp cat.jpg cos://aigc-dev-inbox-1250000000/in/anime/cat.jpg"
            " -e cos.ap-guangzhou.myqcloud.com"
        ),
    }


def test_stack_without_the_console_exports_no_address_of_it(run: Run) -> None:
    assert run(console="false").exports["console"] == ""


def test_program_also_runs_as_a_preview(run: Run) -> None:
    deployment = run(preview=True)

    assert len(functions(deployment)) == 3


def test_wrong_rule_ends_the_deployment(tmp_path: Path) -> None:
    path = tmp_path / "aigc-functions-0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rules.json", '{"rule": [{"name": "odd", "kind": "vod.movie"}]}')

    with pytest.raises(RulesError, match="rule odd: kind"):
        packaged_rules(path)


def with_rule(package: Path, **changes: Any) -> dict[str, str]:
    """Write a package with one rule and return the value that names it."""
    task = {"model_name": "GG", "model_version": "3.0", "prompt": "Redraw it"}
    rule = {"name": "anime", "kind": "vod.image", "task": task} | changes
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("rules.json", json.dumps({"rule": [rule]}))
    return {"packagePath": str(package)}


def test_trigger_listens_on_the_fixed_begin_of_a_glob(run: Run, tmp_path: Path) -> None:
    changes = with_rule(tmp_path / "aigc-functions-0123456789ab.zip", glob="in/photos/**/*.jpg")

    inbox, _ = triggers(run(**changes), "upload")

    assert json.loads(inbox["triggerDesc"])["filter"] == {"Prefix": "in/photos/"}


def test_rule_with_an_input_that_the_functions_cannot_read_is_refused(
    run: Run, tmp_path: Path
) -> None:
    style = {"url": "cos://styles-1250000000/{meta.style}.png"}
    task = {"model_name": "GG", "model_version": "3.0", "prompt": "x", "file_infos": [style]}
    changes = with_rule(tmp_path / "aigc-functions-0123456789ab.zip", task=task)

    with pytest.raises(
        RulesError, match="bucket styles-1250000000; allowed: aigc-dev-inbox-1250000000"
    ):
        run(**changes)
