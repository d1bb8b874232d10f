"""The API of functions follows the rules of the service."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.core import ApiError
from tests.scf.conftest import zipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scf.conftest import FunctionTool

SOURCE = "def main_handler(event, context): return None\n"


def refusal(functions: FunctionTool, action: str, **params: Any) -> str:
    with pytest.raises(ApiError) as caught:
        functions.call(action, **params)
    return caught.value.code


def test_created_function_is_active_with_every_field_that_the_provider_reads(
    functions: FunctionTool,
) -> None:
    functions.create("plain", SOURCE, Role="worker", MemorySize=256, Timeout=60)

    function = functions.call("GetFunction", FunctionName="plain", Namespace="default")

    assert function["Status"] == "Active"
    assert (function["MemorySize"], function["Timeout"], function["Role"]) == (256, 60, "worker")
    assert function["L5Enable"] == function["InstallDependency"] == "FALSE"
    assert function["AccessInfo"] == {"Host": "", "Vip": ""}
    assert function["EipConfig"] == {"EipFixed": "FALSE", "Eips": []}
    assert function["VpcConfig"] == {"VpcId": "", "SubnetId": ""}
    assert function["PublicNetConfig"]["EipConfig"]["EipStatus"] == "DISABLE"
    assert function["Environment"] == {"Variables": []}
    assert function["FunctionId"]
    assert function["ImageConfig"] is None  # a function from a zip has none


INVALID = (
    ({"FunctionName": "1st"}, "InvalidParameterValue.FunctionName"),
    ({"FunctionName": "ends-"}, "InvalidParameterValue.FunctionName"),
    ({"FunctionName": "x" * 61}, "InvalidParameterValue.FunctionName"),
    ({"Handler": "index"}, "InvalidParameterValue.Handler"),
    ({"Handler": "a.b.c"}, "InvalidParameterValue.Handler"),
    ({"Runtime": "Python2.7"}, "InvalidParameterValue.Runtime"),
    ({"Description": "uploads; results"}, "InvalidParameterValue.Description"),
    ({"Description": "x" * 1001}, "InvalidParameterValue.Description"),
    ({"MemorySize": 200}, "InvalidParameterValue.MemorySize"),
    ({"Timeout": 901}, "LimitExceeded.Timeout"),
    ({"InitTimeout": 2}, "LimitExceeded.InitTimeout"),
    ({"InitTimeout": 301}, "LimitExceeded.InitTimeout"),
    ({"Role": "missing"}, "ResourceNotFound.Role"),
    ({"Namespace": "other"}, "ResourceNotFound.Namespace"),
    ({"Code": {"CosBucketName": "code"}}, "InvalidParameterValue.Code"),
    ({"Code": {"ZipFile": "?"}}, "InvalidParameterValue.ZipFileBase64BinasciiError"),
    ({"Code": {"ZipFile": "bm8gemlw"}}, "InvalidParameterValue.ZipFile"),
    (
        {"Environment": {"Variables": [{"Key": "TENCENTCLOUD_X", "Value": "1"}]}},
        "InvalidParameterValue.EnvironmentSystemProtect",
    ),
    (
        {"Environment": {"Variables": [{"Key": "LONG", "Value": "x" * 4096}]}},
        "InvalidParameterValue.EnvironmentExceededLimit",
    ),
)
"""Changes that make a valid function invalid, and the codes."""


def test_invalid_function_is_refused(functions: FunctionTool) -> None:
    valid = {
        "FunctionName": "plain",
        "Handler": "index.main_handler",
        "Runtime": "Python3.10",
        "Code": {"ZipFile": zipped({"index.py": SOURCE})},
    }

    for change, code in INVALID:
        assert refusal(functions, "CreateFunction", **{**valid, **change}) == code, change


def test_environment_is_limited_in_the_sum_of_its_names_and_values(
    functions: FunctionTool,
) -> None:
    def variables(length: int) -> dict[str, Any]:
        return {
            "Variables": [{"Key": "HALF", "Value": "图" * 600}, {"Key": "B", "Value": "x" * length}]
        }

    functions.create("plain", SOURCE, Environment=variables(4096 - 1800 - 5))
    change = {"FunctionName": "plain", "Environment": variables(4096 - 1800 - 4)}
    code = refusal(functions, "UpdateFunctionConfiguration", **change)

    assert code == "InvalidParameterValue.EnvironmentExceededLimit"


def test_second_function_with_the_same_name_is_refused(functions: FunctionTool) -> None:
    functions.create("plain", SOURCE)

    with pytest.raises(ApiError) as caught:
        functions.create("plain", SOURCE)

    assert caught.value.code == "ResourceInUse.Function"


def test_deleted_function_is_not_found(functions: FunctionTool) -> None:
    functions.create("plain", SOURCE)

    functions.call("DeleteFunction", FunctionName="plain")

    assert refusal(functions, "GetFunction", FunctionName="plain") == "ResourceNotFound.Function"


def test_update_changes_only_the_named_settings(functions: FunctionTool) -> None:
    functions.create("plain", SOURCE, Timeout=7, Description="kept")
    variables = [{"Key": "A", "Value": "2"}]

    functions.call(
        "UpdateFunctionConfiguration",
        FunctionName="plain",
        MemorySize=512,
        Environment={"Variables": variables},
    )

    function = functions.call("GetFunction", FunctionName="plain")
    assert (function["MemorySize"], function["Timeout"], function["Description"]) == (
        512,
        7,
        "kept",
    )
    assert function["Environment"]["Variables"] == variables


def test_variable_without_a_name_clears_the_environment(functions: FunctionTool) -> None:
    functions.create("plain", SOURCE, Environment={"Variables": [{"Key": "A", "Value": "1"}]})

    functions.call(
        "UpdateFunctionConfiguration",
        FunctionName="plain",
        Environment={"Variables": [{"Key": "", "Value": ""}]},
    )

    assert functions.call("GetFunction", FunctionName="plain")["Environment"]["Variables"] == []


def test_runtime_cannot_change(functions: FunctionTool) -> None:
    functions.create("plain", SOURCE)

    code = refusal(
        functions, "UpdateFunctionConfiguration", FunctionName="plain", Runtime="Python3.9"
    )

    assert code == "InvalidParameterValue.Runtime"


def test_get_function_reports_the_url_and_a_second_url_is_refused(functions: FunctionTool) -> None:
    functions.create("web", SOURCE)

    url = functions.url("web")

    [trigger] = functions.call("GetFunction", FunctionName="web")["Triggers"]
    assert url in trigger["TriggerDesc"]
    assert trigger["Enable"] == 1
    with pytest.raises(ApiError) as caught:
        functions.url("web")
    assert caught.value.code == "ResourceInUse.TriggerName"


def test_function_cannot_be_changed_before_it_is_active(functions: FunctionTool) -> None:
    functions.create("plain", SOURCE)
    functions.call("UpdateFunctionConfiguration", FunctionName="plain", MemorySize=512)

    early = refusal(functions, "UpdateFunctionConfiguration", FunctionName="plain", Timeout=9)
    seen = [functions.call("GetFunction", FunctionName="plain")["Status"] for _ in range(2)]
    functions.call("UpdateFunctionConfiguration", FunctionName="plain", Timeout=9)

    assert early == "FailedOperation.FunctionStatusError"
    assert seen == ["Updating", "Active"]


def test_trigger_is_refused_until_the_function_is_active(functions: FunctionTool) -> None:
    code = {"ZipFile": zipped({"index.py": SOURCE})}
    settings = {"Handler": "index.main_handler", "Runtime": "Python3.10"}
    functions.call("CreateFunction", FunctionName="plain", Code=code, **settings)

    with pytest.raises(ApiError) as caught:
        functions.url("plain")

    assert caught.value.code == "FailedOperation.FunctionStatusError"


def test_function_reports_the_tags_of_the_tag_service(functions: FunctionTool) -> None:
    tags = [{"Key": "team", "Value": "images"}]
    functions.create("plain", SOURCE, Tags=tags)
    reported = functions.call("GetFunction", FunctionName="plain")["Tags"]

    functions.call("DeleteFunction", FunctionName="plain")
    functions.create("plain", SOURCE)

    assert reported == tags
    assert functions.call("GetFunction", FunctionName="plain")["Tags"] == []


def test_event_above_the_reserved_memory_is_refused_immediately(
    functions: FunctionTool, tmp_path: Path
) -> None:
    source = f"""
        import pathlib, time

        def main_handler(event, context):
            pathlib.Path({str(tmp_path)!r}, str(event)).touch()
            while not pathlib.Path({str(tmp_path)!r}, "go on").exists():
                time.sleep(0.01)
            return event
    """
    functions.create("held", source, MemorySize=128)
    functions.call("PutReservedConcurrencyConfig", FunctionName="held", ReservedConcurrencyMem=256)
    reservation = functions.call("GetReservedConcurrencyConfig", FunctionName="held")

    with ThreadPoolExecutor(2) as callers:
        handled = [callers.submit(functions.invoke, "held", event) for event in (1, 2)]
        while not {"1", "2"} <= {path.name for path in tmp_path.iterdir()}:
            time.sleep(0.01)
        refused = functions.invoke("held", 3)["statusCode"]
        (tmp_path / "go on").touch()

    assert reservation == {"ReservedMem": 256}
    assert refused == 432
    assert [result.result() for result in handled] == [1, 2]
    assert functions.invoke("held", 4) == 4


def test_function_without_reserved_memory_is_stopped_until_the_reservation_is_deleted(
    functions: FunctionTool,
) -> None:
    functions.create("plain", SOURCE)
    functions.call("PutReservedConcurrencyConfig", FunctionName="plain", ReservedConcurrencyMem=0)

    stopped = functions.invoke("plain")["statusCode"]
    functions.call("DeleteReservedConcurrencyConfig", FunctionName="plain")

    assert stopped == 432
    assert functions.invoke("plain") is None
    assert functions.call("GetReservedConcurrencyConfig", FunctionName="plain") == {}


def test_reservation_above_the_quota_of_the_account_is_refused(functions: FunctionTool) -> None:
    for name in ("plain", "other"):
        functions.create(name, SOURCE)
    functions.call("PutReservedConcurrencyConfig", FunctionName="other", ReservedConcurrencyMem=128)

    for memory, code in (
        (100, "InvalidParameterValue"),
        (115_200, "LimitExceeded.FunctionReservedConcurrencyMemory"),
    ):
        params = {"FunctionName": "plain", "ReservedConcurrencyMem": memory}
        assert refusal(functions, "PutReservedConcurrencyConfig", **params) == code


def test_unknown_action_is_refused(functions: FunctionTool) -> None:
    assert refusal(functions, "PublishLayerVersion") == "UnsupportedOperation"
