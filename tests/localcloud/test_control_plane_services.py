"""Logs, alarms and API Gateway: create to destroy, with every refusal that a program can meet."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import requests

from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from tests.localcloud.clients import Api, as_the_sdk_reads_it, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[..., dict[str, Any]]

NO_PROXY = {"http": ""}
ECHO = """
import json

def main_handler(event, context):
    if event["path"] == "/bare":
        return {"images": 3}
    if event["path"] == "/raise":
        raise ValueError("no")
    return {"statusCode": 202, "headers": {"X-Path": event["path"]}, "body": json.dumps(event)}
"""


@pytest.fixture
def api() -> Iterator[Api]:
    with LocalCloud() as cloud, control_plane(cloud):
        yield Api(cloud)


def caller(api: Api, service: str) -> Call:
    """Return a caller of one service; it checks every answer against the SDK's models."""

    def call(action: str, **params: Any) -> dict[str, Any]:
        answer = api.call(service, action, **params)
        as_the_sdk_reads_it(service, action, answer)
        return answer

    return call


@pytest.fixture
def cls(api: Api) -> Call:
    return caller(api, "cls")


@pytest.fixture
def monitor(api: Api) -> Call:
    call = caller(api, "monitor")
    return lambda action, **params: call(action, Module="monitor", **params)


@pytest.fixture
def gateway(api: Api) -> Call:
    return caller(api, "apigateway")


@pytest.fixture
def scf(api: Api) -> Call:
    return caller(api, "scf")


# Logs


def topic(cls: Call) -> tuple[str, str]:
    logset = cls("CreateLogset", LogsetName="functions")["LogsetId"]
    return logset, cls("CreateTopic", LogsetId=logset, TopicName="all", Period=30)["TopicId"]


def listed_by(cls: Call, action: str, key: str, value: str) -> list[Any]:
    answer = cls(action, Filters=[{"Key": key, "Values": [value]}])
    return list(answer[action.removeprefix("Describe")])


def test_topic_is_created_read_changed_and_deleted(cls: Call) -> None:
    logset, id_ = topic(cls)

    cls("ModifyTopic", TopicId=id_, Period=7, Tags=[{"Key": "team", "Value": "images"}])
    [topic_info] = listed_by(cls, "DescribeTopics", "topicId", id_)
    cls("DeleteTopic", TopicId=id_)
    cls("DeleteLogset", LogsetId=logset)

    assert (topic_info["Period"], topic_info["StorageType"], topic_info["IsWebTracking"]) == (
        7,
        "hot",
        False,
    )
    assert topic_info["Tags"] == [{"Key": "team", "Value": "images"}]
    assert listed_by(cls, "DescribeTopics", "topicId", id_) == []
    assert listed_by(cls, "DescribeLogsets", "logsetId", logset) == []


def test_tags_of_the_tag_service_and_of_logs_are_the_same(api: Api, cls: Call) -> None:
    logset, _ = topic(cls)
    tags = [{"TagKey": "team", "TagValue": "images"}]

    resource = f"qcs::cls:ap-guangzhou:uin/:logset/{logset}"
    api.call("tag", "ModifyResourceTags", Resource=resource, ReplaceTags=tags)

    [logset_info] = listed_by(cls, "DescribeLogsets", "logsetId", logset)
    assert logset_info["Tags"] == [{"Key": "team", "Value": "images"}]


def test_index_has_the_fields_by_which_logs_are_searched(cls: Call) -> None:
    _, id_ = topic(cls)
    value = {"Type": "text", "Tokenizer": " ", "SqlFlag": True}
    rule = {"KeyValue": {"CaseSensitive": False, "KeyValues": [{"Key": "job", "Value": value}]}}

    cls("CreateIndex", TopicId=id_, Rule=rule)
    cls("ModifyIndex", TopicId=id_, Status=False)
    index = cls("DescribeIndex", TopicId=id_)
    [indexed] = listed_by(cls, "DescribeTopics", "topicId", id_)
    cls("DeleteIndex", TopicId=id_)

    assert (index["Rule"], index["Status"]) == (rule, False)
    assert indexed["Index"] is True


