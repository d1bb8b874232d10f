"""Cloud Monitor: alarm policies, their objects and their notices."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

from localcloud.actions import ActionService, Json, Resources, check_one_of, new_id, now_text
from localcloud.core import ApiError

if TYPE_CHECKING:
    from localcloud.core import Account, Caller

MAX_NAME = 60
MAX_URL, MAX_URLS = 256, 6  # https://cloud.tencent.com/document/api/248/51281
# The documented values: https://cloud.tencent.com/document/product/248/51283
OPERATORS = (
    *("intelligent", "eq", "ge", "gt", "le", "lt", "ne", "re"),
    *("day_increase", "day_decrease", "day_wave"),
    *("week_increase", "week_decrease", "week_wave"),
    *("cycle_increase", "cycle_decrease", "cycle_wave"),
)
NOTICE_TYPES = ("ALARM", "OK", "ALL")
LANGUAGES = ("zh-CN", "en-US")

_INFO = {"NAME": "PolicyName", "REMARK": "Remark"}


class Monitor(ActionService):
    """Monitor 2018-07-24: resources are checked and stored; nothing is measured."""

    name = "monitor"
    version = "2018-07-24"

    def __init__(self, account: Account) -> None:
        self._uin = account.uin
        self._origin_ids = itertools.count(4739573)
        self._policies = Resources("alarm policy", "ResourceNotFound")
        self._notices = Resources("alarm notice", "ResourceNotFound")
        self._objects: dict[str, dict[str, Json]] = {}
        super().__init__(
            {
                "CreateAlarmPolicy": self._create_policy,
                "DescribeAlarmPolicy": self._describe_policy,
                "DescribeAlarmPolicies": self._describe_policies,
                "ModifyAlarmPolicyInfo": self._modify_info,
                "ModifyAlarmPolicyStatus": self._modify_policy,
                "ModifyAlarmPolicyCondition": self._modify_policy,
                "ModifyAlarmPolicyNotice": self._modify_policy,
                "ModifyAlarmPolicyTasks": self._modify_policy,
                "DeleteAlarmPolicy": self._delete_policies,
                "BindingPolicyTag": self._bind_tag,
                "BindingPolicyObject": self._bind,
                "DescribePolicyObjectCount": self._count_objects,
                "DescribeBindingPolicyObjectList": self._list_objects,
                "UnBindingPolicyObject": self._unbind,
                "UnBindingAllPolicyObject": self._unbind_all,
                "CreateAlarmNotice": self._create_notice,
                "DescribeAlarmNotices": self._describe_notices,
                "ModifyAlarmNotice": self._modify_notice,
                "DeleteAlarmNotices": self._delete_notices,
            }
        )

    def call(self, action: str, params: Json, caller: Caller) -> Json:
        """Carry out an action.

        Raises:
            ApiError: The service refuses.
        """
        check_one_of(params.get("Module"), "Module", ("monitor",))
        return super().call(action, params, caller)

    # Policies

    def _create_policy(self, params: Json) -> Json:
        _check_name("PolicyName", params["PolicyName"])
        check_one_of(params["MonitorType"], "MonitorType", ("MT_QCE",))
        self._check_policy(params)
        id_, now = new_id("policy"), int(time.time())
        policy = {
            "PolicyId": id_,
            "OriginId": str(next(self._origin_ids)),
            "Remark": "",
            "Enable": 1,
            "ProjectId": -1,
            # The provider reads both fields without checking that they exist.
            "Condition": {"IsUnionRule": 0, "Rules": []},
            "EventCondition": {"Rules": []},
            "NoticeIds": [],
            "TriggerTasks": [],
            "TagInstances": [],
            "InsertTime": now,
            "UpdateTime": now,
            "LastEditUin": self._uin,
        }
        self._policies.add(id_, {**policy, **_stored_fields(params)})
        self._objects[id_] = {}
        return {"PolicyId": id_, "OriginId": policy["OriginId"]}

    def _describe_policy(self, params: Json) -> Json:
        exists = params["PolicyId"] in self._policies
        return {"Policy": self._policies[params["PolicyId"]] if exists else None}

    def _describe_policies(self, params: Json) -> Json:
        name_part = params.get("PolicyName", "")
        matching = [policy for policy in self._policies if name_part in policy["PolicyName"]]
        return {"TotalCount": len(matching), "Policies": _page(matching, params)}

    def _modify_info(self, params: Json) -> Json:
        check_one_of(params["Key"], "Key", _INFO)
        self._policies[params["PolicyId"]][_INFO[params["Key"]]] = params["Value"]
        return {}

    def _modify_policy(self, params: Json) -> Json:
        self._check_policy(params)
        self._policies[params["PolicyId"]].update(
            _stored_fields(params), UpdateTime=int(time.time())
        )
        return {}

    def _delete_policies(self, params: Json) -> Json:
        for id_ in params["PolicyIds"]:
            self._policies.remove(id_)
            del self._objects[id_]
        return {}

    def _check_policy(self, params: Json) -> None:
        for notice in params.get("NoticeIds", []):
            self._notices.check(notice)
        for part in ("Condition", "EventCondition"):
            for rule in (params.get(part) or {}).get("Rules", []):
                if rule.get("Operator"):
                    check_one_of(rule["Operator"], f"{part}.Rules: Operator", OPERATORS)

    def _bind_tag(self, params: Json) -> Json:
        tags = [params["Tag"]] if params.get("Tag") else params.get("BatchTag", [])
        self._policies[params["PolicyId"]]["TagInstances"] = tags
        return {}

    # The objects of a policy

    def _bind(self, params: Json) -> Json:
        objects = self._objects[self._policy_id(params)]
        for entry in params.get("Dimensions", []):
            dimensions = _parse_dimensions(entry.get("Dimensions"))
            id_ = hashlib.sha256(f"{entry['Region']}{dimensions}".encode()).hexdigest()[:32]
            objects[id_] = {
                "UniqueId": id_,
                "Region": entry["Region"],
                "Dimensions": dimensions,
                "IsShielded": 0,
            }
        return {}

    def _count_objects(self, params: Json) -> Json:
        objects = self._objects[self._policy_id(params)].values()
        counts = Counter(item["Region"] for item in objects)
        regions = [{"Region": region, "Count": count} for region, count in counts.items()]
        return {"IsMultiRegion": True, "RegionList": regions}

    def _list_objects(self, params: Json) -> Json:
        objects = list(self._objects[self._policy_id(params)].values())
        offset = params.get("Offset", 0)
        page = objects[offset : offset + params.get("Limit", 20)]
        return {"List": page, "Total": len(objects), "NoShieldedSum": len(objects)}

    def _unbind(self, params: Json) -> Json:
        for id_ in params["UniqueId"]:
            self._objects[self._policy_id(params)].pop(id_, None)
        return {}

    def _unbind_all(self, params: Json) -> Json:
        self._objects[self._policy_id(params)].clear()
        return {}

    def _policy_id(self, params: Json) -> str:
        """Return the PolicyId of a request, from PolicyId or from the older GroupId."""
        if params.get("PolicyId"):
            return str(self._policies[params["PolicyId"]]["PolicyId"])
        group_id = str(params.get("GroupId"))
        for policy in self._policies:
            if policy["OriginId"] == group_id:
                return str(policy["PolicyId"])
        raise ApiError("ResourceNotFound", f"there is no alarm policy {group_id}")

    # Notices

    def _create_notice(self, params: Json) -> Json:
        id_ = new_id("notice")
        self._notices.add(id_, {"Id": id_, "IsPreset": 0, **self._checked_notice(params)})
        return {"NoticeId": id_}

    def _describe_notices(self, params: Json) -> Json:
        ids, name_part = params.get("NoticeIds"), params.get("Name", "")
        matching = [
            {**notice, "PolicyIds": self._policies_with(notice["Id"])}
            for notice in self._notices
            if (not ids or notice["Id"] in ids) and name_part in notice["Name"]
        ]
        return {"TotalCount": len(matching), "Notices": _page(matching, params)}

    def _modify_notice(self, params: Json) -> Json:
        self._notices[params["NoticeId"]].update(self._checked_notice(params))
        return {}

    def _delete_notices(self, params: Json) -> Json:
        for id_ in params["NoticeIds"]:
            if policies := self._policies_with(id_):
                raise ApiError("ResourceInUse", f"notice {id_} is used by {', '.join(policies)}")
            self._notices.remove(id_)
        return {}

    def _checked_notice(self, params: Json) -> Json:
        _check_name("Name", params["Name"])
        check_one_of(params["NoticeType"], "NoticeType", NOTICE_TYPES)
        check_one_of(params["NoticeLanguage"], "NoticeLanguage", LANGUAGES)
        _check_urls(params.get("URLNotices") or [])
        receivers: Json = {"UserNotices": [], "URLNotices": [], "CLSNotices": []}
        fields = {
            name: value for name, value in params.items() if name not in {"Module", "NoticeId"}
        }
        return {**receivers, **fields, "UpdatedAt": now_text(), "UpdatedBy": self._uin}

    def _policies_with(self, notice: str) -> list[str]:
        return [policy["PolicyId"] for policy in self._policies if notice in policy["NoticeIds"]]


def _stored_fields(params: Json) -> Json:
    """Convert parameters to a policy's fields: groups have names, a template's id is text."""
    fields = {name: value for name, value in params.items() if name != "Module"}
    if "GroupBy" in fields:
        fields["GroupBy"] = [{"Id": id_, "Name": id_} for id_ in fields["GroupBy"]]
    if "ConditionTemplateId" in fields:
        fields["ConditionTemplateId"] = str(fields["ConditionTemplateId"])
    return fields


def _page(items: list[Json], params: Json) -> list[Json]:
    size = params.get("PageSize", 20)
    start = (params.get("PageNumber", 1) - 1) * size
    return items[start : start + size]


def _parse_dimensions(text: str | None) -> str:
    try:
        dimensions = json.loads(text or "")
    except ValueError:
        dimensions = None
    if not isinstance(dimensions, dict) or not dimensions:
        raise ApiError("InvalidParameterValue", f"Dimensions is {text!r}; allowed: a JSON object")
    return text or ""


def _check_urls(notices: list[Json]) -> None:
    if len(notices) > MAX_URLS:
        raise ApiError(
            "InvalidParameterValue", f"URLNotices has {len(notices)} items; allowed: {MAX_URLS}"
        )
    for notice in notices:
        url = notice["URL"]
        if not url.startswith(("https://", "http://", "SCF:")) or len(url) > MAX_URL:
            raise ApiError(
                "InvalidParameterValue",
                f"URLNotices.URL must be a URL of at most {MAX_URL} characters",
            )


def _check_name(field: str, name: str) -> None:
    if len(name) > MAX_NAME:
        raise ApiError(
            "InvalidParameterValue", f"{field} has {len(name)} characters; allowed: {MAX_NAME}"
        )
