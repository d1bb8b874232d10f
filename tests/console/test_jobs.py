"""Jobs in a real browser: lanes, the list, each life, and what a key may do."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from aigc_cli import cli
from tests.console.visitor import PHONE, Visitor
from tests.e2e.stack import wait_for

if TYPE_CHECKING:
    import pytest
    from playwright.sync_api import Browser

    from tests.e2e.stack import Stack

ARREARS = "FailedOperation.UserArrears"
SUBMIT = "tencent-vod/v1/aigc-image"


def submitted(stack: Stack, prompt: str) -> dict[str, Any]:
    body = {"model_name": "GG", "model_version": "3.0", "prompt": prompt}
    return dict(stack.call(SUBMIT, body).json())


def failed(stack: Stack, prompt: str) -> str:
    """Have a job fail whose attempt may have been billed; return its id."""
    stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
    answer = submitted(stack, prompt)
    stack.ended(answer)
    return str(answer["request_id"])


def job_of(stack: Stack, job_id: str) -> dict[str, Any]:
    return dict(stack.get(f"/v1/jobs/{job_id}").json())


def new_key(capsys: pytest.CaptureFixture[str], name: str, *options: str) -> str:
    assert cli.main(["keys", "new", name, *options]) == 0
    return capsys.readouterr().out.strip()


def test_failed_job_has_its_life_with_the_vendors_ids(visitor: Visitor, stack: Stack) -> None:
    job_id = failed(stack, "a job that fails at the vendor")
    [attempt] = job_of(stack, job_id)["attempts"]
    visitor.sign_in("#/jobs?state=failed")
    page = visitor.page

    page.get_by_role("link", name="a job that fails at the vendor").click()

    timeline = page.get_by_role("region", name="What happened").get_by_role("listitem")
    titles = ["Accepted", "Attempt 1: sent to the vendor", "Attempt 1 failed", "Failed"]
    expect(timeline).to_have_text([re.compile(f"^{title}") for title in titles])
    expect(timeline.nth(1)).to_contain_text(attempt["task_id"])
    expect(timeline.nth(1)).to_contain_text(attempt["request_id"])
    expect(timeline.nth(1)).to_contain_text("may have been billed")
    expect(timeline.nth(2)).to_contain_text("InternalError")
    assert visitor.violations() == []


def test_job_runs_before_the_eyes_of_a_phone_and_shows_its_image(
    browser: Browser, stack: Stack
) -> None:
    visitor = Visitor(browser, stack, size=PHONE)
    answer = submitted(stack, "a job that is watched")
    visitor.sign_in(f"#/jobs?job={answer['request_id']}")

    image = visitor.page.get_by_role("img", name="a job that is watched")
    expect(image).to_be_visible()
    expect(visitor.page.get_by_text("Succeeded", exact=True)).to_be_visible()
    assert (visitor.overflow(), visitor.violations()) == (0, [])
    visitor.close()


def test_paused_lane_says_why_and_its_jobs_go_on(visitor: Visitor, stack: Stack) -> None:
    stack.faults({"where": "account", "what": f"refuse:{ARREARS}", "rate": 1.0})
    submitted(stack, "a job that waits for the account")
    visitor.sign_in("#/jobs")
    page = visitor.page

    lane = page.locator("[data-lane='vod.image']")
    expect(lane.get_by_text("paused", exact=True)).to_be_visible()
    expect(lane.get_by_text(ARREARS)).to_be_visible()
    row = page.get_by_role("row", name="a job that waits for the account")
    expect(row).to_contain_text("the lane is paused")
    assert visitor.violations() == []

    stack.faults()

    expect(row).to_contain_text("succeeded")
    expect(lane.get_by_text("paused", exact=True)).to_have_count(0)


def test_lanes_that_cannot_be_read_say_why(visitor: Visitor) -> None:
    page = visitor.page
    page.route("**/v1/lanes", lambda route: route.fulfill(status=500, body="broken"))
    visitor.sign_in("#/jobs")
    expect(page.get_by_role("alert")).to_contain_text("HTTP 500")
    page.unroute_all()

    page.get_by_role("alert").get_by_role("button", name="Try again").click()

    expect(page.locator("[data-lane='vod.image']")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_links_of_a_job_are_renewed(visitor: Visitor, stack: Stack) -> None:
    answer = submitted(stack, "a job whose links expire")
    stack.ended(answer)
    page = visitor.page
    page.clock.install()
    visitor.sign_in(f"#/jobs?job={answer['request_id']}")
    link = page.locator(".job-images a")
    old = str(link.get_attribute("href"))
    page.route(old, lambda route: route.fulfill(status=403))
    page.wait_for_timeout(1000)  # links that are signed in the same second are the same

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    assert download.value.path().stat().st_size > 1000
    page.clock.set_system_time(datetime.now(timezone.utc) + timedelta(hours=1))
    with page.expect_popup() as popup:
        link.click()
    popup.value.wait_for_url(lambda url: url.startswith(old.partition("?")[0]) and url != old)
    page.clock.fast_forward("55:00")
    expect(link).not_to_have_attribute("href", old)
    expect(link.locator(".frame-ready img")).to_be_visible()


def test_waiting_job_is_cancelled(visitor: Visitor, stack: Stack) -> None:
    stack.faults({"where": "account", "what": f"refuse:{ARREARS}", "rate": 1.0})
    answer = submitted(stack, "a job that is not wanted any more")
    visitor.sign_in(f"#/jobs?job={answer['request_id']}")
    page = visitor.page

    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("nothing is billed")).to_be_visible()
    page.get_by_role("button", name="Cancel the job").click()

    expect(page.get_by_role("listitem").get_by_text("Cancelled", exact=True)).to_be_visible()
    assert job_of(stack, answer["request_id"])["state"] == "cancelled"
    stack.faults()


def test_dead_job_is_replayed_with_a_key_that_may(
    visitor: Visitor, here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = failed(here, "a job that is replayed")
    visitor.open(f"#/jobs?job={job_id}")
    visitor.enter(new_key(capsys, "operator", "--operate"))
    page = visitor.page

    page.get_by_role("button", name="Replay").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Attempt 1 may have been billed")
    assert visitor.violations() == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Replay").click()
    dialog.get_by_role("button", name="Pay again").click()

    expect(page.get_by_text("Attempt 2: sent to the vendor")).to_be_visible()
    expect(page.get_by_role("img", name="a job that is replayed")).to_be_visible()
    assert len(job_of(here, job_id)["attempts"]) == 2


def test_key_that_may_not_operate_is_told_so(
    visitor: Visitor, here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = failed(here, "a job that stays dead")
    key = new_key(capsys, "reader")
    visitor.open(f"#/jobs?job={job_id}")
    visitor.enter(key)
    page = visitor.page

    expect(page.get_by_text("This key may not replay or restore jobs.")).to_be_visible()
    expect(page.get_by_role("button", name="Replay")).to_have_count(0)
    answer = page.request.post(
        f"{here.gateway}/v1/jobs/{job_id}/replay",
        data={"attempt": 1, "pay_again": True},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status == 403
    assert job_of(here, job_id)["state"] == "failed"


def test_list_goes_on_with_older_jobs_and_follows_them(visitor: Visitor, stack: Stack) -> None:
    stack.faults({"where": "account", "what": f"refuse:{ARREARS}", "rate": 1.0})
    many = [submitted(stack, f"one of many jobs {number}") for number in range(27)]
    visitor.sign_in("#/jobs?source=call")
    page = visitor.page
    expect(page.get_by_role("row")).to_have_count(26)  # with the header

    page.get_by_role("button", name="Older jobs").click()

    oldest = page.get_by_role("row").filter(has_text=re.compile("one of many jobs 0"))
    expect(oldest).to_contain_text("waiting")
    stack.faults()
    wait_for(lambda: all(job_of(stack, one["request_id"])["state"] == "succeeded" for one in many))
    expect(oldest).to_contain_text("succeeded")
    expect(page.get_by_role("row", name="one of many jobs 26")).to_contain_text("succeeded")
    page.get_by_label("State").select_option("failed")
    expect(page.get_by_role("row", name="one of many jobs")).to_have_count(0)