def test_alarm_has_a_topic_and_a_notice(cls: Call) -> None:
    alarm = watch(cls)

    cls("ModifyAlarm", AlarmId=alarm, Status=False)
    [alarm_info] = listed_by(cls, "DescribeAlarms", "alarmId", alarm)

    assert (alarm_info["Name"], alarm_info["Status"], alarm_info["TriggerCount"]) == (
        "errors",
        False,
        1,
    )
    [notice] = alarm_info["AlarmNoticeIds"]
    assert listed_by(cls, "DescribeAlarmNotices", "alarmNoticeId", notice)[0]["Type"] == "All"


def watch(cls: Call, **changes: Any) -> str:
    logset, id_ = topic(cls)
    notice = cls("CreateAlarmNotice", Name="team", Type="All")["AlarmNoticeId"]
    target = {
        "LogsetId": logset,
        "TopicId": id_,
        "Query": "level:error",
        "Number": 1,
        "StartTimeOffset": -5,
        "EndTimeOffset": 0,
    }
    params = {
        "Name": "errors",
        "AlarmTargets": [target],
        "AlarmNoticeIds": [notice],
        "MonitorTime": {"Type": "Period", "Time": 5},
        "TriggerCount": 1,
        "AlarmPeriod": 15,
        **changes,
    }
    return str(cls("CreateAlarm", **params)["AlarmId"])


def test_wrong_call_about_logs_is_refused(api: Api, cls: Call) -> None:
    topic(cls)
    filters = [{"Key": "colour", "Values": ["a"]}]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("CreateLogset", {"LogsetName": "functions"}, "InvalidParameter.LogsetConflict"),
        ("CreateLogset", {}, "MissingParameter"),
        ("CreateLogset", {"LogsetName": "a", "Colour": "red"}, "UnknownParameter"),
        ("CreateTopic", {"LogsetId": "x", "TopicName": "a"}, "ResourceNotFound.LogsetNotExist"),
        ("DescribeIndex", {"TopicId": "none"}, "ResourceNotFound.TopicNotExist"),
        ("DeleteTopic", {"TopicId": "none"}, "ResourceNotFound.TopicNotExist"),
        ("DeleteAlarm", {"AlarmId": "none"}, "ResourceNotFound.AlarmNotExist"),
        ("DescribeTopics", {"Filters": filters}, "InvalidParameterValue"),
    ]

    for action, params, code in wrong:
        assert api.refusal("cls", action, **params) == code


def test_taken_name_and_object_in_use_are_refused(api: Api, cls: Call) -> None:
    logset, id_ = topic(cls)
    cls("CreateIndex", TopicId=id_, Rule={})

    again = api.refusal("cls", "CreateTopic", LogsetId=logset, TopicName="all")
    second = api.refusal("cls", "CreateIndex", TopicId=id_, Rule={})
    full = api.refusal("cls", "DeleteLogset", LogsetId=logset)
    period = api.refusal("cls", "ModifyTopic", TopicId=id_, Period=3601)

    assert again == "InvalidParameter.TopicConflict"
    assert second == "InvalidParameter.IndexConflict"
    assert full == "FailedOperation.LogsetNotEmpty"
    assert period == "InvalidParameterValue"


def test_notice_that_an_alarm_uses_stays(api: Api, cls: Call) -> None:
    alarm = watch(cls)
    [notice] = listed_by(cls, "DescribeAlarms", "alarmId", alarm)[0]["AlarmNoticeIds"]

    refused = api.refusal("cls", "DeleteAlarmNotice", AlarmNoticeId=notice)
    cls("DeleteAlarm", AlarmId=alarm)
    cls("DeleteAlarmNotice", AlarmNoticeId=notice)

    assert refused == "OperationDenied.NoticeHasAlarm"
    assert listed_by(cls, "DescribeAlarmNotices", "alarmNoticeId", notice) == []


def test_function_may_log_to_a_topic_of_its_logset_only(api: Api, cls: Call) -> None:
    logset, id_ = topic(cls)

    wrong = api.refusal("scf", "CreateFunction", **function(ClsLogsetId=logset, ClsTopicId="x"))
    right = api.refusal("scf", "CreateFunction", **function(ClsLogsetId=logset, ClsTopicId=id_))

    assert (wrong, right) == ("InvalidParameterValue.Cls", "")


