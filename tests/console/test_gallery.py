"""The gallery in a real browser, with thousands of images: what it shows, and what it costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from aigc.api.images import MOST_LISTINGS
from aigc_cli.front_end import packages
from tests.console.gallery_stack import ENTRIES, full_gallery
from tests.console.visitor import PATIENCE_MS
from tests.sizes import IS_FULL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page, Request, Route

    from tests.console.gallery_stack import Gallery

PAGE = 40
SOUGHT = ENTRIES * 68 // 100
"""The number of a job whose prompt is about a lighthouse."""


@pytest.fixture(scope="module")
def gallery() -> Iterator[Gallery]:
    with full_gallery() as gallery:
        yield gallery


@pytest.fixture
def finished() -> list[Request]:
    """The requests of all pages that were answered in full."""
    return []


@pytest.fixture
def open_page(
    gallery: Gallery, browser: Browser, finished: list[Request]
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the view, with a key, and counts from zero."""
    contexts = []
    errors: list[str] = []

    def open_page(query: str = "", *, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.on("requestfinished", lambda request: finished.append(request))  # noqa: PLW0108  Playwright counts the parameters of a handler
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        key = json.dumps(gallery.stack.api_key)
        page.add_init_script(f"sessionStorage.setItem('aigc.key', {key})")
        gallery.ledger.clear()
        page.goto(gallery.url + query)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def items(page: Page) -> list[str]:
    ids: list[str] = page.eval_on_selector_all(
        ".gallery-item", "items => items.map(item => item.id)"
    )
    return ids


def numbers(page: Page) -> list[int]:
    """The numbers of the jobs whose images are shown, in order."""
    return [int(item.removeprefix("image-").partition("/")[0], 16) for item in items(page)]


def is_list_call(request: Request) -> bool:
    return urlsplit(request.url).path.endswith("/v1/images")


def count_list_calls(page: Page) -> list[Request]:
    calls: list[Request] = []
    page.on("request", lambda request: calls.append(request) if is_list_call(request) else None)
    return calls


# What it costs


@pytest.mark.sized
def test_the_first_page_of_many_images_costs_one_listing(
    gallery: Gallery, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    expect(page.locator(".gallery-item")).to_have_count(PAGE)

    assert numbers(page) == [*range(ENTRIES - 1, ENTRIES - 1 - PAGE, -1)]
    assert gallery.ledger["GetBucket"] == 1
    assert gallery.ledger["GetObject"] <= PAGE + 2


def test_scrolling_loads_a_page_at_a_time_and_each_image_once(
    gallery: Gallery, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    calls = count_list_calls(page)
    for pages in (2, 3, 4):
        page.locator(".gallery-item").last.scroll_into_view_if_needed()
        expect(page.locator(".gallery-item")).to_have_count(PAGE * pages)

    assert numbers(page) == [*range(ENTRIES - 1, ENTRIES - 1 - 4 * PAGE, -1)]
    assert gallery.ledger["GetBucket"] == 4
    assert len(calls) <= 4
    assert gallery.ledger["GetObject"] <= 4 * (PAGE + 2)


def test_only_previews_are_loaded(open_page: Callable[..., Page], finished: list[Request]) -> None:
    page = open_page()
    expect(page.locator(".gallery-item")).to_have_count(PAGE)
    expect(page.locator(".gallery-item .frame-ready").first).to_be_visible()
    page.wait_for_load_state("networkidle")

    images = [request for request in finished if "samples/" in request.url]
    assert images
    assert all("imageMogr2" in image.url for image in images)
    assert len(images) <= PAGE
    assert sum(image.sizes()["responseBodySize"] for image in images) < PAGE * 40_000


@pytest.mark.sized
def test_a_search_through_all_images_is_bounded(
    gallery: Gallery, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    expect(page.locator(".gallery-item")).to_have_count(PAGE)
    calls = count_list_calls(page)
    gallery.ledger.clear()

    page.get_by_role("searchbox").fill("lighthouse number 8")
    page.get_by_role("searchbox").fill(f"lighthouse {SOUGHT}")
    expect(page.locator(".gallery-item")).to_have_count(1)
    expect(page.get_by_text("That is all.")).to_be_visible()

    assert numbers(page) == [SOUGHT]
    queries = [parse_qs(urlsplit(call.url).query) for call in calls]
    assert {query["q"][0] for query in queries} == {f"lighthouse {SOUGHT}"}
    assert len(calls) == ENTRIES // (1000 * MOST_LISTINGS) + 1
    assert gallery.ledger["GetBucket"] <= ENTRIES // 1000 + len(calls)
    assert gallery.ledger["GetObject"] <= 2


# Filters


def test_filters_are_part_of_the_address(open_page: Callable[..., Page]) -> None:
    page = open_page("?source=upload&folder=shop/")
    expect(page.locator(".gallery-item")).to_have_count(PAGE)
    expect(page.get_by_role("search").get_by_label("Source")).to_have_value("upload")
    assert all(number % 3 == 1 and number % 4 in {1, 2} for number in numbers(page))

    page.get_by_role("search").get_by_label("Model").select_option("Kling 2.1")
    page.get_by_role("search").get_by_label("From").fill("2020-01-01")

    page.wait_for_url(lambda url: "model=Kling+2.1" in url and "since=2020-01-01" in url)
    expect(page.locator(".gallery-item")).to_have_count(PAGE)
    page.get_by_role("button", name="Clear all filters").click()
    page.wait_for_url(lambda url: url.endswith("#/gallery"))


def test_filters_that_match_nothing_can_be_cleared(open_page: Callable[..., Page]) -> None:
    page = open_page("?folder=nowhere/")
    expect(page.get_by_text("No image matches these filters.")).to_be_visible()

    page.locator(".note-empty").get_by_role("button").click()

    expect(page.locator(".gallery-item")).to_have_count(PAGE)


def test_a_filter_that_the_api_refuses_is_named(open_page: Callable[..., Page]) -> None:
    page = open_page("?since=yesterday")

    expect(page.get_by_role("alert")).to_contain_text("since")


# One image


def test_an_image_is_opened_and_closed_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page()
    expect(page.locator(".gallery-item")).to_have_count(PAGE)
    page.locator(".gallery-item").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    chosen = page.evaluate("document.activeElement.id")
    assert chosen in items(page)[3:]

    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="How it was made")).to_be_visible()
    page.keyboard.press("ArrowRight")
    shown = items(page)[items(page).index(chosen) + 1]
    page.wait_for_url(lambda url: shown.removeprefix("image-").replace("/", "%2F") in url)
    page.keyboard.press("Escape")

    expect(dialog).to_have_count(0)
    expect(page.locator(f"[id='{shown}']")).to_be_focused()


def test_the_way_back_closes_an_image(open_page: Callable[..., Page]) -> None:
    page = open_page("?source=call")
    page.locator(".gallery-item").nth(3).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    page.go_back()
    expect(dialog).to_have_count(0)
    assert page.url.endswith("#/gallery?source=call")
    page.go_forward()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")

    expect(dialog).to_have_count(0)
    expect(page.locator(".gallery-item").first).to_be_visible()


def test_an_image_leads_to_its_job_and_to_the_form(open_page: Callable[..., Page]) -> None:
    request_id = f"{ENTRIES - 2:032x}"
    page = open_page(f"?image={request_id}/1")

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"number {ENTRIES - 2}").first).to_be_visible()
    again = dialog.get_by_role("link", name="Again with changes")
    expect(again).to_have_attribute("href", f"#/playground?job={request_id}")
    job = dialog.get_by_role("link", name="Show the job")
    expect(job).to_have_attribute("href", f"#/jobs?job={request_id}")


