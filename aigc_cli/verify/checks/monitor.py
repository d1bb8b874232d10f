"""Checks of Cloud Monitor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aigc_cli.verify.check import Group, SkipError, expect
from infra.components.alarms import POLICY_TYPE
from localcloud.provider_alarms import SHORT_REGIONS

if TYPE_CHECKING:
    from aigc_cli.verify.world import World

group = Group("monitor")

MODULE = "monitor"

RULE = {
    "MetricName": "Error",
    "Period": 300,
    "Operator": "gt",
    "Value": "0",
    "ContinuePeriod": 1,
    "NoticeFrequency": 3600,
    "IsPowerNotice": 0,
    "RuleType": "STATIC",
}
"""When the alarm of the check is raised: at any failed invocation."""


@group.check(
    "dimensions",
    assumption="The dimensions of a function that is bound to an alarm are returned unchanged.",
    used_by="`pulumi preview`, which compares them",
    otherwise="Each `pulumi up` binds the functions again, which is harmless.",
)
def dimensions(world: World) -> str:
    """Bind the probe to an alarm that notifies nobody, and read the binding."""
    region = SHORT_REGIONS.get(world.account.region)
    if region is None:
        raise SkipError(f"Cloud Monitor's code for {world.account.region} is not known")
    policy = _alarm(world)
    bound = {"functionName": world.probe, "version": "$LATEST", "namespace": "default"}
    world.account.api(
        "monitor",
        "BindingPolicyObject",
        Module=MODULE,
        GroupId=0,
        PolicyId=policy,
        Dimensions=[{"Region": region, "Dimensions": json.dumps(bound)}],
    )
    listed = world.account.api(
        "monitor",
        "DescribeBindingPolicyObjectList",
        Module=MODULE,
        GroupId=0,
        PolicyId=policy,
        Limit=100,
        Offset=0,
    )["List"]
    returned = [json.loads(item["Dimensions"]) for item in listed]
    expect(returned == [bound], f"returned with the fields {[sorted(item) for item in returned]}")
    return "unchanged"


def _alarm(world: World) -> str:
    """Create an alarm that is off and notifies nobody; return its PolicyId."""
    name = world.name("alarm")
    world.scratch.announce("alarm", name)
    created = world.account.api(
        "monitor",
        "CreateAlarmPolicy",
        Module=MODULE,
        PolicyName=name,
        MonitorType="MT_QCE",
        Namespace=POLICY_TYPE,
        Enable=0,
        Condition={"IsUnionRule": 0, "Rules": [RULE]},
        NoticeIds=[],
    )
    return str(created["PolicyId"])
