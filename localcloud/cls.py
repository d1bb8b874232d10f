"""Cloud Log Service (CLS): logsets, topics, indexes, and alarms on logs."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud import schema
from localcloud.actions import ActionService, Json, Resources, check_one_of, now_text
from localcloud.core import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.tags import Tags

VERSION = "2020-10-16"
MAX_PERIOD, FOREVER = 3600, 3640  # days; https://cloud.tencent.com/document/product/614/56456
FIELD_TYPES = ("text", "long", "double", "json")
SCHEDULES = ("Period", "Fixed", "Cron")
CHANNELS = ("Http", "WeCom", "DingTalk", "Lark")
MAX_URL = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The names that the API uses for one kind of resource."""

    noun: str
    model: str
    id: str
    name: str
    plural: str
    conflict: str
    missing: str


LOGSET = Kind(
    noun="logset",
    model="LogsetInfo",
    id="LogsetId",
    name="LogsetName",
    plural="Logsets",
    conflict="InvalidParameter.LogsetConflict",
    missing="ResourceNotFound.LogsetNotExist",
)
TOPIC = Kind(
    noun="topic",
    model="TopicInfo",
    id="TopicId",
    name="TopicName",
    plural="Topics",
    conflict="InvalidParameter.TopicConflict",
    missing="ResourceNotFound.TopicNotExist",
)
ALARM = Kind(
    noun="alarm",
    model="AlarmInfo",
    id="AlarmId",
    name="Name",
    plural="Alarms",
    conflict="InvalidParameter.AlarmConflict",
    missing="ResourceNotFound.AlarmNotExist",
)
NOTICE = Kind(
    noun="alarmNotice",
    model="AlarmNotice",
    id="AlarmNoticeId",
    name="Name",
    plural="AlarmNotices",
    conflict="InvalidParameter.AlarmNoticeConflict",
    missing="ResourceNotFound.AlarmNoticeNotExist",
)
WEB_CALLBACK = Kind(
    noun="webCallback",
    model="WebCallbackInfo",
    id="WebCallbackId",
    name="Name",
    plural="WebCallbacks",
    conflict="InvalidParameter.WebCallbackConflict",
    missing="ResourceNotFound.WebCallbackNotExist",
)


class Collection:
    """The resources of one kind, with the four actions that each kind has."""

    def __init__(self, kind: Kind, tags: Tags) -> None:
        self._kind = kind
        self._tags = tags
        self.resources = Resources(kind.noun, kind.missing)

    def create(self, params: Json) -> Json:
        """Carry out Create….

        Raises:
            ApiError: The name is in use.
        """
        kind = self._kind
        self._check_name(params, None)
        id_ = str(uuid.uuid4())
        now = now_text()
        fields = {name: value for name, value in params.items() if name != "Tags"}
        self.resources.add(id_, {**fields, kind.id: id_, "CreateTime": now, "UpdateTime": now})
        self._tags.put("cls", f"{kind.noun}/{id_}", params.get("Tags"))
        return {kind.id: id_}

    def describe(self, params: Json) -> Json:
        """Carry out Describe…; ids that do not exist are ignored."""
        filters = params.get("Filters") or []
        matching = [resource for resource in self.resources if _matches(resource, filters)]
        offset = params.get("Offset", 0)
        page = matching[offset : offset + params.get("Limit", 20)]
        resources = [self._fields(resource) for resource in page]
        return {self._kind.plural: resources, "TotalCount": len(matching)}

    def modify(self, params: Json) -> Json:
        """Carry out Modify…: fields without a parameter do not change.

        Raises:
            ApiError: The resource does not exist, or its new name is in use.
        """
        kind = self._kind
        resource = self.resources[params[kind.id]]
        self._check_name({**resource, **params}, resource)
        changes = {name: value for name, value in params.items() if name != "Tags"}
        resource.update(changes, UpdateTime=now_text())
        if "Tags" in params:
            self._tags.put("cls", f"{kind.noun}/{params[kind.id]}", params["Tags"])
        return {}

    def delete(self, params: Json) -> Json:
        """Carry out Delete….

        Raises:
            ApiError: The resource does not exist.
        """
        id_ = params[self._kind.id]
        self.resources.remove(id_)
        self._tags.remove("cls", f"{self._kind.noun}/{id_}")
        return {}

    def _check_name(self, fields: Json, resource: Json | None) -> None:
        """Raise if another resource has the name; topics of different logsets may share a name."""
        kind = self._kind
        for other in self.resources:
            has_same_name = all(
                other.get(key) == fields.get(key) for key in (kind.name, _scope(kind))
            )
            if other is not resource and has_same_name:
                raise ApiError(kind.conflict, f"{kind.noun} {fields[kind.name]} exists already")

    def _fields(self, resource: Json) -> Json:
        """Return the fields of the resource's model, without other parameters of its creation."""
        kind = self._kind
        tags = self._tags.of("cls", f"{kind.noun}/{resource[kind.id]}")
        fields = {name: resource.get(name) for name in schema.fields("cls", VERSION, kind.model)}
        return {**fields, "Tags": tags}