def test_topic_that_a_function_or_an_alarm_uses_stays(api: Api, cls: Call, scf: Call) -> None:
    alarm = watch(cls)
    [target] = listed_by(cls, "DescribeAlarms", "alarmId", alarm)[0]["AlarmTargets"]
    logset, id_ = target["LogsetId"], target["TopicId"]
    scf("CreateFunction", **function(ClsLogsetId=logset, ClsTopicId=id_))

    by_function = api.refusal("cls", "DeleteTopic", TopicId=id_)
    scf("DeleteFunction", FunctionName="echo")
    by_alarm = api.refusal("cls", "DeleteTopic", TopicId=id_)
    cls("DeleteAlarm", AlarmId=alarm)
    cls("DeleteTopic", TopicId=id_)

    assert (by_function, by_alarm) == ("OperationDenied", "OperationDenied")
    assert listed_by(cls, "DescribeTopics", "topicId", id_) == []


# Functions


def test_trigger_on_a_bucket_that_does_not_exist_is_refused(api: Api, scf: Call) -> None:
    scf("CreateFunction", **function())
    wait_for(lambda: scf("GetFunction", FunctionName="echo")["Status"] == "Active")

    refused = api.refusal(
        "scf",
        "CreateTrigger",
        FunctionName="echo",
        TriggerName="missing-1250000000.cos.ap-guangzhou.myqcloud.com",
        Type="cos",
        TriggerDesc='{"event": "cos:ObjectCreated:*"}',
    )

    assert refused == "ResourceNotFound.Cos"
    assert scf("ListTriggers", FunctionName="echo")["Triggers"] == []


def test_functions_are_listed_filtered_sorted_and_paged(api: Api, scf: Call) -> None:
    for name, description in (("c-gateway", "HTTP API"), ("a-sweep", "timer"), ("bb", "HTTP API")):
        scf(
            "CreateFunction",
            **function(FunctionName=name, Description=description),
            Tags=[{"Key": "team", "Value": name}],
        )

    def listed(**params: Any) -> list[str]:
        return [entry["FunctionName"] for entry in scf("ListFunctions", **params)["Functions"]]

    everything = scf("ListFunctions")
    unknown = {"Filters": [{"Name": "VpcId", "Values": ["vpc-1"]}]}

    assert everything["TotalCount"] == 3
    assert everything["Functions"][0]["Runtime"] == "Python3.10"
    assert everything["Functions"][0]["Tags"] == [{"Key": "team", "Value": "a-sweep"}]
    assert listed() == ["a-sweep", "bb", "c-gateway"]
    assert listed(Order="DESC", Orderby="FunctionName", Limit=2) == ["c-gateway", "bb"]
    assert listed(Offset=2) == ["c-gateway"]
    assert listed(SearchKey="-") == ["a-sweep", "c-gateway"]
    assert listed(Description="HTTP") == ["bb", "c-gateway"]
    assert listed(Filters=[{"Name": "tag-team", "Values": ["bb"]}]) == ["bb"]
    assert listed(Filters=[{"Name": "Status", "Values": ["Active"]}]) == []
    assert api.refusal("scf", "ListFunctions", **unknown) == "InvalidParameterValue"
    assert api.refusal("scf", "ListFunctions", Orderby="Size") == "InvalidParameterValue"


def test_account_reports_its_quotas_and_their_use(scf: Call) -> None:
    scf("CreateFunction", **function())
    scf("PutReservedConcurrencyConfig", FunctionName="echo", ReservedConcurrencyMem=512)

    account = scf("GetAccount")

    [usage] = account["AccountUsage"]["Namespace"]
    assert (usage["Functions"], usage["FunctionsCount"]) == (["echo"], 1)
    assert usage["TotalAllocatedConcurrencyMem"] == 512
    assert account["AccountUsage"]["UserConcurrencyMemLimit"] == 128_000
    [limit] = account["AccountLimit"]["Namespace"]
    assert (limit["FunctionsCount"], limit["Trigger"]["Cos"]) == (50, 10)


