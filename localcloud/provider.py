"""A twin of Pulumi's Tencent Cloud provider, for programs that run under Pulumi's mocks.

To create a resource, the twin sends the calls that were recorded from the real provider
(terraform-provider-tencentcloud 1.82.42 in tencentcloud_iac_pulumi 0.2.3), in the same order and
with the same bodies, through the official SDKs. It leaves out the provider's fixed sleeps. It
keeps no state: a resource that exists already is used.
"""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from qcloud_cos import CosServiceError
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from localcloud import provider_alarms, provider_gateway, provider_logs
from localcloud.cos import xml
from localcloud.provider_inputs import api_fields, key_list, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.provider_inputs import Cloud, Inputs, State

CREATE_FUNCTIONS: dict[str, Callable[[Cloud, Inputs], State]] = {
    "tencentcloud:ApiGateway/api:Api": provider_gateway.create_api,
    "tencentcloud:ApiGateway/service:Service": provider_gateway.create_service,
    "tencentcloud:ApiGateway/serviceRelease:ServiceRelease": provider_gateway.release,
    "tencentcloud:Cls/alarm:Alarm": provider_logs.create_alarm,
    "tencentcloud:Cls/alarmNotice:AlarmNotice": provider_logs.create_alarm_notice,
    "tencentcloud:Cls/index:Index": provider_logs.create_index,
    "tencentcloud:Cls/logset:Logset": provider_logs.create_logset,
    "tencentcloud:Cls/topic:Topic": provider_logs.create_topic,
    "tencentcloud:Cls/webCallback:WebCallback": provider_logs.create_web_callback,
    "tencentcloud:Monitor/alarmNotice:AlarmNotice": provider_alarms.create_notice,
    "tencentcloud:Monitor/alarmPolicy:AlarmPolicy": provider_alarms.create_policy,
    "tencentcloud:Monitor/policyBindingObject:PolicyBindingObject": provider_alarms.bind_objects,
}
"""The resources of the other provider modules: logs, alarms, API Gateway."""

NAME_IN_USE = frozenset({"InvalidParameterValue.Name", "InvalidParameter.RoleNameInUse"})
"""The error codes of VOD and CAM for a name that is in use."""
BUCKET_SETTINGS = (
    *("acl", "website", "encryption", "versioning", "accelerate", "cors", "lifecycle", "logging"),
    *("tagging", "intelligenttiering"),
)
"""The settings that the provider reads from a bucket."""


