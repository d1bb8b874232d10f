"""Create tasks of VOD and MPS and poll them; list functions, sub-applications and roles."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.programs import run_client
from tests.e2e.stack import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.stack import Stack

pytestmark = pytest.mark.client("tccli")


@pytest.fixture
def tccli(stack: Stack, installed: Path, tmp_path: Path) -> Callable[..., Any]:
    """Call an action by the command line; tccli speaks https unless the endpoint says http."""
    connection = stack.connection

    def call(service: str, action: str, **parameters: str) -> Any:
        options = {
            "endpoint": connection["cloud"],
            "region": connection["region"],
            "secretId": connection["secret_id"],
            "secretKey": connection["secret_key"],
            **parameters,
        }
        command = [str(installed / "bin" / "tccli"), service, action]
        for name, value in options.items():
            command += [f"--{name}", value]
        return json.loads(run_client(command, stack, tmp_path, HOME=str(tmp_path)))

    return call


def test_vod_makes_an_image(stack: Stack, tccli: Callable[..., Any]) -> None:
    sub_app_id = str(stack.connection["sub_app_id"])
    prompt = "a boat, from the command line"

    created = tccli(
        "vod",
        "CreateAigcImageTask",
        SubAppId=sub_app_id,
        ModelName="GG",
        ModelVersion="3.0",
        Prompt=prompt,
    )

    def finished() -> Any:
        detail = tccli("vod", "DescribeTaskDetail", SubAppId=sub_app_id, TaskId=created["TaskId"])
        return detail["Status"] == "FINISH" and detail["AigcImageTask"]

    task = wait_for(finished)
    assert (task["ErrCode"], task["Input"]["Prompt"]) == (0, prompt)
    assert task["Output"]["FileInfos"]


def test_mps_makes_an_image(tccli: Callable[..., Any]) -> None:
    created = tccli("mps", "CreateAigcImageTask", ModelName="Hunyuan", Prompt="a boat")

    def finished() -> Any:
        detail = tccli("mps", "DescribeAigcImageTask", TaskId=created["TaskId"])
        return detail["Status"] == "DONE" and detail

    assert len(wait_for(finished)["ImageUrls"]) == 1


def test_sub_applications_are_listed(stack: Stack, tccli: Callable[..., Any]) -> None:
    listed = tccli("vod", "DescribeSubAppIds")["SubAppIdInfoSet"]

    assert stack.connection["sub_app_id"] in {application["SubAppId"] for application in listed}


def test_functions_are_listed_and_shown(tccli: Callable[..., Any]) -> None:
    listed = tccli("scf", "ListFunctions")
    shown = tccli("scf", "GetFunction", FunctionName="gateway")

    assert {"gateway", "upload", "sweep"} <= {
        function["FunctionName"] for function in listed["Functions"]
    }
    assert listed["TotalCount"] == len(listed["Functions"])
    assert shown["Status"] == "Active"


def test_the_account_of_scf_is_shown(tccli: Callable[..., Any]) -> None:
    assert tccli("scf", "GetAccount")["AccountLimit"]


def test_roles_are_listed(tccli: Callable[..., Any]) -> None:
    listed = tccli("cam", "DescribeRoleList", Page="1", Rp="20")["List"]

    assert {"gateway", "upload", "sweep"} <= {role["RoleName"] for role in listed}


def test_a_wrong_key_is_refused(stack: Stack, installed: Path, tmp_path: Path) -> None:
    connection = stack.connection
    command = [str(installed / "bin" / "tccli"), "vod", "DescribeSubAppIds"]
    options = ["--endpoint", connection["cloud"], "--region", connection["region"]]
    keys = ["--secretId", connection["secret_id"], "--secretKey", "wrong"]

    done = subprocess.run(
        [*command, *options, *keys],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "AuthFailure.SignatureFailure" in done.stdout + done.stderr
