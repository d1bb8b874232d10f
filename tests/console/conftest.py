"""A browser in front of the running system: one for all tests of a module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import NOT_TESTED
from tests.console.browsers import launch, path_of_browser
from tests.console.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.e2e.stack import Stack

REQUIRED = "AIGC_TEST_BROWSER"
"""Variable that `.ci/run` sets to `required`: there a missing browser is a failure."""


def find_browser() -> str:
    """Return the path of the browser, or leave the tests out."""
    path = path_of_browser()
    if path is not None:
        return path
    reason = f"{NOT_TESTED}no Chromium on PATH; on Debian: apt-get install chromium"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser for a module: Playwright's event loop forbids others until it ends."""
    path = find_browser()
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, stack: Stack) -> Iterator[Visitor]:
    """Open a window of a new visitor; at its end nothing may have gone wrong unseen."""
    visitor = Visitor(browser, stack)
    yield visitor
    stack.faults()  # of a test that failed
    visitor.close()
