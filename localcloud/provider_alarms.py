"""The Cloud Monitor resources of the provider's twin: notices, policies and their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.provider_inputs import Cloud, Inputs, State

MODULE = "monitor"
SHORT_REGIONS = {
    "ap-beijing": "bj",
    "ap-chengdu": "cd",
    "ap-guangzhou": "gz",
    "ap-hongkong": "hk",
    "ap-shanghai": "sh",
    "ap-singapore": "sg",
    "ap-tokyo": "jp",
}
"""Cloud Monitor's region codes, for regions in which the provider and SCF use the same code."""


_NO_PHONE_CALLS = {
    "PhoneCircleTimes": 0,
    "PhoneInnerInterval": 0,
    "PhoneCircleInterval": 0,
    "NeedPhoneArriveNotice": 0,
    "PhoneCallType": "",
}


def create_notice(cloud: Cloud, inputs: Inputs) -> State:
    """Create the receivers of alarms on metrics."""
    users = [
        {
            "ReceiverType": user["receiverType"],
            "UserIds": [int(id_) for id_ in user["userIds"]],
            "NoticeWay": user["noticeWays"],
            "StartTime": int(user["startTime"]),
            "EndTime": int(user["endTime"]),
            "Weekday": [int(day) for day in user["weekdays"]],
            **_NO_PHONE_CALLS,
        }
        for user in inputs.get("userNotices", [])
    ]
    urls = [
        {
            "URL": notice["url"],
            "IsValid": int(notice.get("isValid", 0)),
            "StartTime": int(notice.get("startTime", 0)),
            "EndTime": int(notice.get("endTime", 0)),
            "Weekday": [int(day) for day in notice.get("weekdays", [])],
        }
        for notice in inputs.get("urlNotices", [])
    ]
    id_ = cloud.call(
        "monitor",
        "CreateAlarmNotice",
        Module=MODULE,
        Name=inputs["name"],
        NoticeType=inputs["noticeType"],
        NoticeLanguage=inputs["noticeLanguage"],
        **({"UserNotices": users} if users else {}),
        **({"URLNotices": urls} if urls else {}),
    )["NoticeId"]
    cloud.call(
        "monitor",
        "DescribeAlarmNotices",
        Module=MODULE,
        PageNumber=1,
        PageSize=200,
        Order="ASC",
        NoticeIds=[id_],
    )
    return id_, {}


def create_policy(cloud: Cloud, inputs: Inputs) -> State:
    """Create a policy with its conditions; its objects are bound later."""
    conditions = inputs["conditions"]
    id_ = cloud.call(
        "monitor",
        "CreateAlarmPolicy",
        Module=MODULE,
        PolicyName=inputs["policyName"],
        MonitorType=inputs["monitorType"],
        Namespace=inputs["namespace"],
        Enable=int(inputs["enable"]),
        Condition={
            "IsUnionRule": int(conditions["isUnionRule"]),
            "Rules": [_rule(rule) for rule in conditions["rules"]],
        },
        NoticeIds=inputs["noticeIds"],
    )["PolicyId"]
    _describe(cloud, id_)
    return id_, {}


def bind_objects(cloud: Cloud, inputs: Inputs) -> State:
    """Bind functions to a policy."""
    id_ = inputs["policyId"]
    _describe(cloud, id_)
    dimensions = [
        {
            "Region": SHORT_REGIONS[item.get("region") or cloud.region],
            "Dimensions": item["dimensionsJson"],
        }
        for item in inputs["dimensions"]
    ]
    cloud.call(
        "monitor",
        "BindingPolicyObject",
        Module=MODULE,
        GroupId=0,
        PolicyId=id_,
        Dimensions=dimensions,
    )
    group_id = int(_describe(cloud, id_)["OriginId"])
    cloud.call("monitor", "DescribePolicyObjectCount", Module=MODULE, GroupId=group_id)
    cloud.call(
        "monitor",
        "DescribeBindingPolicyObjectList",
        Module=MODULE,
        GroupId=0,
        PolicyId=id_,
        Limit=100,
        Offset=0,
    )
    return id_, {}


def _describe(cloud: Cloud, policy: str) -> dict[str, Any]:
    response = cloud.call("monitor", "DescribeAlarmPolicy", Module=MODULE, PolicyId=policy)
    policy_fields: dict[str, Any] = response["Policy"]
    return policy_fields


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "MetricName": rule["metricName"],
        "Period": int(rule["period"]),
        "Operator": rule["operator"],
        "Value": rule["value"],
        "ContinuePeriod": int(rule["continuePeriod"]),
        "NoticeFrequency": int(rule["noticeFrequency"]),
        "IsPowerNotice": int(rule["isPowerNotice"]),
        "Description": rule.get("description", ""),
        "Unit": rule.get("unit", ""),
        "RuleType": rule["ruleType"],
    }
