"""OpenAI's own SDK, as it is published, in front of the local cloud."""

from __future__ import annotations

import asyncio
import base64
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import openai
import pytest
import requests

from tests.clients.programs import run_client
from tests.cutting_proxy import cutting_proxy
from tests.e2e.stack import ROOT, SAMPLES, Stack, wait_for
from tests.pages import blocks
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openai.types import ImagesResponse

MODEL = "gg-3.0"
CAT = SAMPLES / "cat.jpg"
PAGE = (ROOT / "docs" / "openai.md").read_text(encoding="utf-8")
PNG = b"\x89PNG"
PROMPTS = size(4, full=100)
CALLS_OF_A_PROMPT = 2


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with client_of(stack.gateway, stack) as client:
        yield client


def client_of(gateway: str, stack: Stack, **options: Any) -> openai.OpenAI:
    key = stack.connection["api_key"]
    return openai.OpenAI(base_url=f"{gateway}/openai/v1", api_key=key, **options)


def image_bytes(answer: ImagesResponse) -> bytes:
    assert answer.data
    [image] = answer.data
    if image.b64_json:
        return base64.b64decode(image.b64_json)
    assert image.url
    return requests.get(image.url, timeout=30).content


def paid(stack: Stack, prompt: str) -> int:
    """Count the tasks with a prompt that the vendor was paid for."""
    return sum(task["prompt"] == prompt for task in stack.tasks())


@pytest.mark.parametrize("block", blocks(PAGE, "python openai"))
def test_the_examples_of_the_page_work(stack: Stack, tmp_path: Path, block: str) -> None:
    (tmp_path / "cat.jpg").write_bytes(CAT.read_bytes())

    url = run_client([sys.executable, "-c", block], stack, tmp_path).strip()

    assert requests.get(url, timeout=30).content.startswith(PNG)


# Generations


def test_generation_answers_with_a_url(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model=MODEL, prompt="a lighthouse", size="1536x1024", n=1, response_format="url"
    )

    assert image_bytes(answer).startswith(PNG)
    assert answer.output_format == "png"


def test_generation_answers_in_base64(client: openai.OpenAI) -> None:
    answer = client.images.generate(model=MODEL, prompt="a boat")

    assert answer.data
    assert answer.data[0].b64_json
    assert image_bytes(answer).startswith(PNG)


def test_async_client_makes_images_at_the_same_time(stack: Stack) -> None:
    async def generate() -> list[ImagesResponse]:
        key, url = stack.connection["api_key"], f"{stack.gateway}/openai/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=key) as client:
            calls = (client.images.generate(model=MODEL, prompt=f"async {n}") for n in range(3))
            return await asyncio.gather(*calls)

    answers = asyncio.run(generate())

    assert len({image_bytes(answer) for answer in answers}) == 3


def test_own_parameters_pass_by_extra_body(stack: Stack, client: openai.OpenAI) -> None:
    own = {"negative_prompt": "fog", "result": {"prefix": "openai/", "name": "first"}}
    answer = client.images.generate(model=MODEL, prompt="a pier", extra_body=own)

    assert image_bytes(answer).startswith(PNG)
    assert "openai/first-1.png" in stack.results("openai/")


def test_async_answers_with_the_urls_of_the_queue(stack: Stack, client: openai.OpenAI) -> None:
    answer = client.images.generate(model=MODEL, prompt="a bridge", extra_body={"async": True})
    queued = answer.model_dump()
    ended = stack.ended(queued)
    result = stack.get(queued["response_url"]).json()

    assert queued["id"] == queued["request_id"] == ended["request_id"]
    assert requests.get(result["images"][0]["url"], timeout=30).content.startswith(PNG)


def test_models_are_listed_and_described(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]

    assert MODEL in names
    assert client.models.retrieve(MODEL).owned_by == "tencent-vod"
    assert client.models.retrieve("mps.image/kling-2.1").owned_by == "tencent-mps"


# Errors


def test_errors_are_the_typed_exceptions_of_the_sdk(stack: Stack, client: openai.OpenAI) -> None:
    before = len(stack.tasks())

    with pytest.raises(openai.NotFoundError) as unknown:
        client.images.generate(model="gpt-image-1", prompt="x")
    with pytest.raises(openai.BadRequestError) as wrong:
        client.images.generate(model=MODEL, prompt="x", size="256x256")
    with pytest.raises(openai.AuthenticationError) as stranger:
        client.with_options(api_key="nobodys").models.list()

    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert (wrong.value.code, wrong.value.param) == ("invalid_request", "size")
    assert "1K" in wrong.value.message
    assert stranger.value.code == "invalid_api_key"
    assert wrong.value.request_id
    assert len(stack.tasks()) == before


