"""CLS as the provider's twin creates it: logset, topic, index, and alarms on what is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.provider_inputs import given, key_list

if TYPE_CHECKING:
    from localcloud.provider_inputs import Cloud, Inputs, State


def create_logset(cloud: Cloud, inputs: Inputs) -> State:
    """Make a logset; its tags come in a second call."""
    id_ = cloud.call("cls", "CreateLogset", LogsetName=inputs["logsetName"])["LogsetId"]
    cloud.tag("cls", "logset", id_, inputs.get("tags", {}))
    _read(cloud, "DescribeLogsets", "logsetId", id_)
    cloud.read_tags("cls", "logset", id_)
    return id_, {}


def create_topic(cloud: Cloud, inputs: Inputs) -> State:
    """Make a topic, tags and all."""
    tags = inputs.get("tags", {})
    id_ = cloud.call(
        "cls",
        "CreateTopic",
        LogsetId=inputs["logsetId"],
        TopicName=inputs["topicName"],
        Period=int(inputs["period"]),
        Describes=inputs.get("describes", ""),
        **({"Tags": key_list(tags)} if tags else {}),
    )["TopicId"]
    _read(cloud, "DescribeTopics", "topicId", id_)
    return id_, {}


def create_index(cloud: Cloud, inputs: Inputs) -> State:
    """Give a topic its one index, which has the topic's id."""
    id_, rule = inputs["topicId"], inputs["rule"]
    full_text, key_value = rule["fullText"], rule["keyValue"]
    cloud.call(
        "cls",
        "CreateIndex",
        TopicId=id_,
        Status=inputs["status"],
        Rule={
            "FullText": {
                "CaseSensitive": full_text["caseSensitive"],
                "Tokenizer": full_text["tokenizer"],
                "ContainZH": full_text["containZH"],
            },
            "KeyValue": {
                "CaseSensitive": key_value["caseSensitive"],
                "KeyValues": [_field(one) for one in key_value["keyValues"]],
            },
        },
    )
    cloud.call("cls", "DescribeIndex", TopicId=id_)
    return id_, {}


def create_alarm_notice(cloud: Cloud, inputs: Inputs) -> State:
    """Say who hears of alarms on logs."""
    receivers = [
        {
            "ReceiverType": one["receiverType"],
            "ReceiverIds": [int(id_) for id_ in one["receiverIds"]],
            "ReceiverChannels": one["receiverChannels"],
            **given(one, StartTime="startTime", EndTime="endTime"),
        }
        for one in inputs["noticeReceivers"]
    ]
    id_ = cloud.call(
        "cls",
        "CreateAlarmNotice",
        Name=inputs["name"],
        Type=inputs["type"],
        NoticeReceivers=receivers,
    )["AlarmNoticeId"]
    cloud.tag("cls", "alarmNotice", id_, inputs.get("tags", {}))
    _read(cloud, "DescribeAlarmNotices", "alarmNoticeId", id_, limit=20)
    cloud.read_tags("cls", "alarmNotice", id_)
    return id_, {}


def create_alarm(cloud: Cloud, inputs: Inputs) -> State:
    """Look for something in the logs again and again."""
    id_ = cloud.call(
        "cls",
        "CreateAlarm",
        Name=inputs["name"],
        AlarmTargets=[_target(one) for one in inputs["alarmTargets"]],
        MonitorTime={
            "Type": inputs["monitorTime"]["type"],
            "Time": int(inputs["monitorTime"]["time"]),
        },
        Condition=inputs["condition"],
        AlarmLevel=int(inputs.get("alarmLevel", 0)),
        TriggerCount=int(inputs["triggerCount"]),
        AlarmPeriod=int(inputs["alarmPeriod"]),
        AlarmNoticeIds=inputs["alarmNoticeIds"],
        Status=inputs["status"],
    )["AlarmId"]
    cloud.tag("cls", "alarm", id_, inputs.get("tags", {}))
    _read(cloud, "DescribeAlarms", "alarmId", id_, limit=20)
    cloud.read_tags("cls", "alarm", id_)
    return id_, {}


def _read(cloud: Cloud, action: str, key: str, id_: str, limit: int = 100) -> None:
    cloud.call("cls", action, Filters=[{"Key": key, "Values": [id_]}], Offset=0, Limit=limit)


def _field(entry: dict[str, Any]) -> dict[str, Any]:
    value = entry["value"]
    return {
        "Key": entry["key"],
        "Value": {
            "Type": value["type"],
            "Tokenizer": value["tokenizer"],
            "SqlFlag": value["sqlFlag"],
            "ContainZH": value["containZH"],
        },
    }


def _target(target: dict[str, Any]) -> dict[str, Any]:
    return {
        "LogsetId": target["logsetId"],
        "TopicId": target["topicId"],
        "Query": target["query"],
        "Number": int(target["number"]),
        "StartTimeOffset": int(target["startTimeOffset"]),
        "EndTimeOffset": int(target["endTimeOffset"]),
        "SyntaxRule": int(target["syntaxRule"]),
    }
