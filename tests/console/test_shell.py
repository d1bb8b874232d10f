"""All views in a real browser: languages, sizes, colours, keyboard, screen reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from tests.console.visitor import DESKTOP, PHONE, VIEWS, Visitor
from tests.sizes import IS_FULL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

    from tests.e2e.stack import Stack


@pytest.fixture(scope="module", autouse=True)
def _has_an_image(stack: Stack) -> None:
    """Let the views have something to show."""
    body = {"model_name": "GG", "model_version": "3.0", "prompt": "a boat for all views"}
    stack.ended(stack.call("tencent-vod/v1/aigc-image", body).json())


# Each size and each colour once: axe needs a second of CPU time for each view.
LOOKS: list[tuple[Literal["light", "dark"], dict[str, int]]] = [("light", DESKTOP), ("dark", PHONE)]
ALL_LOOKS = [*LOOKS, ("light", PHONE), ("dark", DESKTOP)]


@pytest.mark.sized
@pytest.mark.parametrize(("colors", "size"), ALL_LOOKS if IS_FULL else LOOKS)
def test_axe_finds_nothing_and_nothing_is_too_wide(
    browser: Browser, stack: Stack, colors: Literal["light", "dark"], size: dict[str, int]
) -> None:
    visitor = Visitor(browser, stack, colors=colors, size=size)
    visitor.open()
    visitor.page.get_by_label("API key").wait_for()
    problems = {"key": (visitor.violations(), visitor.overflow())}
    visitor.sign_in()
    for view in VIEWS:
        visitor.show(view)
        problems[view] = (visitor.violations(), visitor.overflow())

    assert problems == dict.fromkeys(["key", *VIEWS], ([], 0))
    visitor.close()


@pytest.mark.parametrize("status", [403, 429])
def test_each_view_shows_the_error_and_tries_again(visitor: Visitor, status: int) -> None:
    page = visitor.page
    visitor.sign_in()
    refusal = {"detail": "not at the moment", "error_type": "refused", "request_id": "r-1"}
    for view in VIEWS:
        page.route("**/v1/**", lambda route: route.fulfill(status=status, json=refusal))
        visitor.open(f"#/{view}")
        page.reload()
        alerts = page.get_by_role("alert")
        expect(alerts.first).to_contain_text("not at the moment")
        expect(page.locator("#content .loading:visible")).to_have_count(0)
        try_again = alerts.get_by_role("button", name="Try again")
        expect(try_again.first).to_be_visible()
        page.unroute_all()
        # A view that loads again by itself may remove a button at any time.
        try_again.evaluate_all("buttons => buttons.forEach((button) => button.click())")

        expect(alerts).to_have_count(0)
        expect(page.locator("#content .loading:visible")).to_have_count(0)


def test_each_view_goes_on_when_the_connection_is_back(visitor: Visitor) -> None:
    page = visitor.page
    page.clock.install()
    visitor.sign_in()
    for view in VIEWS:
        page.route("**/v1/**", lambda route: route.abort())
        visitor.open(f"#/{view}")
        page.reload()
        expect(page.get_by_text("There is no connection to the API")).to_be_visible()
        page.unroute_all()

        page.clock.fast_forward("00:05")

        expect(page.get_by_text("There is no connection to the API")).to_have_count(0)
        expect(page.locator("#content .loading:visible")).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)


def test_call_that_is_never_answered_is_made_again(visitor: Visitor) -> None:
    page = visitor.page
    page.clock.install()
    visitor.sign_in()
    held: list[Route] = []
    page.route("**/v1/lanes", lambda route: held.append(route), times=1)  # noqa: PLW0108  Playwright counts the parameters of a handler
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_role("row").first.wait_for()
    assert len(held) == 1

    page.clock.fast_forward("01:31")

    expect(page.locator("[data-lane='vod.image']")).to_be_visible()


@pytest.mark.parametrize("size", [{"width": 640, "height": 400}, {"width": 320, "height": 256}])
def test_magnified_page_shows_what_has_the_focus(
    browser: Browser, stack: Stack, size: dict[str, int]
) -> None:
    visitor = Visitor(browser, stack, size=size)
    visitor.sign_in()
    page = visitor.page
    page.get_by_text("More parameters").click()
    hidden = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if not page.evaluate(IS_FOCUS_SEEN):
            hidden.append(page.evaluate("document.activeElement.outerHTML"))

    assert hidden == []
    for view in VIEWS:
        visitor.show(view)
        assert (view, visitor.overflow()) == (view, 0)
    visitor.close()


IS_FOCUS_SEEN = """() => {
  const focused = document.activeElement;
  const {left, top, width, height} = focused.getBoundingClientRect();
  const places = [0.1, 0.5, 0.9].map(part => top + part * height);
  return focused === document.body || places.some(y => {
    const seen = document.elementFromPoint(left + width / 2, y);
    return seen !== null && (focused.contains(seen) || seen.contains(focused));
  });
}"""
"""Whether what has the focus is in sight, and not below a bar."""


def test_part_of_the_page_that_is_gone_is_loaded_with_the_page(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    page.route("**/assets/usage-*", lambda route: route.fulfill(status=404))
    page.get_by_role("link", name="Usage", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("A newer version may have been deployed")
    page.unroute_all()

    page.get_by_role("button", name="Load the page again").click()

    expect(page.get_by_role("group", name="Days")).to_be_visible()


def test_chinese_browser_gets_chinese_and_may_switch(browser: Browser, stack: Stack) -> None:
    visitor = Visitor(browser, stack, language="zh-CN", size=PHONE)
    visitor.open()
    page = visitor.page
    expect(page.get_by_role("heading", name="输入 API 密钥")).to_be_visible()
    visitor.sign_in()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    for view, name in zip(VIEWS, ("试用", "图库", "作业", "用量", "上传"), strict=True):
        visitor.show(view)
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
        assert (visitor.overflow(), visitor.violations()) == (0, [])

    page.get_by_role("button", name="English").click()

    expect(page.get_by_role("link", name="Gallery", exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.get_by_role("link", name="Gallery", exact=True)).to_be_visible()
    visitor.close()


def test_key_that_cannot_be_tried_is_no_wrong_key(visitor: Visitor) -> None:
    page = visitor.page
    refusal = {"detail": "at most 60 calls in a minute", "error_type": "rate_limited"}
    page.route("**/v1/models", lambda route: route.fulfill(status=429, json=refusal))
    visitor.open()
    visitor.enter()
    expect(page.get_by_role("alert")).to_contain_text("at most 60 calls in a minute")
    page.unroute_all()

    page.keyboard.press("Enter")

    expect(page.get_by_role("navigation")).to_be_visible()


def test_key_is_kept_for_the_tab_only(visitor: Visitor, stack: Stack) -> None:
    visitor.sign_in()
    page = visitor.page
    key = stack.connection["api_key"]

    kept = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage)]")
    assert (key in kept[0], key in kept[1], visitor.window.cookies()) == (True, False, [])
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_views_are_reached_with_the_keyboard(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    page.reload()
    page.get_by_label("Prompt").first.wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.get_by_role("link", name="Jobs", exact=True).focus()
    page.keyboard.press("Enter")

    expect(page.locator("#content")).to_be_focused()
    assert page.title().startswith("Jobs")


def test_page_asks_no_other_origin_for_anything(visitor: Visitor, stack: Stack) -> None:
    asked: set[str] = set()
    visitor.page.on("request", lambda request: asked.add(request.url.split("/", 3)[2]))
    visitor.sign_in()
    for view in VIEWS:
        visitor.show(view)

    own = {stack.gateway.split("/", 3)[2], stack.connection["cloud"].split("/", 3)[2]}
    assert asked <= own
