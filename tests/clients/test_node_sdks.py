"""Create a task by endpoint and by proxy, poll it, get its image; a wrong key is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stack import Stack

VOD = pytest.mark.client("tencentcloud-sdk-nodejs-vod")
MPS = pytest.mark.client("tencentcloud-sdk-nodejs-mps")
WAYS = ("endpoint", "proxy")


@VOD
@pytest.mark.parametrize("way", WAYS)
def test_vod_makes_an_image(stack: Stack, node: Callable[..., Any], way: str) -> None:
    answer = node("tasks.mjs", "vod", way)

    assert answer["AigcImageTask"]["ErrCode"] == 0, answer
    [file] = answer["AigcImageTask"]["Output"]["FileInfos"]
    assert is_image(stack, file["FileUrl"])


@MPS
@pytest.mark.parametrize("way", WAYS)
def test_mps_makes_an_image(stack: Stack, node: Callable[..., Any], way: str) -> None:
    answer = node("tasks.mjs", "mps", way)

    [url] = answer["ImageUrls"]
    assert is_image(stack, url)


@pytest.mark.parametrize(
    "service", [pytest.param("vod", marks=VOD), pytest.param("mps", marks=MPS)]
)
def test_a_wrong_key_is_refused(node: Callable[..., Any], service: str) -> None:
    answer = node("tasks.mjs", service, "endpoint", SIGN_WITH="another key")

    assert answer["error"]["code"] == "AuthFailure.SignatureFailure", answer
    assert answer["error"]["requestId"]


def is_image(stack: Stack, url: str) -> bool:
    """Whether the vendor's URL, which only the local cloud knows, leads to a PNG."""
    answer = requests.get(url, proxies={"http": stack.connection["cloud"]}, timeout=30)
    return answer.content.startswith(b"\x89PNG")