def test_an_image_is_saved_under_its_name(open_page: Callable[..., Page]) -> None:
    page = open_page(f"?image={ENTRIES - 1:032x}/1")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    assert download.value.suggested_filename.endswith(".jpg")
    assert download.value.path().stat().st_size > 10_000


def test_before_and_after_are_compared_with_the_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page("?source=upload")
    page.locator(".gallery-item").first.click()
    expect(page.locator(".gallery-compare-same")).to_be_visible()
    after = page.locator(".gallery-compare .frame img").bounding_box()
    assert page.locator(".gallery-compare-before").bounding_box() == after
    divider = page.get_by_role("slider")

    divider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")

    expect(divider).to_have_value("55")
    assert (
        page.locator(".gallery-compare").evaluate("c => c.style.getPropertyValue('--at')") == "55%"
    )
    expect(page.get_by_role("dialog")).to_be_visible()


# Without previews, on a phone, in Chinese, for everybody


def test_images_are_shown_although_the_bucket_makes_no_previews(
    open_page: Callable[..., Page],
) -> None:
    page = open_page()
    page.route("**/*imageMogr2*", lambda route: route.fulfill(status=400, body="<Error/>"))
    page.reload()

    expect(page.locator(".gallery-item .frame-ready").first).to_be_visible()
    expect(page.locator(".frame-failed")).to_have_count(0)