def function(**changes: Any) -> dict[str, Any]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", ECHO)
    return {
        "FunctionName": "echo",
        "Handler": "index.main_handler",
        "Runtime": "Python3.10",
        "Code": {"ZipFile": base64.b64encode(buffer.getvalue()).decode()},
        **changes,
    }


# Alarms


RULE = {"MetricName": "Error", "Period": 300, "Operator": "gt", "Value": "0", "ContinuePeriod": 1}
POLICY = {"PolicyName": "functions", "MonitorType": "MT_QCE", "Namespace": "SCF"}


def notice(monitor: Call) -> str:
    user = {
        "ReceiverType": "USER",
        "StartTime": 0,
        "EndTime": 86399,
        "NoticeWay": ["EMAIL"],
        "UserIds": [1],
    }
    created = monitor(
        "CreateAlarmNotice",
        Name="team",
        NoticeType="ALL",
        NoticeLanguage="en-US",
        UserNotices=[user],
    )
    return str(created["NoticeId"])


def policy(monitor: Call, **changes: Any) -> str:
    params = {**POLICY, "Condition": {"IsUnionRule": 0, "Rules": [RULE]}, **changes}
    return str(monitor("CreateAlarmPolicy", **params)["PolicyId"])


def test_alarm_policy_has_every_field_that_the_provider_reads(monitor: Call) -> None:
    notice_id = notice(monitor)
    id_ = policy(monitor, NoticeIds=[notice_id], GroupBy=["functionName"])

    policy_info = monitor("DescribeAlarmPolicy", PolicyId=id_)["Policy"]

    assert (policy_info["Enable"], policy_info["ProjectId"], policy_info["NoticeIds"]) == (
        1,
        -1,
        [notice_id],
    )
    assert policy_info["Condition"]["Rules"] == [RULE]
    assert policy_info["EventCondition"] == {"Rules": []}
    assert policy_info["GroupBy"] == [{"Id": "functionName", "Name": "functionName"}]
    assert policy_info["OriginId"].isdecimal()


def test_alarm_policy_can_be_changed_in_every_part(monitor: Call) -> None:
    id_ = policy(monitor)

    monitor("ModifyAlarmPolicyInfo", PolicyId=id_, Key="REMARK", Value="why")
    monitor("ModifyAlarmPolicyStatus", PolicyId=id_, Enable=0)
    changed = {"IsUnionRule": 1, "Rules": [{**RULE, "Value": "5"}]}
    monitor("ModifyAlarmPolicyCondition", PolicyId=id_, Condition=changed)
    monitor("ModifyAlarmPolicyNotice", PolicyId=id_, NoticeIds=[notice(monitor)])
    monitor("ModifyAlarmPolicyTasks", PolicyId=id_, TriggerTasks=[])

    [policy_info] = monitor("DescribeAlarmPolicies", PolicyName="functions")["Policies"]
    assert (policy_info["Remark"], policy_info["Enable"], policy_info["Condition"]) == (
        "why",
        0,
        changed,
    )
    assert len(policy_info["NoticeIds"]) == 1


def test_policy_watches_objects_until_they_are_unbound(monitor: Call) -> None:
    id_ = policy(monitor)
    number = int(monitor("DescribeAlarmPolicy", PolicyId=id_)["Policy"]["OriginId"])
    entry = {"Region": "gz", "Dimensions": '{"functionName":"gateway"}'}

    monitor("BindingPolicyObject", GroupId=0, PolicyId=id_, Dimensions=[entry, entry])
    counted = monitor("DescribePolicyObjectCount", GroupId=number)["RegionList"]
    [listed] = monitor("DescribeBindingPolicyObjectList", GroupId=0, PolicyId=id_)["List"]
    monitor("UnBindingAllPolicyObject", GroupId=0, PolicyId=id_)

    assert counted == [{"Region": "gz", "Count": 1}]
    assert (listed["Dimensions"], listed["Region"]) == (entry["Dimensions"], "gz")
    assert monitor("DescribePolicyObjectCount", GroupId=number)["RegionList"] == []


