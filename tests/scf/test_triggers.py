"""Triggers of a function: objects, timers and HTTP; and the retries of failing events."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests

from localcloud.core import ApiError
from localcloud.cos.events import ObjectCreated
from localcloud.scf.cron import BEIJING, Cron

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scf.conftest import FunctionTool

INBOX = "inbox-1250000000.cos.ap-guangzhou.myqcloud.com"
NO_PROXY = {"http": ""}

# A handler that appends each event to the file in its environment.
RECORDER = """
    import json, os

    def main_handler(event, context):
        with open(os.environ["RECORDS"], "a") as file:
            file.write(json.dumps(event) + "\\n")
        if os.environ.get("FAIL") and sum(1 for _ in open(os.environ["RECORDS"])) <= int(
            os.environ["FAIL"]
        ):
            raise RuntimeError("not yet")
"""

HTTP_ECHO = """
    import base64

    def main_handler(event, context):
        if event["path"] == "/plain":
            return {"images": 3}
        if event["path"] == "/binary":
            body = base64.b64encode(b"\\x89PNG").decode()
            return {"statusCode": 201, "isBase64Encoded": True, "body": body,
                    "headers": {"Content-Type": "image/png", "X-Many": ["a", "b"]}}
        if event["path"] == "/wrong":
            return {"statusCode": "many"}
        if event["path"] == "/large":
            return "x" * 6291456
        if event["path"] == "/raise":
            raise ValueError("no")
        return {"statusCode": 202, "body": __import__("json").dumps(event)}
