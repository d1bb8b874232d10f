"""Optional parts of the program: logs, alarms, reservation, API Gateway, another site."""

from __future__ import annotations

import ast
import base64
import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.components.alarms import LOG_ALARMS
from infra.components.logs import NUMBERS, TEXTS
from infra.outputs import QUERIES
from localcloud.scf.http_trigger import UrlDesc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.infra.conftest import Deployment

    Run = Callable[..., Deployment]

FUNCTIONS = ("gateway", "upload", "sweep")
MARK = "4dabf18193072939515e22adb298388d"
"""The key of a secret as providers get it."""
SOURCES = Path(__file__).parents[2] / "functions"


def logged_fields() -> Iterator[str]:
    """Yield the event names in the functions' log lines."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from _fields(node)


def _fields(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "note":
        yield from (keyword.arg for keyword in call.keywords if keyword.arg)
    for keyword in call.keywords:
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
            keys = (key.value for key in keyword.value.keys if isinstance(key, ast.Constant))
            yield from map(str, keys)


def test_functions_log_to_a_topic_with_the_configured_retention(run: Run) -> None:
    deployment = run(logRetention="7")

    topic = deployment.declared["logs-topic"].inputs
    assert (topic["topicName"], topic["logsetId"], topic["period"]) == (
        *("aigc-dev-functions", "logs-logset"),
        7,
    )
    for name in FUNCTIONS:
        inputs = deployment.declared[f"{name}-function"].inputs
        assert (inputs["clsLogsetId"], inputs["clsTopicId"]) == ("logs-logset", "logs-topic")


def test_unchangeable_settings_of_a_topic_are_not_declared(run: Run) -> None:
    topic = run().declared["logs-topic"].inputs

    assert not {"partitionCount", "storageType"} & set(topic)


def test_every_field_that_the_functions_log_is_indexed(run: Run) -> None:
    rule = run().declared["logs-index"].inputs["rule"]

    indexed = {field["key"]: field["value"] for field in rule["keyValue"]["keyValues"]}
    assert set(logged_fields()) <= set(indexed)
    assert set(indexed) == {*TEXTS, *NUMBERS}
    assert indexed["duration_ms"]["type"] == "long"
    assert indexed["duration_ms"]["tokenizer"] == ""
    assert indexed["event"]["tokenizer"]
    assert rule["fullText"]["tokenizer"]


def test_logs_can_be_switched_off(run: Run) -> None:
    deployment = run(logs="false")

    assert not [name for name in deployment.declared if name.startswith("logs")]
    assert "clsTopicId" not in deployment.declared["gateway-function"].inputs
    assert "logs" not in deployment.exports["links"]


def test_the_outputs_link_to_ready_queries_of_indexed_fields(run: Run) -> None:
    exports = run(logs="true").exports

    assert exports["queries"].keys() == QUERIES.keys()
    for name, link in exports["queries"].items():
        asked = parse_qs(urlsplit(link).query)
        query = base64.b64decode(asked["queryBase64"][0]).decode()
        assert query == QUERIES[name]
        assert asked["topic_id"] == ["logs-topic"]
        condition, _, statement = query.partition(" | select ")
        fields = {word.partition(":")[0] for word in condition.split() if ":" in word}
        fields |= set(re.findall(r"group by (\w+)", statement))
        fields |= set(re.findall(r"(?:max|approx_percentile)\((\w+)", statement))
        assert fields <= {*TEXTS, *NUMBERS}
    assert run(logs="false").exports["queries"] == {}


def test_events_in_the_ready_queries_are_logged() -> None:
    sources = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    events = set(re.findall(r"event:(\w+)", " ".join(QUERIES.values())))

    assert all(f'"{event}"' in sources for event in events)


def test_the_outputs_link_to_the_alarms_if_there_are_any(run: Run) -> None:
    assert "alarms" not in run().exports["links"]
    link = run(alarmReceivers="[10001]", site="intl").exports["links"]["alarms"]
    assert link == "https://console.tencentcloud.com/monitor/alarm2/policy"


def test_alarms_watch_metrics_of_all_functions(run: Run) -> None:
    deployment = run(alarmReceivers="[10001, 10002]", timeout="50")

    policy = deployment.declared["alarms-policy"].inputs
    bound = deployment.declared["alarms-objects"].inputs["dimensions"]
    assert policy["namespace"] == "SCF"
    assert {
        condition["metricName"]: condition["value"] for condition in policy["conditions"]["rules"]
    } == {
        "Error": "0",
        "Throttle": "0",
        "Duration": "40000",
    }
    assert policy["noticeIds"] == ["alarms-notice"]
    assert {json.loads(binding["dimensionsJson"])["functionName"] for binding in bound} == {
        f"aigc-dev-{name}" for name in FUNCTIONS
    }
    assert {binding["region"] for binding in bound} == {"ap-guangzhou"}
    [notice] = deployment.declared["alarms-notice"].inputs["userNotices"]
    assert notice["userIds"] == [10001, 10002]


ROBOTS: list[dict[str, Any]] = [
    {"kind": "wecom", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=token-1"},
    {"kind": "feishu", "url": "https://open.feishu.cn/hook/token-2", "secret": "secret-2"},
    {"kind": "dingtalk", "url": "https://oapi.dingtalk.com/token-3", "alarms": False},
]


def test_alarms_go_to_robots_without_any_receiver(run: Run) -> None:
    declared = run(robots=json.dumps(ROBOTS)).declared

    callbacks = [item.inputs for item in declared.values() if item.type.endswith(":WebCallback")]
    assert [(item["type"], item["webhook"], item.get("key")) for item in callbacks] == [
        ("WeCom", ROBOTS[0]["url"], None),
        ("Lark", ROBOTS[1]["url"], "secret-2"),
    ]
    assert "alarms-log-notice" not in declared
    log_notice = declared["alarms-robots-log-notice"].inputs
    assert [item["url"] for item in log_notice["webCallbacks"]] == ["", ""]
    assert all(item["webCallbackId"] for item in log_notice["webCallbacks"])


def test_alarms_on_metrics_go_to_robots_that_demand_no_signature(run: Run) -> None:
    declared = run(robots=json.dumps(ROBOTS)).declared

    notice = declared["alarms-robots-notice"]
    [url] = notice.inputs["urlNotices"]
    assert url["url"] == ROBOTS[0]["url"]
    assert (url["startTime"], url["endTime"]) == (0, 86399)
    assert declared["alarms-policy"].inputs["noticeIds"] == ["alarms-robots-notice"]
    assert list(notice.options.additionalSecretOutputs) == ["urlNotices"]


def test_users_and_robots_have_a_notice_each(run: Run) -> None:
    """The provider never empties a list of a notice."""
    declared = run(robots=json.dumps(ROBOTS), alarmReceivers="[10001]").declared

    assert set(declared["alarms-policy"].inputs["noticeIds"]) == {
        "alarms-notice",
        "alarms-robots-notice",
    }
    assert set(declared["alarms-errors"].inputs["alarmNoticeIds"]) == {
        "alarms-log-notice",
        "alarms-robots-log-notice",
    }
    for name in ("alarms-notice", "alarms-log-notice"):
        assert not {"urlNotices", "webCallbacks"} & declared[name].inputs.keys()


def test_robots_that_demand_a_signature_get_no_alarms_on_metrics(run: Run) -> None:
    declared = run(robots=json.dumps(ROBOTS[1:2])).declared

    assert "alarms-policy" not in declared
    assert declared["alarms-errors"].inputs["alarmNoticeIds"] == ["alarms-robots-log-notice"]


def test_robots_that_get_no_alarms_make_none(run: Run) -> None:
    declared = run(robots=json.dumps(ROBOTS[2:])).declared

    assert not [name for name in declared if name.startswith("alarms")]


def test_addresses_of_robots_are_secret_wherever_they_go(run: Run) -> None:
    deployment = run(robots=json.dumps(ROBOTS))

    for name, inputs in deployment.raw_inputs.items():
        shown = " ".join(_plain_texts(inputs))
        assert "token-" not in shown, name
        assert "secret-2" not in shown, name
    assert "token-" not in " ".join(_plain_texts(deployment.exports))


def _plain_texts(value: Any) -> Iterator[str]:
    """Yield the texts that are not inside a secret."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and MARK not in value:
        yield from itertools.chain.from_iterable(map(_plain_texts, value.values()))
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(map(_plain_texts, value))