def test_deleted_alarm_policy_is_null(monitor: Call) -> None:
    id_ = policy(monitor)

    monitor("DeleteAlarmPolicy", PolicyIds=[id_])

    assert monitor("DescribeAlarmPolicy", PolicyId=id_)["Policy"] is None


def test_notice_in_use_stays_until_its_policy_is_gone(api: Api, monitor: Call) -> None:
    notice_id = notice(monitor)
    id_ = policy(monitor, NoticeIds=[notice_id])

    refused = api.refusal("monitor", "DeleteAlarmNotices", Module="monitor", NoticeIds=[notice_id])
    [used] = monitor(
        "DescribeAlarmNotices", PageNumber=1, PageSize=200, Order="ASC", NoticeIds=[notice_id]
    )["Notices"]
    monitor("DeleteAlarmPolicy", PolicyIds=[id_])
    monitor("DeleteAlarmNotices", NoticeIds=[notice_id])

    assert (refused, used["PolicyIds"]) == ("ResourceInUse", [id_])


def test_wrong_alarm_policy_is_refused(api: Api) -> None:
    rules = [{"Operator": ">"}]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"Module": "moniter"}, "InvalidParameterValue"),
        ({"MonitorType": "MT_ALL"}, "InvalidParameterValue"),
        ({"PolicyName": "x" * 61}, "InvalidParameterValue"),
        ({"NoticeIds": ["notice-none"]}, "ResourceNotFound"),
        ({"Condition": {"IsUnionRule": 0, "Rules": rules}}, "InvalidParameterValue"),
        ({"Condition": {"Rules": []}}, "MissingParameter"),
    ]

    for change, code in wrong:
        params = {**POLICY, "Module": "monitor", **change}
        assert api.refusal("monitor", "CreateAlarmPolicy", **params) == code, change


# API Gateway


def service(gateway: Call, **changes: Any) -> str:
    params = {"ServiceName": "images", "Protocol": "http", "NetTypes": ["OUTER"], **changes}
    return str(gateway("CreateService", **params)["ServiceId"])


def backend(scf: Call) -> None:
    scf("CreateFunction", **function())


def in_front(gateway: Call, id_: str, **changes: Any) -> str:
    params = {
        "ServiceId": id_,
        "ServiceType": "SCF",
        "ServiceTimeout": 30,
        "Protocol": "HTTP",
        "AuthType": "NONE",
        "RequestConfig": {"Path": "/", "Method": "ANY"},
        "ServiceScfFunctionName": "echo",
        "ServiceScfFunctionNamespace": "default",
        "ServiceScfFunctionQualifier": "$DEFAULT",
        "ServiceScfFunctionType": "EVENT",
        "ServiceScfIsIntegratedResponse": True,
        **changes,
    }
    return str(gateway("CreateApi", **params)["Result"]["ApiId"])


def release(gateway: Call, id_: str) -> str:
    released = gateway(
        "ReleaseService", ServiceId=id_, EnvironmentName="release", ReleaseDesc="first"
    )
    domain = gateway("DescribeService", ServiceId=id_)["OuterSubDomain"]
    assert released["Result"]["ReleaseVersion"]
    return f"http://{domain}/release"


def get(url: str, **options: Any) -> requests.Response:
    return requests.request(
        options.pop("method", "GET"), url, proxies=NO_PROXY, timeout=10, **options
    )


def test_request_becomes_an_api_gateway_event(gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway)
    declared = [
        {"Name": "size", "Position": "QUERY", "Type": "string"},
        {"Name": "X-Team", "Position": "HEADER", "Type": "string"},
    ]
    route = {"Path": "/jobs/{job}", "Method": "POST"}
    in_front(gateway, id_, RequestConfig=route, RequestParameters=declared)
    url = release(gateway, id_)

    answer = get(
        f"{url}/jobs/7/cancel?size=2&size=3&bare&empty=",
        method="POST",
        data="päyload".encode(),
        headers={"X-Team": "images"},
    )

    event = answer.json()
    assert (answer.status_code, answer.headers["X-Path"]) == (202, "/jobs/7/cancel")
    assert (event["path"], event["httpMethod"], event["body"]) == (
        *("/jobs/7/cancel", "POST"),
        "päyload",
    )
    assert event["requestContext"]["serviceId"] == id_
    assert event["requestContext"]["stage"] == "release"
    assert event["requestContext"]["path"] == "/jobs/{job}"
    assert event["pathParameters"] == {"job": "7"}
    assert event["queryString"] == {"size": ["2", "3"], "bare": True, "empty": ""}
    assert event["queryStringParameters"] == {"size": ["2", "3"]}
    assert event["headerParameters"] == {"X-Team": "images"}


