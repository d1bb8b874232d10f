"""Each known defect of the provider (terraform-provider-tencentcloud 1.82.42) is avoided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.infra.conftest import Declared, Deployment

    Run = Callable[..., Deployment]
    Check = Callable[[Deployment], bool]

EVERYTHING = {
    "alarmReceivers": "[10001]",
    "reservedConcurrency": "1280",
    "tags": '{"team": "art"}',
    "mpsRole": "create",
}


def of(deployment: Deployment, *types: str) -> Iterator[Declared]:
    """Yield the resources of some types; at least one of each, so that no check is empty."""
    for typ in types:
        resources = deployment.of_type(f":{typ}")
        assert resources, typ
        yield from resources.values()


def triggers(deployment: Deployment, typ: str) -> Iterator[dict[str, str]]:
    for function in of(deployment, "Function"):
        yield from (trigger for trigger in function.inputs["triggers"] if trigger["type"] == typ)


def has_no(*types: str) -> Check:
    return lambda deployment: not any(deployment.of_type(f":{typ}") for typ in types)


def sets(typ: str, **inputs: object) -> Check:
    return lambda deployment: all(
        resource.inputs.get(name) == value
        for resource in of(deployment, typ)
        for name, value in inputs.items()
    )


def leaves_out(typ: str, *inputs: str) -> Check:
    return lambda deployment: all(
        not set(inputs) & set(resource.inputs) for resource in of(deployment, typ)
    )


def names_everything(deployment: Deployment) -> bool:
    named = ("Function", "Role", "Policy", "SubApplication", "Alarm")
    own = all(resource.inputs.get("name") for resource in of(deployment, *named))
    others = {"Bucket": "bucket", "Logset": "logsetName", "Topic": "topicName"}
    return own and all(
        resource.inputs.get(key) for typ, key in others.items() for resource in of(deployment, typ)
    )


def replaces_by_deleting_first(deployment: Deployment) -> bool:
    fixed = ("Function", "Policy", "ReservedConcurrencyConfig")
    own_roles = (resource for resource in of(deployment, "Role") if resource.name != "mps-role")
    return all(
        resource.options.deleteBeforeReplace for resource in (*of(deployment, *fixed), *own_roles)
    )


def names_cos_triggers_by_bucket_alone(deployment: Deployment) -> bool:
    cos_triggers = list(triggers(deployment, "cos"))
    return bool(cos_triggers) and all("myqcloud" not in cos["name"] for cos in cos_triggers)


def keeps_url_and_events_in_separate_functions(deployment: Deployment) -> bool:
    kinds = [
        {trigger["type"] for trigger in f.inputs["triggers"]} for f in of(deployment, "Function")
    ]
    return all(len(types) == 1 for types in kinds)


def ignores_what_mps_or_vod_may_have_changed(deployment: Deployment) -> bool:
    role = deployment.declared["mps-role"].options.ignoreChanges
    application = deployment.declared["vod-application"].options.ignoreChanges
    return "document" in role and "description" in role and list(application) == ["name"]


def gives_every_indexed_field_a_value(deployment: Deployment) -> bool:
    [index] = of(deployment, "Index")
    fields = index.inputs["rule"]["keyValue"]["keyValues"]
    return bool(fields) and all(field["value"]["type"] for field in fields)


def attaches_policies_by_number(deployment: Deployment) -> bool:
    return all(
        resource.inputs["policyId"].isdecimal()
        for resource in of(deployment, "RolePolicyAttachment")
    )


TRAPS: dict[str, Check] = {
    "TriggerConfig never creates a trigger": has_no("TriggerConfig"),
    "an alias whose version alone changes is not updated": has_no("FunctionAlias"),
    "changed layers are ignored": leaves_out("Function", "layers"),
    "L5 wipes the environment": leaves_out("Function", "l5Enable"),
    "asynchronous running replaces the function": leaves_out("Function", "asyncRunEnable"),
    "the default cuts a function off the public net": sets("Function", enablePublicNet=True),
    "the type of a function cannot be changed": sets("Function", funcType="Event"),
    "a namespace left out is sent empty": sets("FunctionEventInvokeConfig", namespace="default"),
    "a resource without a name gets a random name, too long for some": names_everything,
    "a fixed name meets its predecessor": replaces_by_deleting_first,
    "the domain is appended to a COS trigger's name": names_cos_triggers_by_bucket_alone,
    "editing a trigger recreates all of a function": keeps_url_and_events_in_separate_functions,
    "a renamed VOD application is lost": ignores_what_mps_or_vod_may_have_changed,
    "MPS's own role differs from ours": ignores_what_mps_or_vod_may_have_changed,
    "an indexed field without a value crashes the provider": gives_every_indexed_field_a_value,
    "partitions and storage class cannot be changed": leaves_out(
        "Topic", "partitionCount", "storageType"
    ),
    "only some event switches exist, and none can be cleared": leaves_out(
        "EventConfig", "uploadMediaCompleteEventSwitch", "deleteMediaCompleteEventSwitch"
    ),
    "a bucket policy with a Sid differs for ever": has_no("BucketPolicy"),
    "an uploaded object is compared by its tag only": has_no("BucketObject"),
    "an attachment wants the policy's number": attaches_policies_by_number,
}


def test_traps_are_avoided(run: Run) -> None:
    deployment = run(mps_role=None, **EVERYTHING)

    assert [trap for trap, avoids in TRAPS.items() if not avoids(deployment)] == []


def test_new_code_has_a_new_path(run: Run) -> None:
    [path] = {resource.inputs["zipFile"] for resource in of(run(), "Function")}

    assert path.endswith("aigc-functions-0123456789ab.zip")


def test_path_of_the_code_does_not_depend_on_the_project_folder(run: Run, package: Path) -> None:
    """Pulumi starts the provider in the folder that Pulumi.yaml calls `main`."""
    main = Path(__file__).parents[2] / "infra"

    [path] = {resource.inputs["zipFile"] for resource in of(run(), "Function")}

    assert not Path(path).is_absolute()
    assert (main / path).resolve() == package.resolve()