def test_alarms_query_only_indexed_fields_of_the_logs(run: Run) -> None:
    deployment = run(alarmReceivers="[10001]")

    alarms = deployment.of_type("cls/alarm:Alarm") or deployment.of_type("/alarm:Alarm")
    assert set(alarms) == {f"alarms-{name}" for name in LOG_ALARMS}
    for alarm in alarms.values():
        [target] = alarm.inputs["alarmTargets"]
        fields = {word.partition(":")[0] for word in target["query"].split() if ":" in word}
        assert fields <= {*TEXTS, *NUMBERS}
        assert target["topicId"] == "logs-topic"
        assert alarm.inputs["alarmNoticeIds"] == ["alarms-log-notice"]


def test_alarms_without_logs_watch_metrics_only(run: Run) -> None:
    deployment = run(alarmReceivers="[10001]", logs="false")

    assert "alarms-policy" in deployment.declared
    assert "alarms-errors" not in deployment.declared


def test_a_configured_reservation_is_set_for_each_function(run: Run) -> None:
    fused = run(reservedConcurrency="1280").of_type(":ReservedConcurrencyConfig")

    assert {reservation.inputs["functionName"] for reservation in fused.values()} == {
        f"aigc-dev-{name}" for name in FUNCTIONS
    }
    for reservation in fused.values():
        assert reservation.inputs["reservedConcurrencyMem"] == 1280
        assert reservation.options.deleteBeforeReplace