INTEGRATED = {
    "/bare": (403, b"Invalid scf response format"),
    "/raise": (200, b"ValueError: no"),
    "/any": (202, b'"httpMethod": "GET"'),
}
PASSED_THROUGH = {
    "/bare": (200, b'{"images": 3}'),
    "/raise": (200, b"ValueError: no"),
    "/any": (200, b'"statusCode": 202'),
}


def test_value_becomes_an_answer(gateway: Call, scf: Call) -> None:
    backend(scf)

    for is_integrated, wanted in ((True, INTEGRATED), (False, PASSED_THROUGH)):
        id_ = service(gateway)
        in_front(gateway, id_, ServiceScfIsIntegratedResponse=is_integrated)
        url = release(gateway, id_)
        for path, (status, body) in wanted.items():
            answer = get(url + path)
            assert answer.status_code == status
            assert body in answer.content


def test_only_a_released_api_answers(gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway)
    api_id = in_front(gateway, id_, RequestConfig={"Path": "=/exact", "Method": "GET"})
    url = release(gateway, id_)
    route = {"Path": "/", "Method": "GET"}
    gateway("ModifyApi", ServiceId=id_, ApiId=api_id, ServiceType="SCF", RequestConfig=route)

    before = [get(url + path).status_code for path in ("/exact", "/exact/more", "/other")]
    release(gateway, id_)
    after = [get(url + path).status_code for path in ("/exact", "/other")]
    posted = get(url + "/other", method="POST").status_code
    gateway("UnReleaseService", ServiceId=id_, EnvironmentName="release")
    ended = get(url + "/other").status_code

    assert (before, after, posted, ended) == ([202, 404, 404], [202, 202], 404, 404)


def test_longest_path_is_chosen(gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway)
    in_front(gateway, id_)
    in_front(gateway, id_, RequestConfig={"Path": "/jobs", "Method": "ANY"})
    url = release(gateway, id_)

    chosen = [get(url + path).json()["requestContext"]["path"] for path in ("/jobs/1", "/jobsite")]

    assert chosen == ["/jobs", "/"]


def test_gateway_answers_browsers_if_cors_is_enabled(gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway)
    in_front(gateway, id_, EnableCORS=True)
    url = release(gateway, id_)
    origin = {"Origin": "https://app.example"}

    preflight = get(url + "/a", method="OPTIONS", headers=origin)
    answer = get(url + "/a", headers=origin)

    assert (preflight.status_code, preflight.content) == (200, b"")
    assert answer.status_code == 202
    for entry in (preflight, answer):
        assert entry.headers["Access-Control-Allow-Origin"] == "*"


def test_service_has_every_field_that_the_provider_reads(gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway, Tags=[{"Key": "team", "Value": "images"}])
    api_id = in_front(gateway, id_)
    release(gateway, id_)

    service_info = gateway("DescribeService", ServiceId=id_)
    [history] = gateway("DescribeServiceEnvironmentReleaseHistory", ServiceId=id_)["Result"][
        "VersionList"
    ]
    limits = gateway("DescribeServiceEnvironmentStrategy", ServiceId=id_)["Result"]
    of_api = gateway("DescribeApiEnvironmentStrategy", ServiceId=id_, ApiId=api_id)["Result"]
    described = gateway("DescribeApi", ServiceId=id_, ApiId=api_id)["Result"]

    assert (service_info["AvailableEnvironments"], service_info["ApiTotalCount"]) == (
        ["release"],
        1,
    )
    assert service_info["ApiIdStatusSet"][0]["Path"] == "/"
    assert service_info["Tags"] == [{"Key": "team", "Value": "images"}]
    assert history["VersionDesc"] == "first"
    assert {entry["Strategy"] for entry in limits["EnvironmentList"]} == {-1}
    assert of_api["ApiEnvironmentStrategySet"][0]["ApiId"] == api_id
    assert described["RequestConfig"] == {"Path": "/", "Method": "ANY"}
    assert described["ServiceScfFunctionName"] == "echo"
    for plans in ("DescribeServiceUsagePlan", "DescribeApiUsagePlan"):
        assert gateway(plans, ServiceId=id_)["Result"]["TotalCount"] == 0


