"""Whatever we can build is what the SDK's typed request knows, and nothing of it is missing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


# Any task at all: unknown models have no limits, so the fields may hold anything of their type.

characters = st.characters(exclude_categories=["Cc", "Cs"])
words = st.text(characters, min_size=1, max_size=40)
switches = st.sampled_from(["Enabled", "disabled", True, False, "true", 0])
urls = st.sampled_from(["https://example.com/1.png", "cos://inbox/a b+c.png", "http://127.0.0.1/x"])
parts = {
    "session_id": st.text(characters, max_size=50),
    "session_context": st.text(characters, max_size=1000),
    "tasks_priority": st.integers(-10, 10) | st.integers(-10, 10).map(str),
}
vod_parts = {
    **parts,
    "sub_app_id": st.integers(min_value=1),
    "ext_info": words | st.dictionaries(words, words | st.integers()),
}
kept = {
    "storage_mode": st.sampled_from(["Temporary", "permanent", ""]),
    "media_name": st.text(characters, max_size=64),
    "class_id": st.integers(min_value=0),
    "expire_time": st.just("2027-01-31T12:00:00+08:00"),
}
files = st.one_of(
    st.fixed_dictionaries({"file_id": words}, optional={"type": st.just("file")}),
    st.fixed_dictionaries({"url": urls}, optional={"type": st.just("Url")}),
)
images = st.fixed_dictionaries(
    {"model_name": st.just("Brand-new"), "model_version": words, "prompt": words},
    optional={
        **vod_parts,
        "file_infos": st.lists(files, max_size=4),
        "negative_prompt": words,
        "enhance_prompt": switches,
        "input_region": st.sampled_from(["mainland", "OverseaUSWest"]),
        "scene_type": words,
        "seed": st.integers(),
        "output_config": st.fixed_dictionaries(
            {},
            optional={
                **kept,
                "resolution": words,
                "aspect_ratio": words,
                "person_generation": st.sampled_from(["allowadult", "Disallowed"]),
                "input_compliance_check": switches,
                "output_compliance_check": switches,
                "output_image_count": st.integers(min_value=1),
                "output_format": st.sampled_from(["jpeg", "PNG"]),
                "logo_add": switches,
            },
        ),
    },
)
scenes = st.fixed_dictionaries(
    {
        "scene_info": st.fixed_dictionaries(
            {
                "type": st.just("product_image"),
                "product_image_config": st.fixed_dictionaries(
                    {},
                    optional={
                        "prompt": words,
                        "negative_prompt": words,
                        "product_desc": words,
                        "more_requirement": words,
                        "output_image_count": st.integers(1, 10),
                    },
                ),
            }
        ),
        "file_infos": st.lists(files, min_size=1, max_size=10),
    },
    optional={
        **vod_parts,
        "output_config": st.fixed_dictionaries(
            {},
            optional={
                **kept,
                "aspect_ratio": st.sampled_from(["1:1", "21:9"]),
                "encode_config": st.fixed_dictionaries(
                    {},
                    optional={
                        "format": st.sampled_from(["jpeg", "PNG"]),
                        "quality": st.integers(1, 100),
                    },
                ),
            },
        ),
    },
)
mps_images = st.fixed_dictionaries(
    {"prompt": words},
    optional={
        **parts,
        "model_name": st.just("Brand-new"),
        "model_version": words,
        "scene_type": words,
        "negative_prompt": words,
        "enhance_prompt": switches,
        "image_infos": st.lists(
            st.fixed_dictionaries({"image_url": urls}, optional={"reference_type": words})
        ),
        "output_image_count": st.integers(min_value=1),
        "extra_parameters": st.fixed_dictionaries(
            {},
            optional={
                "aspect_ratio": words,
                "resolution": words,
                "logo_add": switches,
                "output_format": st.sampled_from(["JPEG", "png"]),
            },
        ),
        "additional_parameters": st.dictionaries(words, words, min_size=1),
        "operator": words,
    },
)
tasks = st.one_of(
    st.tuples(st.just("vod.image"), images),
    st.tuples(st.just("vod.scene_image"), scenes),
    st.tuples(st.just("mps.image"), mps_images),
)


@given(tasks)
def test_any_task_is_sent_as_the_sdk_knows_it(kind_and_body: tuple[str, Body]) -> None:
    kind, body = kind_and_body

    call = created(kind, body)

    assert typed(call) == call.params
    assert set(leaves(call.params)) <= set(shape(request_of(call)))


@given(tasks)
def test_any_task_survives_the_ledger(kind_and_body: tuple[str, Body]) -> None:
    kind, body = kind_and_body

    recorded = json.loads(task(kind, body).model_dump_json())

    assert task(kind, recorded) == task(kind, body)
    assert sent(kind, recorded) == sent(kind, body)