def test_asynchronous_events_are_kept_and_repeated_as_configured(run: Run) -> None:
    deployment = run(asyncRetries="1", eventAge="600")

    config = deployment.declared["upload-retries"].inputs["asyncTriggerConfig"]
    assert config == {"retryConfigs": [{"retryNum": 1}], "msgTtl": 600}
    sweep = deployment.declared["sweep-retries"].inputs["asyncTriggerConfig"]
    assert sweep["retryConfigs"] == [{"retryNum": 0}]


def test_api_gateway_replaces_the_function_url(run: Run) -> None:
    deployment = run(endpoint="api-gateway")

    api = deployment.declared["api-api"].inputs
    url = "https://service-1.gz.apigw.tencentcs.com/release"
    assert deployment.declared["gateway-function"].inputs["triggers"] == []
    assert (api["requestConfigPath"], api["requestConfigMethod"]) == ("/", "ANY")
    assert api["serviceConfigScfFunctionName"] == "aigc-dev-gateway"
    assert api["serviceConfigScfIsIntegratedResponse"] is True
    assert api["serviceConfigTimeout"] > deployment.declared["gateway-function"].inputs["timeout"]
    assert deployment.declared["api-release"].options.deleteBeforeReplace
    assert deployment.exports["endpoint"] == url
    events = deployment.declared["vod-events"].inputs
    assert events["notificationUrl"] == f"{url}/vod/events/{'c' * 20}"


def test_changed_api_is_released_again(run: Run) -> None:
    before, after = (
        run(endpoint="api-gateway", **changes).declared["api-release"].inputs
        for changes in ({}, {"timeout": "61"})
    )

    assert before["releaseDesc"] != after["releaseDesc"]


@pytest.mark.parametrize(
    ("origins", "opened"),
    [('["https://example.com"]', ["https://example.com"]), ("[]", None)],
)
def test_browsers_of_the_configured_origins_are_allowed(
    run: Run, origins: str, opened: list[str] | None
) -> None:
    [trigger] = run(corsOrigins=origins).declared["gateway-function"].inputs["triggers"]

    cors: Any = UrlDesc.parse(trigger["triggerDesc"]).cors_config
    assert (list(cors.origins) if cors else None) == opened


def test_application_has_no_callback_address_without_callbacks(run: Run) -> None:
    assert "vod-events" not in run(callbackMode="none").declared


def test_international_site_changes_settings_console_and_language(run: Run) -> None:
    deployment = run(site="intl", alarmReceivers="[10001]")

    assert deployment.declared["gateway-function"].inputs["environment"]["AIGC_SITE"] == "intl"
    links = deployment.exports["links"].values()
    assert all(link.startswith("https://console.tencentcloud.com/") for link in links)
    assert deployment.declared["alarms-notice"].inputs["noticeLanguage"] == "en-US"


def test_everything_that_can_have_tags_has_them(run: Run) -> None:
    deployment = run(tags='{"team": "art"}', alarmReceivers="[10001]", endpoint="api-gateway")

    tagged = {name for name, resource in deployment.declared.items() if resource.inputs.get("tags")}
    assert tagged == {
        *("aigc-inbox", "aigc-results", "aigc-ledger", "logs-logset", "logs-topic"),
        *("api-service", "alarms-log-notice", *(f"alarms-{name}" for name in LOG_ALARMS)),
        *(f"{name}-{part}" for name in FUNCTIONS for part in ("function", "role")),
    }