def test_service_is_changed_and_destroyed_as_the_provider_does(
    api: Api, gateway: Call, scf: Call
) -> None:
    backend(scf)
    id_ = service(gateway)
    api_id = in_front(gateway, id_)
    release(gateway, id_)

    gateway("ModifyService", ServiceId=id_, ServiceName="other", Protocol="https")
    renamed = gateway("DescribeService", ServiceId=id_)["ServiceName"]
    early = [
        api.refusal("apigateway", "DeleteApi", ServiceId=id_, ApiId=api_id),
        api.refusal("apigateway", "DeleteService", ServiceId=id_),
    ]
    for stage in ("test", "release", "prepub"):
        gateway("UnReleaseService", ServiceId=id_, EnvironmentName=stage)
        gateway(
            "ModifyApiEnvironmentStrategy",
            ServiceId=id_,
            Strategy=-1,
            EnvironmentName=stage,
            ApiIds=[api_id],
        )
    gateway("DeleteApi", ServiceId=id_, ApiId=api_id)
    gateway("DeleteService", ServiceId=id_)

    assert renamed == "other"
    assert early == [
        "UnsupportedOperation.UnsupportedDeleteApi",
        "UnsupportedOperation.UnsupportedDeleteService",
    ]
    gone = api.refusal("apigateway", "DescribeService", ServiceId=id_)
    assert gone == "ResourceNotFound.InvalidService"


def test_wrong_api_is_refused(api: Api, gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway)
    in_front(gateway, id_)
    params = {
        "ServiceId": id_,
        "ServiceType": "SCF",
        "ServiceTimeout": 30,
        "Protocol": "HTTP",
        "RequestConfig": {"Path": "/other", "Method": "GET"},
        "ServiceScfFunctionName": "echo",
    }
    no_slash, in_use = {"Path": "jobs", "Method": "GET"}, {"Path": "/", "Method": "ANY"}
    unknown_method = {"Path": "/", "Method": "FETCH"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ServiceType": "HTTP"}, "UnsupportedOperation"),
        ({"AuthType": "SECRET"}, "UnsupportedOperation"),
        ({"ServiceScfFunctionName": "none"}, "InvalidParameterValue.InvalidScfConfig"),
        ({"ServiceId": "service-none"}, "ResourceNotFound.InvalidService"),
        ({"RequestConfig": no_slash}, "InvalidParameterValue.InvalidApiRequestConfig"),
        ({"RequestConfig": in_use}, "InvalidParameterValue.InvalidApiRequestConfig"),
        ({"RequestConfig": unknown_method}, "InvalidParameterValue.InvalidMethod"),
    ]

    for change, code in wrong:
        refusal = api.refusal("apigateway", "CreateApi", **{**params, **change})
        assert refusal == code, change


def test_service_without_apis_cannot_be_released(api: Api, gateway: Call) -> None:
    id_ = service(gateway)

    stage = {"ServiceId": id_, "EnvironmentName": "release", "ReleaseDesc": "first"}
    empty = api.refusal("apigateway", "ReleaseService", **stage)
    unknown = api.refusal("apigateway", "ReleaseService", **{**stage, "EnvironmentName": "live"})

    assert empty == "FailedOperation.ServiceError"
    assert unknown == "InvalidParameterValue.InvalidEnv"


def test_deleted_function_is_reported_to_the_caller(gateway: Call, scf: Call) -> None:
    backend(scf)
    id_ = service(gateway)
    in_front(gateway, id_)
    url = release(gateway, id_)

    scf("DeleteFunction", FunctionName="echo")

    answer = get(url)
    assert (answer.status_code, json.loads(answer.content)) == (
        500,
        {"message": "there is no function echo"},
    )