class Cls(ActionService):
    """CLS 2020-10-16: resources are checked and stored; no logs are collected."""

    name = "cls"
    version = VERSION

    def __init__(self, tags: Tags) -> None:
        self._logsets = Collection(LOGSET, tags)
        self._topics = Collection(TOPIC, tags)
        self._alarms = Collection(ALARM, tags)
        self._notices = Collection(NOTICE, tags)
        self._callbacks = Collection(WEB_CALLBACK, tags)
        self.topic_users: list[Callable[[str], str]] = []
        """Each returns which resource of another service uses a topic; empty if none does."""
        self._indexes = Resources("index of topic", "ResourceNotFound.IndexNotExist")
        super().__init__(
            {
                "CreateLogset": self._logsets.create,
                "DescribeLogsets": self._logsets.describe,
                "ModifyLogset": self._logsets.modify,
                "DeleteLogset": self._delete_logset,
                "CreateTopic": self._create_topic,
                "DescribeTopics": self._topics.describe,
                "ModifyTopic": self._modify_topic,
                "DeleteTopic": self._delete_topic,
                "CreateIndex": self._create_index,
                "DescribeIndex": self._describe_index,
                "ModifyIndex": self._modify_index,
                "DeleteIndex": self._delete_index,
                "CreateAlarm": self._create_alarm,
                "DescribeAlarms": self._alarms.describe,
                "ModifyAlarm": self._modify_alarm,
                "DeleteAlarm": self._alarms.delete,
                "CreateAlarmNotice": self._create_notice,
                "DescribeAlarmNotices": self._notices.describe,
                "ModifyAlarmNotice": self._modify_notice,
                "DeleteAlarmNotice": self._delete_notice,
                "CreateWebCallback": self._create_callback,
                "DescribeWebCallbacks": self._callbacks.describe,
                "ModifyWebCallback": self._modify_callback,
                "DeleteWebCallback": self._delete_callback,
            }
        )

    def has_topic(self, logset: str, topic: str) -> bool:
        """Whether the topic exists and is in this logset."""
        topics = self._topics.resources
        return topic in topics and topics[topic]["LogsetId"] == logset

    # Logsets and topics

    def _delete_logset(self, params: Json) -> Json:
        if any(topic["LogsetId"] == params["LogsetId"] for topic in self._topics.resources):
            raise ApiError("FailedOperation.LogsetNotEmpty", "the logset has topics")
        return self._logsets.delete(params)

    def _create_topic(self, params: Json) -> Json:
        self._logsets.resources.check(params["LogsetId"])
        _check_period(params)
        defaults = {
            "PartitionCount": 1,
            "AutoSplit": True,
            "MaxSplitPartitions": 50,
            "StorageType": "hot",
            "Period": 30,
            "Describes": "",
            "HotPeriod": 0,
            "Status": True,
            "Index": False,
            "IsWebTracking": False,
        }
        return self._topics.create({**defaults, **params})

    def _modify_topic(self, params: Json) -> Json:
        _check_period(params)
        return self._topics.modify(params)

    def _delete_topic(self, params: Json) -> Json:
        self._check_unused(params["TopicId"])
        if params["TopicId"] in self._indexes:
            self._indexes.remove(params["TopicId"])
        return self._topics.delete(params)

    def _check_unused(self, topic: str) -> None:
        if user := next((user for find in self.topic_users if (user := find(topic))), ""):
            raise ApiError("OperationDenied", f"{user} uses the topic")
        for alarm in self._alarms.resources:
            if any(target["TopicId"] == topic for target in alarm["AlarmTargets"]):
                raise ApiError("OperationDenied", f"the alarm {alarm['Name']} uses the topic")

    # The index of a topic

    def _create_index(self, params: Json) -> Json:
        topic = self._topics.resources[params["TopicId"]]
        if params["TopicId"] in self._indexes:
            raise ApiError("InvalidParameter.IndexConflict", "the topic has an index already")
        _check_rule(params)
        defaults = {"Status": True, "IncludeInternalFields": False, "MetadataFlag": 0}
        self._indexes.add(params["TopicId"], {**defaults, **params, "ModifyTime": now_text()})
        topic["Index"] = True
        return {}

    def _describe_index(self, params: Json) -> Json:
        self._topics.resources.check(params["TopicId"])
        return dict(self._indexes[params["TopicId"]])

    def _modify_index(self, params: Json) -> Json:
        _check_rule(params)
        self._indexes[params["TopicId"]].update(params, ModifyTime=now_text())
        return {}

    def _delete_index(self, params: Json) -> Json:
        self._indexes.remove(params["TopicId"])
        self._topics.resources[params["TopicId"]]["Index"] = False
        return {}

    # Alarms

    def _create_alarm(self, params: Json) -> Json:
        self._check_alarm(params)
        return self._alarms.create({"Status": True, **params})

    def _modify_alarm(self, params: Json) -> Json:
        self._check_alarm(params)
        return self._alarms.modify(params)

    def _check_alarm(self, params: Json) -> None:
        """Raise if an alarm refers to a topic or a notice that does not exist."""
        for target in params.get("AlarmTargets", []):
            self._topics.resources.check(target["TopicId"])
        for notice in params.get("AlarmNoticeIds", []):
            self._notices.resources.check(notice)
        if "MonitorTime" in params:
            check_one_of(params["MonitorTime"]["Type"], "MonitorTime.Type", SCHEDULES)

    def _create_notice(self, params: Json) -> Json:
        self._check_notice(params)
        return self._notices.create(params)

    def _modify_notice(self, params: Json) -> Json:
        self._check_notice(params)
        return self._notices.modify(params)

    def _check_notice(self, params: Json) -> None:
        """Raise if a callback of a notice has no valid address."""
        for callback in params.get("WebCallbacks") or []:
            check_one_of(callback["CallbackType"], "WebCallbacks.CallbackType", CHANNELS)
            if "Url" not in callback:
                raise ApiError("MissingParameter", "WebCallbacks.Url is missing")
            if callback.get("WebCallbackId"):
                self._callbacks.resources.check(callback["WebCallbackId"])
            else:
                _check_address(callback["Url"], "WebCallbacks.Url")

    # The addresses of chat robots

    def _create_callback(self, params: Json) -> Json:
        _check_callback(params)
        now = int(time.time())
        response = self._callbacks.create(params)
        resource = self._callbacks.resources[response["WebCallbackId"]]
        resource.update(CreateTime=now, UpdateTime=now)
        return response

    def _modify_callback(self, params: Json) -> Json:
        resource = self._callbacks.resources[params["WebCallbackId"]]
        _check_callback({**resource, **params})
        resource.update(params, UpdateTime=int(time.time()))
        return {}

    def _delete_callback(self, params: Json) -> Json:
        id_ = params["WebCallbackId"]
        for notice in self._notices.resources:
            if any(item.get("WebCallbackId") == id_ for item in notice.get("WebCallbacks") or []):
                raise ApiError("OperationDenied", f"the notice {notice['Name']} uses the callback")
        return self._callbacks.delete(params)

    def _delete_notice(self, params: Json) -> Json:
        id_ = params["AlarmNoticeId"]
        if any(id_ in alarm.get("AlarmNoticeIds", []) for alarm in self._alarms.resources):
            raise ApiError("OperationDenied.NoticeHasAlarm", "an alarm uses the notice")
        return self._notices.delete(params)


