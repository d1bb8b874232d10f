"""Requests have every parameter of the SDK's typed request, and no other."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.mps.v20190612 import models as mps
from tencentcloud.vod.v20180717 import models as vod

from aigc.tasks.kinds import KINDS
from tests.unit.tasks.bodies import EXAMPLES, FULL, SUBMISSION, Body, sent, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.tasks.kind import ApiCall

MODULES = {("vod", "2018-07-17"): vod, ("mps", "2019-06-12"): mps}
PLAIN = {"str": str, "int": int, "bool": bool, "float": float}


def request_of(call: ApiCall) -> Any:
    return getattr(MODULES[call.service, call.version], call.action + "Request")


def typed(call: ApiCall) -> Body:
    """Send the parameters through the SDK's typed request, which drops what it does not know."""
    request = request_of(call)()
    request.from_json_string(json.dumps(call.params))
    known: Body = json.loads(request.to_json_string(), object_hook=without_nulls)
    return known


def without_nulls(pairs: Body) -> Body:
    return {name: value for name, value in pairs.items() if value is not None}


def shape(model: Any, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Yield path and type of each field of an SDK model, nested ones included."""
    module = MODULES["vod", "2018-07-17"] if "vod" in model.__module__ else mps
    for name, type_ in re.findall(r":type (\w+): (.+)", model.__init__.__doc__):
        nested = re.search(r"(?:list of |\.)([A-Z]\w+)", type_)
        if nested:
            yield from shape(getattr(module, nested[1]), f"{prefix}{name}.")
        else:
            yield prefix + name, PLAIN[type_.strip()]


def leaves(params: object, prefix: str = "") -> Iterator[tuple[str, type]]:
    if isinstance(params, dict):
        for name, value in params.items():
            yield from leaves(value, f"{prefix}{name}.")
    elif isinstance(params, list):
        for value in params:
            yield from leaves(value, prefix)
    else:
        yield prefix.removesuffix("."), type(params)


def created(kind: str, body: Body) -> ApiCall:
    return KINDS[kind].create(task(kind, body), SUBMISSION)


@pytest.mark.parametrize(("kind", "body"), [*EXAMPLES, *FULL])
def test_the_sdk_knows_every_parameter(kind: str, body: Body) -> None:
    call = created(kind, body)

    assert typed(call) == call.params


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_the_sdk_can_be_sent_with_its_type(kind: str) -> None:
    calls = [created(name, body) for name, body in FULL if name == kind]

    reached = {leaf for call in calls for leaf in leaves(call.params)}

    assert reached == set(shape(request_of(calls[0])))


def test_a_parameter_that_the_sdk_lacks_is_noticed() -> None:
    call = created("mps.image", {"prompt": "a cat"})

    call.params["ExtraParameters"] = {"AspectRatio": "1:1", "Mood": "calm"}

    with pytest.warns(UserWarning, match="Mood"):
        assert typed(call) != call.params


@pytest.mark.parametrize("kind", ["vod.image", "vod.scene_image"])
def test_queries_are_known_to_the_sdk(kind: str) -> None:
    calls = [
        KINDS[kind].describe("1-AigcImageTask-1t", 1),
        KINDS[kind].list_tasks(1, 1_700_000_000, ""),
        KINDS[kind].list_tasks(1, 1_700_000_000, "next-page"),
    ]

    for call in calls:
        assert call is not None
        assert typed(call) == call.params


def test_the_query_of_mps_is_known_to_the_sdk() -> None:
    call = KINDS["mps.image"].describe("4-AigcImage-1", 1)

    assert KINDS["mps.image"].list_tasks(1, 1_700_000_000, "") is None
    assert typed(call) == call.params == {"TaskId": "4-AigcImage-1"}


@pytest.mark.parametrize(("kind", "body"), [*EXAMPLES, *FULL])
def test_a_task_is_read_back_from_its_record(kind: str, body: Body) -> None:
    recorded = json.loads(task(kind, body).model_dump_json())

    assert task(kind, recorded) == task(kind, body)
    assert sent(kind, recorded) == sent(kind, body)