def test_image_that_the_vendor_refuses_is_not_tried_again(
    stack: Stack, client: openai.OpenAI
) -> None:
    stack.fault("vod.CreateAigcImageTask", "refuse:InvalidParameterValue.Prompt")
    prompt = "what the vendor refuses"

    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model=MODEL, prompt=prompt)

    assert refused.value.code == "refused"
    assert [job["state"] for job in stack.jobs() if job["task"]["prompt"] == prompt] == ["failed"]


# Edits


def test_edit_takes_an_image_in_json(stack: Stack) -> None:
    image = f"data:image/jpeg;base64,{base64.b64encode(CAT.read_bytes()).decode()}"
    body = {"model": MODEL, "prompt": "a hat on it", "image": image}
    answer = stack.call("openai/v1/images/edits", body)

    assert answer.status_code == 200
    url = answer.json()["data"][0]["url"]
    assert requests.get(url, timeout=30).content.startswith(PNG)


def test_edit_with_a_damaged_body_says_which_forms_work(
    stack: Stack, client: openai.OpenAI
) -> None:
    before = len(stack.tasks())

    with pytest.raises(openai.BadRequestError) as damaged:
        client.images.edit(model=MODEL, prompt="a hat", image=CAT)

    assert damaged.value.code == "damaged_body"
    assert "`image` as a URL or in Base64" in damaged.value.message
    assert len(stack.tasks()) == before


def test_edit_takes_files_if_bodies_arrive_undamaged(stack: Stack) -> None:
    prompt = "a hat on both"
    with (
        cutting_proxy(stack.gateway, encodes_bodies=True) as proxy,
        client_of(proxy.url, stack) as client,
    ):
        answer = client.images.edit(model=MODEL, prompt=prompt, image=[CAT, CAT], n=1)

    assert image_bytes(answer).startswith(PNG)
    [job] = [job for job in stack.jobs() if job["task"]["prompt"] == prompt]
    [key, _] = [info["url"].partition("/.aigc/")[2] for info in job["task"]["file_infos"]]
    assert stack.result(f".aigc/{key}") == CAT.read_bytes()


# Repeats


def test_call_that_took_too_long_finds_its_image_again(stack: Stack, client: openai.OpenAI) -> None:
    prompt = "an image that takes its time"
    stack.faults({"where": "vod.CreateAigcImageTask", "what": "throttle", "rate": 1})
    with pytest.raises(openai.InternalServerError) as late:
        client.with_options(max_retries=0).images.generate(model=MODEL, prompt=prompt)
    stack.faults()

    answer = client.with_options(max_retries=20).images.generate(model=MODEL, prompt=prompt)

    assert late.value.status_code == 504
    assert late.value.code == "request_in_progress"
    assert isinstance(late.value.body, dict)
    assert late.value.body["request_id"] == answer.model_dump()["request_id"]
    assert image_bytes(answer).startswith(PNG)
    assert paid(stack, prompt) == 1


@pytest.mark.sized
def test_cut_connections_cost_nothing_and_lose_no_image(stack: Stack) -> None:
    """Every call gets an image of its own, though half of the connections break."""
    with (
        cutting_proxy(stack.gateway, cut_share=0.5) as proxy,
        client_of(proxy.url, stack, max_retries=15) as client,
        ThreadPoolExecutor(6) as pool,
    ):

        def make(prompt: str) -> list[str]:
            answers = [
                client.images.generate(model=MODEL, prompt=prompt) for _ in range(CALLS_OF_A_PROMPT)
            ]
            return [answer.model_dump()["request_id"] for answer in answers]

        prompts = [f"cut {number}" for number in range(PROMPTS)]
        made = list(pool.map(make, prompts))

    assert min(proxy.cuts.values()) > 0
    assert len({request_id for ids in made for request_id in ids}) == PROMPTS * CALLS_OF_A_PROMPT
    wait_for(lambda: all(job["state"] == "succeeded" for job in jobs_of(stack, prompts)))
    assert len(jobs_of(stack, prompts)) == PROMPTS * CALLS_OF_A_PROMPT
    assert [paid(stack, prompt) for prompt in prompts] == [CALLS_OF_A_PROMPT] * PROMPTS


def jobs_of(stack: Stack, prompts: list[str]) -> list[dict[str, Any]]:
    return [job for job in stack.jobs() if job["task"]["prompt"] in prompts]
