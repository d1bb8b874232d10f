"""The program with a stack that is already deployed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from infra.components.function import description_for
from infra.config import StackConfigError
from tests.infra.conftest import MPS_ROLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.conftest import Deployment

    Run = Callable[..., Deployment]

DOMAIN = "cos.ap-guangzhou.myqcloud.com"
LEDGER = "aigc-dev-ledger-1250000000"
STATE: dict[str, dict[str, Any]] = {
    "aigc-ledger": {"bucket": LEDGER, "cosBucketUrl": f"{LEDGER}.{DOMAIN}"},
    "sweep-function": {
        "name": "aigc-dev-sweep",
        "description": "Settles and starts jobs that no event reported.",
        "triggers": [{"name": "sweep", "type": "timer", "triggerDesc": "0 */1 * * * * *"}],
    },
    "upload-function": {
        "name": "aigc-dev-upload",
        "description": "Turns uploads into jobs, and settles jobs whose images MPS has stored.",
        "triggers": [
            {"name": "in-1250000000", "type": "cos", "cosRegion": "ap-guangzhou"},
        ],
    },
}
LIVE = [
    {"type": "timer", "triggerName": "sweep"},
    {"type": "cos", "triggerName": f"in-1250000000.{DOMAIN}"},
]


def replaced(deployment: Deployment) -> set[str]:
    return {
        name
        for name, function in deployment.of_type(":Function").items()
        if "description" in function.options.replaceOnChanges
    }


def test_function_with_all_its_triggers_is_not_replaced(run: Run) -> None:
    deployment = run(deployed=STATE, live_triggers=LIVE)

    assert not replaced(deployment)
    for name in ("sweep-function", "upload-function"):
        description = deployment.declared[name].inputs["description"]
        assert description == STATE[name]["description"]


@pytest.mark.parametrize(
    ("live", "lost"), [(LIVE[:1], {"upload-function"}), (LIVE[1:], {"sweep-function"})]
)
def test_function_with_a_lost_trigger_is_replaced(
    run: Run, live: list[dict[str, str]], lost: set[str]
) -> None:
    deployment = run(deployed=STATE, live_triggers=live)

    assert replaced(deployment) == lost
    for name in lost:
        description = deployment.declared[name].inputs["description"]
        assert description == f"{STATE[name]['description']} Created again."


def test_function_that_scf_does_not_know_ends_the_run_with_the_remedy(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"aigc-dev-upload cannot be read.*state delete"):
        run(deployed=STATE, live_triggers=None)


@pytest.mark.parametrize(
    ("deployed", "change", "wanted"),
    [
        (None, False, "Sweeps."),
        (None, True, "Sweeps."),
        ("Sweeps.", False, "Sweeps."),
        ("Sweeps.", True, "Sweeps. Created again."),
        ("Sweeps. Created again.", False, "Sweeps. Created again."),
        ("Sweeps. Created again.", True, "Sweeps."),
        ("An older text", True, "Sweeps."),
    ],
)
def test_description_changes_only_to_replace(
    deployed: str | None,
    change: bool,  # noqa: FBT001  a parameter of the test
    wanted: str,
) -> None:
    assert description_for("Sweeps.", deployed, change=change) == wanted


def test_functions_are_replaced_when_their_logs_are_switched_off(run: Run) -> None:
    """The provider keeps the topic's id and sends it with every later update."""
    logging = {
        **STATE,
        "sweep-function": {**STATE["sweep-function"], "clsTopicId": "topic"},
    }

    assert replaced(run(deployed=logging, live_triggers=LIVE, logs="false")) == {"sweep-function"}
    assert not replaced(run(deployed=logging, live_triggers=LIVE))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"namePrefix": "other-"}, f"namePrefix 'other-' .*, but this stack has {LEDGER}"),
        ({"appId": "1259999999"}, f"account 1259999999 .*, but this stack has {LEDGER}"),
    ],
)
def test_names_of_a_deployed_stack_cannot_change(
    run: Run, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(StackConfigError, match=message):
        run(deployed=STATE, live_triggers=LIVE, **changes)


def test_region_of_a_deployed_stack_cannot_change(run: Run) -> None:
    ledger = {"bucket": LEDGER, "cosBucketUrl": f"{LEDGER}.cos.ap-shanghai.myqcloud.com"}

    with pytest.raises(StackConfigError, match=r"region is 'ap-guangzhou'.* in 'ap-shanghai'"):
        run(deployed={"aigc-ledger": ledger}, live_triggers=LIVE)


@pytest.mark.parametrize(
    ("kept", "changes"),
    [
        ("aigc-inbox", {"inboxBucket": "mine-1250000000"}),
        ("vod-application", {"subAppId": "1500000002"}),
        ("mps-role", {"mpsRole": "existing"}),
    ],
)
def test_protected_resource_stays_when_an_existing_one_replaces_it(
    run: Run, kept: str, changes: dict[str, str]
) -> None:
    deployment = run(deployed={kept: {}}, live_triggers=LIVE, **changes)

    assert kept in deployment.declared
    assert deployment.declared[kept].options.protect
    assert kept not in run(live_triggers=LIVE, **changes).declared


def test_stack_uses_existing_resources_after_a_change(run: Run) -> None:
    deployed: dict[str, dict[str, Any]] = {"aigc-inbox": {}, "vod-application": {}}

    deployment = run(
        deployed=deployed, live_triggers=LIVE, inboxBucket="in-1250000000", subAppId="1500000002"
    )

    assert deployment.exports["inboxBucket"] == "in-1250000000"
    assert deployment.exports["subAppId"] == 1500000002
    assert "vod-events" not in deployment.declared


def test_imported_role_does_not_count_as_missing(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match="mpsRole is existing"):
        run(deployed={"mps-role": {}}, mps_role=None, mpsRole="existing")
    assert "mps-role" in run(deployed={"mps-role": {}}, mps_role=MPS_ROLE, mpsRole="skip").declared


def test_settings_of_events_are_replaced_with_their_function(run: Run) -> None:
    deployment = run()

    for name in ("gateway", "upload", "sweep"):
        options = deployment.declared[f"{name}-retries"].options
        assert any(urn.endswith(f"::{name}-function") for urn in options.replace_with)
        assert list(options.replaceOnChanges) == ["functionName"]


@pytest.mark.parametrize("key", ["inboxBucket", "inputBuckets"])
def test_bucket_that_does_not_exist_is_refused(run: Run, key: str) -> None:
    value = "nosuch-1250000000"

    with pytest.raises(StackConfigError, match=f"{key} names '{value}'; allowed: a bucket of"):
        run(**{key: f'["{value}"]' if key == "inputBuckets" else value})


def test_missing_credentials_end_the_run_in_one_line(run: Run) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(refuse_invokes=True)

    assert "TENCENTCLOUD_SECRET_ID" in str(caught.value)
    assert "\n" not in str(caught.value)


def listening(prefix: str, name: str = "another", event: str = "Put") -> dict[str, Any]:
    desc = {"event": f"cos:ObjectCreated:{event}", "filter": {"Prefix": prefix}}
    trigger = {"type": "cos", "name": f"in-1250000000.{DOMAIN}", "triggerDesc": json.dumps(desc)}
    return {"name": name, "triggerInfos": [trigger]}


@pytest.mark.parametrize("prefix", ["in", "in/anime/"])
def test_inbox_on_which_another_function_listens_is_refused(run: Run, prefix: str) -> None:
    with pytest.raises(StackConfigError, match=r"inboxBucket is 'in-1250000000', .* another"):
        run(inboxBucket="in-1250000000", functions=[listening(prefix)])


def test_inbox_without_overlapping_triggers_is_accepted(run: Run) -> None:
    others = [
        listening("out/"),
        listening("", name="aigc-dev-upload"),
        {"name": "timer", "triggerInfos": [{"type": "timer", "name": "t", "triggerDesc": "{}"}]},
    ]

    deployment = run(inboxBucket="in-1250000000", functions=others)

    assert deployment.exports["inboxBucket"] == "in-1250000000"


def test_inbox_with_a_deployed_trigger_is_not_checked_again(run: Run) -> None:
    run(
        deployed=STATE,
        live_triggers=LIVE,
        inboxBucket="in-1250000000",
        functions=[listening("", name="later")],
    )


CREATED = [
    {"type": "timer", "triggerName": "sweep"},
    {"type": "cos", "triggerName": f"aigc-dev-inbox-1250000000.{DOMAIN}"},
    {"type": "cos", "triggerName": f"aigc-dev-results-1250000000.{DOMAIN}"},
    {"type": "http", "triggerName": "url"},
]


def test_created_trigger_that_scf_does_not_report_ends_the_run_with_the_remedy(run: Run) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"SCF has no trigger sweep \(timer\).* --replace 'urn:"
    ):
        run(reports_triggers=False, live_triggers=CREATED[1:], callbackMode="none")


def test_outputs_older_than_the_triggers_do_not_end_the_run(run: Run) -> None:
    deployment = run(reports_triggers=False, live_triggers=CREATED, callbackMode="none")

    assert deployment.exports["sweepFunction"] == "aigc-dev-sweep"


# The lease


@pytest.mark.parametrize(("deployed_s", "lease"), [(300, "315"), (None, "75")])
def test_a_lease_is_as_long_as_an_invocation_that_began_before_the_update(
    run: Run, deployed_s: int | None, lease: str
) -> None:
    function = {**STATE["sweep-function"], "timeout": deployed_s}

    deployment = run(deployed={**STATE, "sweep-function": function}, live_triggers=LIVE)

    environment = deployment.declared["gateway-function"].inputs["environment"]
    assert environment["AIGC_LEASE_S"] == lease