"""


def created(key: str, **changes: Any) -> ObjectCreated:
    fields = {
        "bucket": "inbox-1250000000",
        "region": "ap-guangzhou",
        "app_id": 1250000000,
        "key": key,
        "size": 12,
        "event": "cos:ObjectCreated:Put",
        "request_id": "NWMx",
        "meta": {"Content-Type": "image/png", "x-cos-meta-aigc-prompt": "a cat"},
        "time": 1700000000.9,
        "source_ip": "127.0.0.1",
    }
    return ObjectCreated(**{**fields, **changes})


def recorder(functions: FunctionTool, file: Path, *, fail: int = 0, **params: Any) -> None:
    variables = [{"Key": "RECORDS", "Value": str(file)}, {"Key": "FAIL", "Value": str(fail or "")}]
    functions.create("recorder", RECORDER, Environment={"Variables": variables}, **params)


def records(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def inbox_trigger(functions: FunctionTool, event: str = "*", **filters: str) -> None:
    desc = {"event": f"cos:ObjectCreated:{event}", "filter": filters}
    functions.trigger("recorder", INBOX, "cos", desc)


def test_new_object_becomes_the_documented_event(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")
    inbox_trigger(functions)

    functions.cloud.cos.publish(created("in/a b+c%猫.png"))
    functions.wait("recorder", invocations=1)

    [event] = records(tmp_path / "events")
    [record] = event["Records"]
    assert record["cos"]["cosObject"] == {
        "url": f"http://{INBOX}/in/a%20b%2Bc%25%E7%8C%AB.png",
        "meta": {
            "x-cos-request-id": "NWMx",
            "Content-Type": "image/png",
            "x-cos-meta-aigc-prompt": "a cat",
        },
        "vid": "",
        "key": "/1250000000/inbox/in/a b+c%猫.png",
        "size": 12,
    }
    assert record["cos"]["cosBucket"]["name"] == "inbox"
    assert record["cos"]["cosBucket"]["region"] == "gz"
    assert record["event"]["eventName"] == "cos:ObjectCreated:Put"
    assert record["event"]["eventTime"] == 1700000000
    assert record["event"]["eventQueue"].endswith("default.recorder.$DEFAULT")


def test_only_objects_that_match_the_rule_invoke(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")
    inbox_trigger(functions, "Put", Prefix="in/", Suffix=".png")

    for unwanted in (
        created("out/a.png"),
        created("in/a.txt"),
        created("in/a.png", event="cos:ObjectCreated:Copy"),
        created("in/a.png", bucket="other-1250000000"),
    ):
        functions.cloud.cos.publish(unwanted)
    functions.cloud.cos.publish(created("in/wanted.png"))
    functions.wait("recorder", invocations=1)
    time.sleep(0.2)

    [event] = records(tmp_path / "events")
    assert event["Records"][0]["cos"]["cosObject"]["key"].endswith("in/wanted.png")


def test_overlapping_rules_of_a_bucket_are_refused(functions: FunctionTool) -> None:
    functions.create("recorder", RECORDER)
    inbox_trigger(functions, Prefix="in/")

    for overlapping in ({}, {"Prefix": "in/deep/", "Suffix": ".png"}):
        with pytest.raises(ApiError) as caught:
            inbox_trigger(functions, "Put", **overlapping)
        assert caught.value.code == "ResourceInUse.Cos"


def test_triggers_of_a_bucket_are_identified_by_their_rule(
    functions: FunctionTool,
) -> None:
    functions.create("recorder", RECORDER)
    inbox_trigger(functions, Prefix="a/")
    inbox_trigger(functions, Prefix="b/")

    functions.call(
        "DeleteTrigger",
        FunctionName="recorder",
        TriggerName=INBOX,
        Type="cos",
        TriggerDesc='{"filter":{"Prefix":"a/"},"event":"cos:ObjectCreated:*"}',
    )

    listed = functions.call("ListTriggers", FunctionName="recorder")
    assert listed["TotalCount"] == 1
    assert json.loads(listed["Triggers"][0]["TriggerDesc"])["filter"] == {"Prefix": "b/"}


def test_failing_event_is_retried_twice_and_then_dropped(
    functions: FunctionTool, tmp_path: Path
) -> None:
    recorder(functions, tmp_path / "events", fail=9)
    inbox_trigger(functions)

    functions.cloud.cos.publish(created("a.png"))
    counters = functions.wait("recorder", dropped=1)

    assert len(records(tmp_path / "events")) == 3
    assert (counters["invocations"], counters["errors"], counters["retries"]) == (3, 3, 2)


def test_event_that_succeeds_at_the_second_try_is_not_dropped(
    functions: FunctionTool, tmp_path: Path
) -> None:
    recorder(functions, tmp_path / "events", fail=1)
    inbox_trigger(functions)

    functions.cloud.cos.publish(created("a.png"))
    counters = functions.wait("recorder", invocations=2)

    assert (counters["errors"], counters["retries"], counters["dropped"]) == (1, 1, 0)


def test_retries_are_configured_and_read_back(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events", fail=9)
    inbox_trigger(functions)
    config = {"RetryConfig": [{"RetryNum": 0}], "MsgTTL": 3600}

    functions.call(
        "UpdateFunctionEventInvokeConfig", FunctionName="recorder", AsyncTriggerConfig=config
    )
    functions.cloud.cos.publish(created("a.png"))
    counters = functions.wait("recorder", dropped=1)

    answer = functions.call("GetFunctionEventInvokeConfig", FunctionName="recorder")
    assert answer == {"AsyncTriggerConfig": config}
    assert counters["invocations"] == 1


def test_faults_of_events_take_effect(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")
    inbox_trigger(functions)

    for fault, invocations in (("drop", 0), ("repeat", 2), ("delay:40", 1), ("kill", 2)):
        before = functions.counters("recorder")["invocations"]
        functions.cloud.faults.replace([{"where": "scf.recorder", "what": fault, "times": 1}])

        functions.cloud.cos.publish(created("a.png"))
        counters = functions.wait("recorder", invocations=before + invocations, dropped=1)

        assert counters["invocations"] == before + invocations
        assert not functions.cloud.faults.remaining()


def test_kill_takes_effect_even_for_a_fast_handler(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")
    functions.cloud.faults.replace([{"where": "scf.recorder", "what": "kill:5", "times": 1}])

    killed = functions.invoke("recorder", {"event": "first"})
    survived = functions.invoke("recorder", {"event": "second"})

    assert (killed["statusCode"], survived) == (439, None)
    assert records(tmp_path / "events") == [{"event": "first"}, {"event": "second"}]


def test_throttled_event_waits_longer_than_a_failing_event(
    functions: FunctionTool, tmp_path: Path
) -> None:
    recorder(functions, tmp_path / "events")
    inbox_trigger(functions)
    functions.call(
        "PutReservedConcurrencyConfig", FunctionName="recorder", ReservedConcurrencyMem=0
    )

    functions.cloud.cos.publish(created("a.png"))
    functions.wait("recorder", retries=4)
    functions.call("DeleteReservedConcurrencyConfig", FunctionName="recorder")
    refused = functions.counters("recorder")["errors"]
    functions.wait("recorder", invocations=refused + 1)

    assert functions.counters("recorder")["dropped"] == 0
    assert len(records(tmp_path / "events")) == 1


def test_many_events_at_once_are_all_delivered(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")
    inbox_trigger(functions)

    for number in range(100):
        functions.cloud.cos.publish(created(f"{number}.png"))
    functions.wait("recorder", invocations=100)

    keys = {
        event["Records"][0]["cos"]["cosObject"]["key"] for event in records(tmp_path / "events")
    }
    assert len(keys) == 100


def test_timer_fires_faster_on_a_fast_cloud(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")

    functions.trigger("recorder", "minutely", "timer", "0 */1 * * * * *")
    functions.wait("recorder", invocations=2)

    first, second = (
        datetime.strptime(event["Time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        for event in records(tmp_path / "events")[:2]
    )
    assert records(tmp_path / "events")[0]["Type"] == "Timer"
    assert records(tmp_path / "events")[0]["TriggerName"] == "minutely"
    assert (second - first).total_seconds() == 60


def test_deleted_timer_does_not_fire(functions: FunctionTool, tmp_path: Path) -> None:
    recorder(functions, tmp_path / "events")
    functions.trigger("recorder", "minutely", "timer", "0 */1 * * * * *")
    functions.wait("recorder", invocations=1)

    functions.call("DeleteTrigger", FunctionName="recorder", TriggerName="minutely", Type="timer")
    time.sleep(0.1)
    before = functions.counters("recorder")["invocations"]
    time.sleep(0.8)

    assert functions.counters("recorder")["invocations"] == before


def test_timer_can_be_disabled_and_get_another_schedule(
    functions: FunctionTool, tmp_path: Path
) -> None:
    recorder(functions, tmp_path / "events")
    functions.trigger("recorder", "yearly", "timer", "0 0 0 1 1 * 2090")
    timer = {"FunctionName": "recorder", "TriggerName": "yearly", "Type": "timer"}

    functions.call("UpdateTrigger", **timer, TriggerDesc="0 */1 * * * * *", CustomArgument="hello")
    functions.wait("recorder", invocations=1)
    functions.call("UpdateTrigger", **timer, Enable="CLOSE")

    [listed] = functions.call("ListTriggers", FunctionName="recorder")["Triggers"]
    assert (listed["Enable"], listed["TriggerDesc"]) == (0, '{"cron": "0 */1 * * * * *"}')
    assert records(tmp_path / "events")[0]["Message"] == "hello"


def test_function_url_keeps_its_address_when_it_is_changed(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")
    desc = json.dumps({"AuthType": "CAM", "NetConfig": {"EnableExtranet": True}})

    functions.call(
        "UpdateTrigger", FunctionName="web", TriggerName="url", Type="http", TriggerDesc=desc
    )

    [listed] = functions.call("ListTriggers", FunctionName="web")["Triggers"]
    description = json.loads(listed["TriggerDesc"])
    assert (description["AuthType"], description["NetConfig"]["ExtranetUrl"]) == ("CAM", url)
    assert requests.get(url, proxies=NO_PROXY, timeout=60).status_code == 401
    assert functions.counters("web")["invocations"] == 0


def test_missing_trigger_cannot_be_changed(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)

    with pytest.raises(ApiError) as caught:
        functions.call("UpdateTrigger", FunctionName="web", TriggerName="url", Type="http")

    assert caught.value.code == "ResourceNotFound.Trigger"


@pytest.mark.parametrize(
    ("expression", "after", "fires"),
    [
        ("*/5 * * * * * *", "2026-11-20 12:00:03", "2026-11-20 12:00:05"),
        ("0 */1 * * * * *", "2026-11-20 12:00:00", "2026-11-20 12:01:00"),
        ("0 30 9-17/4 * * MON-FRI *", "2026-11-20 18:00:00", "2026-11-23 09:30:00"),
        ("0 0 0 1 1 * 2028", "2026-11-20 12:00:00", "2028-01-01 00:00:00"),
        ("0 0 12 15 * 0 *", "2026-11-20 12:00:00", "2026-11-22 12:00:00"),
        ("*/10 * * * *", "2026-11-20 12:01:00", "2026-11-20 12:10:00"),
    ],
)
def test_cron_fires_next(expression: str, after: str, fires: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=BEIJING)

    next_time = Cron.parse(expression).next_after(moment)

    assert next_time == datetime.fromisoformat(fires).replace(tzinfo=BEIJING)


def test_wrong_cron_is_refused(functions: FunctionTool) -> None:
    functions.create("recorder", RECORDER)

    for expression in ("* * *", "60 * * * * * *", "a * * * * * *", "5-1 * * * * * *"):
        assert refused_trigger(functions, "timer", expression) == WRONG_DESCRIPTION


WRONG_DESCRIPTION = "InvalidParameterValue.TriggerDesc"


def refused_trigger(
    functions: FunctionTool, type_: str, description: object, name: str = "odd"
) -> str:
    """Create a trigger of `recorder` that is refused; return the code."""
    with pytest.raises(ApiError) as caught:
        functions.trigger("recorder", name, type_, description)
    return caught.value.code


def test_request_becomes_a_function_url_event(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")

    answer = requests.post(
        f"{url}/a%20b/c?x=1&y=2&y=3&z=",
        data="päyload".encode(),
        headers={"X-Custom": "Value"},
        proxies=NO_PROXY,
        timeout=60,
    )

    event = answer.json()
    assert answer.status_code == 202
    assert (event["httpMethod"], event["path"]) == ("POST", "/a%20b/c")
    assert event["queryString"] == {"x": "1", "y": ["2", "3"], "z": ""}
    assert event["body"] == "päyload"
    assert event["headers"]["x-custom"] == "Value"
    assert event["headers"]["x-scf-remote-addr"] == "127.0.0.1"


def test_value_becomes_an_http_answer(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")

    for path, status, content_type, body in (
        ("/plain", 200, "application/json", b'{"images": 3}'),
        ("/binary", 201, "image/png", b"\x89PNG"),
        ("/wrong", 403, "application/json", b"Invalid scf response format"),
        ("/large", 407, "application/json", b"at most 6 MB"),
        ("/raise", 430, "application/json", b"ValueError: no"),
    ):
        answer = requests.get(url + path, proxies=NO_PROXY, timeout=60)

        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert body in answer.content


def test_request_of_more_than_six_megabytes_is_refused(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")

    answer = requests.post(url, data=b"x" * (6 * 1024 * 1024 + 1), proxies=NO_PROXY, timeout=60)

    assert answer.status_code == 406
    assert functions.counters("web")["invocations"] == 0


def test_timeout_is_reported_to_the_caller(functions: FunctionTool) -> None:
    functions.create(
        "slow", "import time\ndef main_handler(event, context): time.sleep(9)\n", Timeout=1
    )
    url = functions.url("slow")

    answer = requests.get(url, proxies=NO_PROXY, timeout=60)

    assert answer.status_code == 433
    assert answer.json()["errorMessage"] == "Invoking task timed out after 1 seconds"


def test_platform_answers_browsers_of_other_origins(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    cors = {"Enable": True, "Origins": ["https://app.example"], "Methods": ["POST"], "MaxAge": 60}
    url = functions.url("web", CorsConfig=cors)

    preflight = requests.options(
        url,
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
        proxies=NO_PROXY,
        timeout=60,
    )
    foreign = requests.post(
        url, headers={"Origin": "https://evil.example"}, proxies=NO_PROXY, timeout=60
    )

    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert preflight.headers["Access-Control-Max-Age"] == "60"
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert functions.counters("web")["invocations"] == 1


def test_fault_fails_the_request(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")
    faults = ("throttle", "http_500")
    functions.cloud.faults.replace([{"where": "scf.web", "what": what} for what in faults])

    answers = [requests.get(url, proxies=NO_PROXY, timeout=60).status_code for _ in range(3)]

    assert answers == [429, 500, 202]


def test_work_is_done_although_the_reply_is_lost(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")
    functions.cloud.faults.replace([{"where": "scf.web", "what": "lost_reply", "times": 1}])

    with pytest.raises(requests.ConnectionError):
        requests.get(url, proxies=NO_PROXY, timeout=60)

    assert functions.counters("web")["invocations"] == 1


def test_concurrent_callers_are_all_answered(functions: FunctionTool) -> None:
    functions.create("web", HTTP_ECHO)
    url = functions.url("web")

    with ThreadPoolExecutor(20) as callers:
        statuses = list(
            callers.map(
                lambda _: requests.get(url, proxies=NO_PROXY, timeout=60).status_code, range(60)
            )
        )

    assert statuses == [202] * 60


def test_wrong_trigger_is_refused(functions: FunctionTool) -> None:
    functions.create("recorder", RECORDER)
    everything = {"event": "cos:ObjectCreated:*"}
    wrong: list[tuple[str, str, object, str]] = [
        ("http", "odd", {"NetConfig": {}}, WRONG_DESCRIPTION),
        ("http", "odd", {"AuthType": "NONE", "NetConfig": {"Odd": 1}}, WRONG_DESCRIPTION),
        ("http", "odd", {"AuthType": "BASIC", "NetConfig": {}}, WRONG_DESCRIPTION),
        ("cos", "odd", everything, "InvalidParameterValue.TriggerName"),
        ("cos", INBOX, "not json", WRONG_DESCRIPTION),
        ("cos", INBOX, {"event": "cos:ObjectRemove:*"}, WRONG_DESCRIPTION),
        ("cos", INBOX, everything | {"filter": {"prefix": "in/"}}, WRONG_DESCRIPTION),
        ("apigw", "odd", {}, "InvalidParameterValue.Type"),
    ]

    for type_, name, description, code in wrong:
        assert refused_trigger(functions, type_, description, name) == code, description
