"""A local cloud that breaks assumptions on purpose, each in one place."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from localcloud.cloud import LocalCloud
from localcloud.server import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.server import Request


@dataclass(frozen=True, slots=True)
class Difference:
    """What the cloud does instead, and the words with which its check must say so."""

    check: str
    says: str
    applies: Callable[[Request], bool]
    answer: Callable[[Request, Callable[[Request], Response]], Response]


class DifferentCloud(LocalCloud):
    """A local cloud with differences; each request meets the first one that applies."""

    def __init__(self, differences: list[Difference], **options: Any) -> None:
        self._differences = differences
        super().__init__(**options)

    def answer(self, request: Request) -> Response:
        for difference in self._differences:
            if difference.applies(request):
                return difference.answer(request, super().answer)
        return super().answer(request)


def _on(method: str, path: str) -> Callable[[Request], bool]:
    return lambda request: request.method == method and request.path == path


def _action(name: str, text: str = "") -> Callable[[Request], bool]:
    return lambda request: (
        request.headers.get("x-tc-action") == name and text.encode() in request.body
    )


def _success(**content: Any) -> Callable[..., Response]:
    return lambda *_: Response.of_json({"Response": {**content, "RequestId": "0"}})


def _without_header(name: str) -> Callable[..., Response]:
    def answer(request: Request, go_on: Callable[[Request], Response]) -> Response:
        response = go_on(request)
        headers = {key: text for key, text in response.headers.items() if key.lower() != name}
        return replace(response, headers=headers)

    return answer


def _with_header(name: str, text: str) -> Callable[..., Response]:
    def answer(request: Request, go_on: Callable[[Request], Response]) -> Response:
        response = go_on(request)
        return replace(response, headers={**response.headers, name: text})

    return answer


def _edited(edit: Callable[[dict[str, Any]], None]) -> Callable[..., Response]:
    def answer(request: Request, go_on: Callable[[Request], Response]) -> Response:
        content = json.loads(go_on(request).body)
        edit(content["Response"])
        return Response.of_json(content)

    return answer


def _always(response: Response) -> Callable[..., Response]:
    return lambda *_: response


def _reversed(request: Request, go_on: Callable[[Request], Response]) -> Response:
    head, *entries = go_on(request).body.decode().split("<Contents>")
    tail = entries[-1].partition("</Contents>")[2] if entries else ""
    bodies = [entry.partition("</Contents>")[0] + "</Contents>" for entry in entries]
    text = head + "".join(f"<Contents>{body}" for body in reversed(bodies)) + tail
    return Response(200, text.encode(), {"Content-Type": "application/xml"})


def _overwriting(request: Request, go_on: Callable[[Request], Response]) -> Response:
    go_on(replace(request, headers=request.headers))
    return Response(200, b"", {"ETag": '"0"'})


DIFFERENCES = [
    Difference(
        "cos-create-refuses-existing",
        "answered 200",
        lambda request: request.method == "PUT" and request.path == "/create/existing",
        _overwriting,
    ),
    Difference(
        "cos-read-after-write",
        "a GET saw 200",
        _on("GET", "/read/7"),
        _always(Response(200, b"what was there before")),
    ),
    Difference(
        "cos-read-after-delete",
        "a GET answered 200",
        _on("GET", "/deleted/3"),
        _always(Response(200, b"x")),
    ),
    Difference(
        "cos-listing-order",
        "listed as",
        lambda request: "prefix=order" in request.query,
        _reversed,
    ),
    Difference("cos-etag", "ETags", _on("HEAD", "/etag/object"), _with_header("ETag", '"another"')),
    Difference(
        "cos-delete-missing",
        "answered 404",
        _on("DELETE", "/missing/key"),
        _always(Response(404)),
    ),
    Difference(
        "cos-longest-key",
        "851 bytes were answered 200",
        lambda request: request.method == "PUT" and request.path == "/" + "k" * 851,
        _always(Response(200)),
    ),
    Difference(
        "cos-preview",
        "the answer is None",
        _on("GET", "/preview/object.jpg"),
        _always(Response(200, b"as it is")),
    ),
    Difference(
        "cos-checksum",
        "GET has None",
        _on("GET", "/crc/object"),
        _without_header("x-cos-hash-crc64ecma"),
    ),
    Difference(
        "api-error-form",
        "Content-Type application/json; charset=utf-8",
        _action("DescribeTaskDetail", "0-AigcImageTask-missing"),
        _with_header("Content-Type", "application/json; charset=utf-8"),
    ),
    Difference(
        "api-unknown-parameter", "answered ''", _action("DescribeSubAppIds", "Unknown"), _success()
    ),
    Difference(
        "scf-image-config",
        "ImageConfig {'ImageUri': ''}",
        _action("GetFunction"),
        _edited(lambda response: response.update(ImageConfig={"ImageUri": ""})),
    ),
    Difference(
        "events-overlap",
        "it was accepted",
        _action("CreateTrigger", "events/inside/"),
        _success(TriggerInfo={}),
    ),
    Difference(
        "vod-describe-tasks",
        "0 other tasks are listed",
        _action("DescribeTasks"),
        _edited(lambda response: response.update(TaskSet=[])),
    ),
    Difference(
        "vod-session-length",
        "answered <task>",
        _action("CreateAigcImageTask", "x" * 51),
        _success(TaskId="1-AigcImageTask-0t"),
    ),
    Difference(
        "vod-missing-application",
        "they were read",
        _action("DescribeEventConfig", "1499999999"),
        _success(Mode="PULL"),
    ),
    Difference(
        "mps-missing-task",
        "answered ''",
        _action("DescribeAigcImageTask", "4-AigcImage-000000"),
        _success(Status="WAIT"),
    ),
]
