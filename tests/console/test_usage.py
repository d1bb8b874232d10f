"""Usage in a real browser: the same numbers as the API's, as a chart and as a table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from aigc_cli import cli
from tests.console.visitor import PHONE, Visitor
from tests.e2e.stack import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.stack import Stack

MODEL = "Hunyuan 3.0"
Sums = dict[str, tuple[int, int, int]]


@pytest.fixture(scope="module", autouse=True)
def _has_been_counted(stack: Stack) -> None:
    """Have a job end, and wait until the sweep has counted it."""
    body = {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a boat that is counted"}
    stack.ended(stack.call("tencent-mps/v1/aigc-image", body).json())
    wait_for(lambda: MODEL in sums(stack, "model"))


def sums(stack: Stack, by: str) -> Sums:
    """Sum up the usage by the API: name → images, jobs, succeeded jobs."""
    counted: dict[str, Counter[str]] = {}
    for row in stack.get("/v1/usage").json()["usage"]:
        name = f"{row['model']} {row['version']}".strip() if by == "model" else row[by]
        numbers = {field: row[field] for field in ("images", "jobs", "succeeded")}
        counted.setdefault(name, Counter()).update(numbers)
    return {name: (one["images"], one["jobs"], one["succeeded"]) for name, one in counted.items()}


def shown(visitor: Visitor) -> Sums:
    """Read the same from the table of the page."""
    rows = visitor.page.locator("[data-table=breakdown] tbody tr").all()
    texts = [row.locator("th, td").all_inner_texts() for row in rows]
    return {name: (int(images), int(jobs), int(good)) for name, images, _, jobs, good in texts}


@pytest.mark.parametrize("by", ["model", "source", "kind"])
def test_page_has_the_numbers_of_the_api(visitor: Visitor, stack: Stack, by: str) -> None:
    visitor.sign_in(f"#/usage?by={by}")

    def is_same() -> bool:
        """Compare, unless a job of another test was counted meanwhile."""
        before = sums(stack, by)
        visitor.page.reload()
        expect(visitor.page.locator("[data-table=breakdown] tbody tr").first).to_be_visible()
        on_the_page = shown(visitor)
        if before != sums(stack, by):
            return False
        assert on_the_page == before
        return True

    wait_for(is_same)


def test_chart_has_its_numbers_as_a_table(browser: Browser, stack: Stack) -> None:
    visitor = Visitor(browser, stack, size=PHONE)
    visitor.sign_in("#/usage?days=31")
    page = visitor.page
    counted = sums(stack, "model")
    most_used = max(counted, key=lambda model: counted[model])

    expect(page.get_by_role("img", name="Images for each day, by model")).to_be_visible()
    page.get_by_text("The same numbers").click()
    expect(page.get_by_role("columnheader", name=most_used)).to_be_visible()
    expect(page.get_by_role("region", name="The same numbers").get_by_role("row")).to_have_count(32)
    assert (visitor.overflow(), visitor.violations()) == (0, [])
    visitor.close()


def test_without_prices_no_cost_is_shown(visitor: Visitor, stack: Stack) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
    body = {"model_name": "OG", "model_version": "image2_low", "prompt": "a boat that fails"}
    stack.ended(stack.call("tencent-vod/v1/aigc-image", body).json())
    wait_for(lambda: "OG image2_low" in sums(stack, "model"))

    visitor.sign_in("#/usage")

    page = visitor.page
    expect(page.get_by_role("row", name="OG image2_low")).to_contain_text("–")  # noqa: RUF001  the page's sign
    expect(page.locator(".total b").nth(1)).to_have_text("–")  # noqa: RUF001  see above
    expect(page.get_by_role("radio", name="Images")).to_have_count(0)


def test_limits_that_cannot_be_read_say_why(visitor: Visitor) -> None:
    page = visitor.page
    page.route("**/v1/me", lambda route: route.fulfill(status=500, body="broken"))
    visitor.sign_in("#/usage")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("HTTP 500")
    page.unroute_all()

    alert.get_by_role("button", name="Try again").click()

    expect(page.get_by_role("region", name="Limits of this key")).to_be_visible()


@pytest.mark.usefixtures("here")
def test_limits_of_the_key_show_what_is_left(
    visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["keys", "new", "daily", "--jobs-per-day", "40"]) == 0
    visitor.open("#/usage")
    visitor.enter(capsys.readouterr().out.strip())

    limits = visitor.page.get_by_role("region", name="Limits of this key")
    expect(limits).to_contain_text("Jobs today")
    expect(limits).to_contain_text("40 left of 40")