def refuse_old_links(page: Page) -> None:
    """Let the bucket refuse its images until the first page has been listed again."""
    calls = count_list_calls(page)

    def answer(route: Route) -> None:
        is_renewed = any("cursor" not in call.url for call in calls)
        if is_renewed:
            route.continue_()
        else:
            route.fulfill(status=403)

    page.route("**/samples/*", answer)
    page.wait_for_timeout(1000)  # links that are signed in the same second are the same


def test_links_that_have_expired_are_renewed(open_page: Callable[..., Page]) -> None:
    page = open_page()
    expect(page.locator(".gallery-item")).to_have_count(PAGE)
    refuse_old_links(page)
    page.clock.install()
    page.clock.fast_forward("55:00")
    last = page.locator(".gallery-item").nth(PAGE - 1)

    last.scroll_into_view_if_needed()

    expect(last.locator(".frame-ready")).to_be_visible()


def test_a_large_image_whose_link_has_expired_is_shown(open_page: Callable[..., Page]) -> None:
    page = open_page("?source=call")
    expect(page.locator(".gallery-item .frame-ready").first).to_be_visible()
    refuse_old_links(page)
    page.clock.install()
    page.clock.fast_forward("55:00")

    page.locator(".gallery-item").first.click()

    expect(page.get_by_role("dialog").locator(".frame-ready img")).to_be_visible()


def test_a_phone_shows_two_columns_without_scrolling_sideways(
    open_page: Callable[..., Page],
) -> None:
    page = open_page(width=390, has_touch=True, locale="zh-CN")
    expect(page.locator(".gallery-item")).to_have_count(PAGE)

    boxes = [page.locator(".gallery-item").nth(index).bounding_box() for index in range(3)]

    assert all(boxes)
    tops = [round(box["y"]) for box in boxes if box]
    assert tops[0] == tops[1] < tops[2]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.get_by_role("button", name="筛选")).to_be_visible()
    page.locator(".gallery-item").first.click()
    expect(page.get_by_role("heading", name="生成方式")).to_be_visible()


LIST, DIALOG = "?kind=vod.image", f"?source=upload&image={ENTRIES - 3:032x}/1"
LOOKS = [("light", LIST), ("dark", DIALOG)]
ALL_LOOKS = [*LOOKS, ("dark", LIST), ("light", DIALOG)]


@pytest.mark.sized
@pytest.mark.parametrize(("scheme", "query"), ALL_LOOKS if IS_FULL else LOOKS)
def test_axe_finds_nothing(open_page: Callable[..., Page], scheme: str, query: str) -> None:
    page = open_page(query, color_scheme=scheme)
    expect(page.locator(".frame-ready").first).to_be_visible()

    axe = packages(for_development=True) / "axe-core" / "axe.min.js"
    page.evaluate(axe.read_text(encoding="utf-8"))

    # The header belongs to no view.
    result = page.evaluate("axe.run('main, dialog', {resultTypes: ['violations']})")

    found = [
        (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in result["violations"]
    ]
    assert found == []