class ProviderTwin(pulumi.runtime.Mocks):
    """Creates the resources of a program in a local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._create_functions: dict[str, Callable[[Inputs], State]] = {
            **{typ: functools.partial(create, cloud) for typ, create in CREATE_FUNCTIONS.items()},
            "tencentcloud:Cam/policy:Policy": self._policy,
            "tencentcloud:Cam/role:Role": self._role,
            "tencentcloud:Cam/rolePolicyAttachment:RolePolicyAttachment": self._attachment,
            "tencentcloud:Cam/rolePolicyAttachmentByName:RolePolicyAttachmentByName": (
                self._attachment_by_name
            ),
            "tencentcloud:Cos/bucket:Bucket": self._bucket,
            "tencentcloud:Scf/function:Function": self._function,
            "tencentcloud:Scf/functionEventInvokeConfig:FunctionEventInvokeConfig": (
                self._event_invoke_config
            ),
            "tencentcloud:Scf/reservedConcurrencyConfig:ReservedConcurrencyConfig": (
                self._reservation
            ),
            "tencentcloud:Vod/eventConfig:EventConfig": self._event_config,
            "tencentcloud:Vod/subApplication:SubApplication": self._sub_application,
        }

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> State:
        """Create a resource; a component has no calls of the API."""
        inputs = unwrapped(args.inputs)
        if not args.custom:
            return "", inputs
        if args.typ not in self._create_functions:
            raise NotImplementedError(f"the provider's twin does not support {args.typ}")
        id_, outputs = self._create_functions[args.typ](inputs)
        return id_, {**inputs, **outputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return the result of a data source."""
        if args.token == "tencentcloud:User/getInfo:getInfo":  # noqa: S105
            return self._user_info(), []
        if args.token == "tencentcloud:Cam/getRoles:getRoles":  # noqa: S105
            return self._roles(unwrapped(args.args).get("name")), []
        raise NotImplementedError(f"the provider's twin does not support {args.token}")

    # CAM

    def _user_info(self) -> dict[str, Any]:
        account = self._cloud.call("cam", "GetUserAppId")
        users = self._cloud.call(
            "cam", "DescribeSubAccounts", FilterSubAccountUin=[int(account["Uin"])]
        )
        return {
            "id": account["Uin"],
            "appId": str(account["AppId"]),
            "uin": account["Uin"],
            "ownerUin": account["OwnerUin"],
            "name": users["SubAccounts"][0]["Name"],
        }

    def _roles(self, name: str | None) -> dict[str, Any]:
        roles = self._cloud.call("cam", "DescribeRoleList", Page=1, Rp=200)["List"]
        outputs = [
            {
                "roleId": role["RoleId"],
                "name": role["RoleName"],
                "document": role["PolicyDocument"],
                "description": role["Description"],
                "consoleLogin": bool(role["ConsoleLogin"]),
                "createTime": role["AddTime"],
                "updateTime": role["UpdateTime"],
            }
            for role in roles
            if name in {None, role["RoleName"]}
        ]
        return {"id": name or "roles", "name": name, "roleLists": outputs}

    def _role(self, inputs: Inputs) -> State:
        self._create_if_absent(
            "cam",
            "CreateRole",
            RoleName=inputs["name"],
            PolicyDocument=inputs["document"],
            **api_fields(inputs, Description="description"),
        )
        role = self._find_role(inputs["name"])
        self._cloud.tag("cam", "role", role["RoleId"], inputs.get("tags", {}))
        self._find_role(inputs["name"])
        self._cloud.read_tags("cam", "role", role["RoleId"])
        return role["RoleId"], {"roleArn": role["RoleArn"]}

    def _find_role(self, name: str) -> dict[str, Any]:
        roles = self._cloud.call("cam", "DescribeRoleList", Page=1, Rp=200)["List"]
        role: dict[str, Any] = next(role for role in roles if role["RoleName"] == name)
        return role

    def _policy(self, inputs: Inputs) -> State:
        response = self._cloud.call(
            "cam",
            "CreatePolicy",
            PolicyName=inputs["name"],
            PolicyDocument=inputs["document"],
            **api_fields(inputs, Description="description"),
        )
        policy_id = response["PolicyId"]
        for _ in range(2):
            policy = self._cloud.call("cam", "GetPolicy", PolicyId=policy_id)
        return str(policy_id), {"type": policy["Type"], "createTime": policy["AddTime"]}

    def _attachment(self, inputs: Inputs) -> State:
        role, policy = inputs["roleId"], inputs["policyId"]
        self._cloud.call("cam", "AttachRolePolicy", PolicyId=int(policy), AttachRoleId=role)
        for _ in range(2):
            self._cloud.call("cam", "ListAttachedRolePolicies", Page=1, Rp=200, RoleId=role)
        return f"{role}#{policy}", {}

    def _attachment_by_name(self, inputs: Inputs) -> State:
        role, policy = inputs["roleName"], inputs["policyName"]
        self._cloud.call("cam", "AttachRolePolicy", AttachRoleName=role, PolicyName=policy)
        for _ in range(2):
            self._cloud.call("cam", "ListAttachedRolePolicies", Page=1, Rp=200, RoleName=role)
        return f"{role}#{policy}", {}

    # COS

    def _bucket(self, inputs: Inputs) -> State:
        name, request = inputs["bucket"], self._cloud.bucket
        acl = inputs.get("acl", "private")
        location = xml.document(
            "CreateBucketConfiguration", {"LocationConstraint": self._cloud.region}
        )
        try:
            request("PUT", name, "", location, acl=acl)
        except CosServiceError as error:
            if error.get_error_code() != "BucketAlreadyOwnedByYou":
                raise
        self._tag_bucket(name, inputs.get("tags", {}))
        request("GET", name, "acl")
        request("PUT", name, "acl", acl=acl)
        if rules := inputs.get("corsRules"):
            request(
                "PUT",
                name,
                "cors",
                xml.document("CORSConfiguration", {"CORSRule": [*map(_cors, rules)]}),
            )
        if rules := inputs.get("lifecycleRules"):
            content = {"Rule": [_lifecycle(rule) for rule in rules]}
            request("PUT", name, "lifecycle", xml.document("LifecycleConfiguration", content))
        self._tag_bucket(name, inputs.get("tags", {}))
        self._read_bucket(name)
        return name, {"cosBucketUrl": f"{name}.cos.{self._cloud.region}.myqcloud.com"}

    def _tag_bucket(self, name: str, tags: dict[str, str]) -> None:
        """Replace a bucket's tags; the provider does it after the creation and the update."""
        if tags:
            self._cloud.bucket("DELETE", name, "tagging")
            content = {"TagSet": {"Tag": key_list(tags)}}
            self._cloud.bucket("PUT", name, "tagging", xml.document("Tagging", content))

    def _read_bucket(self, name: str) -> None:
        self._cloud.bucket("HEAD", name)
        for setting in BUCKET_SETTINGS:
            try:
                self._cloud.bucket("GET", name, setting)
            except CosServiceError as error:
                if error.get_status_code() != 404:  # noqa: PLR2004  the provider ignores an absent setting
                    raise

    # SCF

    def _function(self, inputs: Inputs) -> State:
        name = {"FunctionName": inputs["name"], "Namespace": inputs.get("namespace", "default")}
        self._cloud.call("scf", "CreateFunction", **name, **_function_settings(inputs))
        self._wait_until_active(name)
        for trigger in inputs.get("triggers", []):
            self._cloud.call(
                "scf",
                "CreateTrigger",
                **name,
                TriggerName=_trigger_name(trigger),
                Type=trigger["type"],
                TriggerDesc=trigger["triggerDesc"],
                Enable="OPEN",
            )
        for _ in range(2):
            state = self._cloud.call("scf", "GetFunction", **name)
        return "+".join([name["Namespace"], name["FunctionName"]]), _function_outputs(state)

    def _wait_until_active(self, name: dict[str, Any]) -> None:
        while (status := self._cloud.call("scf", "GetFunction", **name)["Status"]) != "Active":
            if status not in {"Creating", "Updating"}:
                raise RuntimeError(f"function {name['FunctionName']} is {status}, not Active")

    def _event_invoke_config(self, inputs: Inputs) -> State:
        name = {"FunctionName": inputs["functionName"], "Namespace": inputs["namespace"]}
        settings = inputs["asyncTriggerConfig"]
        retries = [{"RetryNum": int(item["retryNum"])} for item in settings["retryConfigs"]]
        config = {"RetryConfig": retries, "MsgTTL": int(settings["msgTtl"])}
        self._cloud.call(
            "scf", "UpdateFunctionEventInvokeConfig", **name, AsyncTriggerConfig=config
        )
        self._cloud.call("scf", "GetFunctionEventInvokeConfig", **name)
        return f"{name['FunctionName']}#{name['Namespace']}", {}

    def _reservation(self, inputs: Inputs) -> State:
        name = {"FunctionName": inputs["functionName"], "Namespace": inputs["namespace"]}
        megabytes = int(inputs["reservedConcurrencyMem"])
        self._cloud.call(
            "scf", "PutReservedConcurrencyConfig", **name, ReservedConcurrencyMem=megabytes
        )
        self._cloud.call("scf", "GetReservedConcurrencyConfig", **name)
        return f"{name['Namespace']}#{name['FunctionName']}", {}

    # VOD

    def _sub_application(self, inputs: Inputs) -> State:
        name = inputs["name"]
        response = self._create_if_absent(
            "vod", "CreateSubAppId", Name=name, **api_fields(inputs, Description="description")
        )
        sub_app_id = (response or self._application(name))["SubAppId"]
        self._cloud.call(
            "vod", "ModifySubAppIdStatus", SubAppId=sub_app_id, Status=inputs["status"]
        )
        return f"{name}#{sub_app_id}", {"createTime": self._application(name)["CreateTime"]}

    def _application(self, name: str) -> dict[str, Any]:
        items = self._cloud.call("vod", "DescribeSubAppIds", Name=name)["SubAppIdInfoSet"]
        application: dict[str, Any] = next(item for item in items if item["Name"] == name)
        return application

    def _event_config(self, inputs: Inputs) -> State:
        sub_app_id = int(inputs["subAppId"])
        settings = api_fields(inputs, Mode="mode", NotificationUrl="notificationUrl")
        self._cloud.call("vod", "ModifyEventConfig", **settings, SubAppId=sub_app_id)
        self._cloud.call("vod", "DescribeEventConfig", SubAppId=sub_app_id)
        return str(sub_app_id), {}

    def _create_if_absent(self, service: str, action: str, **params: Any) -> dict[str, Any] | None:  # noqa: ANN401
        """Create a resource; None if an earlier run with the same data folder created it."""
        try:
            return self._cloud.call(service, action, **params)
        except TencentCloudSDKException as error:
            if error.code not in NAME_IN_USE:
                raise
        return None


