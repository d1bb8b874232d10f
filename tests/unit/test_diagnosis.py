"""A function's answer about its role to the doctor."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import gateway
import sweep
import upload
from aigc.diagnosis import diagnose, digest
from aigc.errors import AccountError, UnclearError
from aigc.triggers.diagnosis import DIAGNOSIS_REQUEST, is_diagnosis_request
from tests.fakes import StoreFault, World, build_world

if TYPE_CHECKING:
    from types import ModuleType

    from aigc.tasks.kind import ApiCall


def outcomes(world: World) -> dict[tuple[str, str], str]:
    answer = diagnose(world.runtime())
    return {(item["action"], item["on"]): item["outcome"] for item in answer["actions"]}


class Refusing:
    """A vendor that refuses every call with one code."""

    def __init__(self, code: str) -> None:
        self._code = code

    def call(self, call: ApiCall) -> dict[str, Any]:
        error = AccountError if self._code.startswith("Unauthorized") else UnclearError
        raise error(call.action, code=self._code)


@pytest.fixture
def world() -> World:
    world = build_world()
    world.vendor = Refusing("ResourceNotFound")  # type: ignore[assignment]
    return world


def test_a_role_that_may_do_everything_is_granted_everything(world: World) -> None:
    assert set(outcomes(world).values()) == {"granted"}
    assert world.ledger_keys() == []


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("UnauthorizedOperation.CamNoAuth", "denied"),
        ("ResourceNotFound.TaskNotExist", "granted"),
        ("InvalidParameterValue.TaskId", "granted"),
        ("FailedOperation.InvalidVodUser", "unclear"),
    ],
)
def test_a_code_distinguishes_denied_from_not_found(world: World, code: str, outcome: str) -> None:
    world.vendor = Refusing(code)  # type: ignore[assignment]

    api_calls = {
        action: seen for (action, _), seen in outcomes(world).items() if "cos:" not in action
    }

    assert set(api_calls) == {
        "vod:DescribeTaskDetail",
        "vod:ManageTask",
        "vod:DescribeTasks",
        "mps:DescribeAigcImageTask",
    }
    assert set(api_calls.values()) == {outcome}


def test_a_denied_bucket_is_named(world: World) -> None:
    denied = AccountError("put", code="AccessDenied")
    world.store.faults = [StoreFault("put doctor/", denied)]

    assert [key for key, outcome in outcomes(world).items() if outcome == "denied"] == [
        ("name/cos:PutObject", "ledger")
    ]


@pytest.mark.parametrize("function", [gateway, upload, sweep])
def test_each_function_answers_the_question(
    function: ModuleType, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "_runtime", lambda _: world.runtime())

    answer = function.main_handler(dict(DIAGNOSIS_REQUEST), {"request_id": "1"})

    assert answer["actions"]
    assert len(answer["digest"]) == 64


@pytest.mark.parametrize("event", [{}, {**DIAGNOSIS_REQUEST, "httpMethod": "GET"}, None])
def test_no_other_event_is_the_question(event: object) -> None:
    assert not is_diagnosis_request(event)


def test_code_is_identified_by_paths_and_contents(tmp_path: Any) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.py", b"1")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    assert digest(files) == digest({"a.py": b"1"})
    assert digest({"a": b"b1"}) != digest({"ab": b"1"})
