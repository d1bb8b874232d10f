"""The CLS resources of the provider's twin: logset, topic, index, and alarms on logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.provider_inputs import api_fields, key_list

if TYPE_CHECKING:
    from localcloud.provider_inputs import Cloud, Inputs, State


def create_logset(cloud: Cloud, inputs: Inputs) -> State:
    """Create a logset; a second call sets its tags."""
    id_ = cloud.call("cls", "CreateLogset", LogsetName=inputs["logsetName"])["LogsetId"]
    cloud.tag("cls", "logset", id_, inputs.get("tags", {}))
    _read(cloud, "DescribeLogsets", "logsetId", id_)
    cloud.read_tags("cls", "logset", id_)
    return id_, {}


def create_topic(cloud: Cloud, inputs: Inputs) -> State:
    """Create a topic with its tags."""
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
    """Create the index of a topic; its id is the topic's."""
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
                "KeyValues": [_field(entry) for entry in key_value["keyValues"]],
            },
        },
    )
    cloud.call("cls", "DescribeIndex", TopicId=id_)
    return id_, {}


def create_alarm_notice(cloud: Cloud, inputs: Inputs) -> State:
    """Create the receivers of alarms on logs."""
    receivers = [
        {
            "ReceiverType": receiver["receiverType"],
            "ReceiverIds": [int(id_) for id_ in receiver["receiverIds"]],
            "ReceiverChannels": receiver["receiverChannels"],
            **api_fields(receiver, StartTime="startTime", EndTime="endTime"),
        }
        for receiver in inputs.get("noticeReceivers", [])
    ]
    callbacks = [
        {
            "CallbackType": callback["callbackType"],
            "Url": callback["url"],
            "RemindType": int(callback.get("remindType", 0)),
            "Body": "",
            **api_fields(callback, WebCallbackId="webCallbackId"),
        }
        for callback in inputs.get("webCallbacks", [])
    ]
    id_ = cloud.call(
        "cls",
        "CreateAlarmNotice",
        Name=inputs["name"],
        Type=inputs["type"],
        **({"NoticeReceivers": receivers} if receivers else {}),
        **({"WebCallbacks": callbacks} if callbacks else {}),
    )["AlarmNoticeId"]
    cloud.tag("cls", "alarmNotice", id_, inputs.get("tags", {}))
    _read(cloud, "DescribeAlarmNotices", "alarmNoticeId", id_, limit=20)
    cloud.read_tags("cls", "alarmNotice", id_)
    return id_, {}


def create_web_callback(cloud: Cloud, inputs: Inputs) -> State:
    """Create the address of a chat robot, with the key of its signature."""
    id_ = cloud.call(
        "cls",
        "CreateWebCallback",
        Name=inputs["name"],
        Type=inputs["type"],
        Webhook=inputs["webhook"],
        **api_fields(inputs, Key="key"),
    )["WebCallbackId"]
    cloud.call("cls", "DescribeWebCallbacks", Filters=[{"Key": "webCallbackId", "Values": [id_]}])
    return id_, {}


def create_alarm(cloud: Cloud, inputs: Inputs) -> State:
    """Create an alarm, which queries the logs at an interval."""
    id_ = cloud.call(
        "cls",
        "CreateAlarm",
        Name=inputs["name"],
        AlarmTargets=[_target(target) for target in inputs["alarmTargets"]],
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