def _cors(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "AllowedOrigin": rule["allowedOrigins"],
        "AllowedMethod": rule["allowedMethods"],
        "AllowedHeader": rule["allowedHeaders"],
        "MaxAgeSeconds": str(int(rule["maxAgeSeconds"])),
    }


def _lifecycle(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "ID": rule.get("id", ""),
        "Status": "Enabled",
        "Filter": {"Prefix": rule["filterPrefix"]},
        "Expiration": {"Days": int(rule["expiration"]["days"])},
    }


def _function_settings(inputs: Inputs) -> dict[str, Any]:
    variables = [
        {"Key": key, "Value": value} for key, value in inputs.get("environment", {}).items()
    ]
    code = base64.b64encode(Path(inputs["zipFile"]).read_bytes()).decode()
    public = "ENABLE" if inputs.get("enablePublicNet") else "DISABLE"
    return {
        "Code": {"ZipFile": code},
        "Handler": inputs["handler"],
        "Description": inputs.get("description", ""),
        "MemorySize": int(inputs.get("memSize", 128)),
        "Timeout": int(inputs.get("timeout", 3)),
        **({"Environment": {"Variables": variables}} if variables else {}),
        "Runtime": inputs["runtime"],
        **api_fields(inputs, Role="role", ClsLogsetId="clsLogsetId", ClsTopicId="clsTopicId"),
        **({"Tags": key_list(tags)} if (tags := inputs.get("tags")) else {}),
        "Type": inputs.get("funcType", "Event"),
        "PublicNetConfig": {"PublicNetStatus": public, "EipConfig": {"EipStatus": "DISABLE"}},
    }


def _trigger_name(trigger: dict[str, Any]) -> str:
    name = str(trigger["name"])
    if trigger["type"] != "cos":
        return name
    return f"{name}.cos.{trigger['cosRegion']}.myqcloud.com"


def _function_outputs(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "functionId": state["FunctionId"],
        "status": state["Status"],
        "modifyTime": state["ModTime"],
        "codeSize": state["CodeSize"],
        "triggerInfos": [
            {
                "name": trigger["TriggerName"],
                "type": trigger["Type"],
                "triggerDesc": _trigger_desc(trigger),
                "enable": bool(trigger["Enable"]),
                "createTime": trigger["AddTime"],
                "modifyTime": trigger["ModTime"],
                "customArgument": trigger["CustomArgument"],
            }
            for trigger in state["Triggers"]
        ],
    }


def _trigger_desc(trigger: dict[str, Any]) -> str:
    desc = str(trigger["TriggerDesc"])
    return str(json.loads(desc)["cron"]) if trigger["Type"] == "timer" else desc