def _scope(kind: Kind) -> str:
    """Return the field within whose value names are unique."""
    return "LogsetId" if kind is TOPIC else kind.name


def _matches(resource: Json, filters: list[Json]) -> bool:
    """Whether a resource matches all filters; their keys are `logsetId`, `topicName` and so on."""
    allowed = {item["Key"][0].upper() + item["Key"][1:]: item["Values"] for item in filters}
    if unknown := [field for field in allowed if field not in resource]:
        raise ApiError("InvalidParameterValue", f"Filters.Key {unknown[0]} is not supported")
    return all(resource[field] in values for field, values in allowed.items())


def _check_callback(params: Json) -> None:
    check_one_of(params["Type"], "Type", CHANNELS)
    _check_address(params["Webhook"], "Webhook")
    if params["Type"] == "Http":
        check_one_of(params.get("Method"), "Method", ("POST", "PUT"))


def _check_address(url: str, field: str) -> None:
    if not url.startswith(("https://", "http://")) or len(url.encode()) > MAX_URL:
        raise ApiError("InvalidParameter", f"{field} must be a URL of at most {MAX_URL} bytes")


def _check_period(params: Json) -> None:
    period = params.get("Period", 1)
    if not 1 <= period <= MAX_PERIOD and period != FOREVER:
        raise ApiError(
            "InvalidParameterValue",
            f"Period is {period}; allowed: 1 to {MAX_PERIOD} days, or {FOREVER} for no expiry",
        )


def _check_rule(params: Json) -> None:
    rule = params.get("Rule") or {}
    for part in ("KeyValue", "Tag"):
        for field in (rule.get(part) or {}).get("KeyValues") or []:
            where = f"Rule.{part}.KeyValues: Type of {field['Key']}"
            check_one_of(field["Value"]["Type"], where, FIELD_TYPES)
