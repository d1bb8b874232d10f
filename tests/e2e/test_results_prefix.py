"""A shared results bucket: roles and functions use one folder of it, with real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from aigc_cli.local_stack import local_stack
from tests.e2e.stack import SAMPLES, Stack, wait_for
from tests.e2e.tasks import ENDPOINTS
from tests.e2e.test_permissions import permissions

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "site/images/"
FOLDERS = ("anime", "sketch")


@pytest.fixture(scope="module")
def shared() -> Iterator[Stack]:
    with local_stack(speed=30, timeout_s=10, changes={"resultsPrefix": PREFIX}) as stack:
        yield Stack(stack.connection)


def test_nothing_leaves_the_folder_and_no_function_needs_more(shared: Stack) -> None:
    tasks: dict[str, Any] = dict(ENDPOINTS)
    for endpoint, task in tasks.items():
        answer = shared.call(endpoint, {**task, "result": {"prefix": "website"}}).json()
        shared.ended(answer)
        [image] = shared.get(answer["response_url"]).json()["images"]
        assert requests.get(image["url"], timeout=30).ok
    for folder in FOLDERS:
        shared.upload(f"{folder}/one.jpg", (SAMPLES / "cat.jpg").read_bytes())
    wait_for(
        lambda: {f"{PREFIX}{name}/one.jpg.json" for name in FOLDERS} <= shared.results().keys()
    )

    assert [key for key in shared.results() if not key.startswith(PREFIX)] == []
    assert len(shared.results(f"{PREFIX}website/")) == 2 * len(ENDPOINTS)
    assert [role for role, of in permissions(shared).items() if of["denied"]] == []
