"""Uploads in a real browser: files that are dropped become jobs and images."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.console.visitor import PHONE, Visitor
from tests.e2e.stack import SAMPLES, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.e2e.stack import Stack

PHOTO = (SAMPLES / "cat.jpg").read_bytes()
OTHER = b"what makes it another file"
# Playwright has no drop of files: the page makes the event that a browser would.
DROP = """
files => {
  const data = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), sign => sign.charCodeAt(0));
    data.items.add(new File([bytes], name, {type}));
  }
  const zone = document.querySelector(".drop-zone");
  for (const name of ["dragenter", "dragover", "drop"]) {
    zone.dispatchEvent(
      new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}
"""


def drop(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Drop files, given by name, type and content."""
    page.locator(".drop-zone").wait_for()
    page.evaluate(
        DROP, [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files]
    )


def inbox(stack: Stack) -> dict[str, int]:
    """List the inbox: key → bytes."""
    answer = stack.cos().list_objects(Bucket=stack.connection["buckets"]["inbox"])
    return {entry["Key"]: int(entry["Size"]) for entry in answer.get("Contents", [])}


def test_dropped_file_becomes_a_job_and_an_image(visitor: Visitor, stack: Stack) -> None:
    stack.upload("anime/taken.jpg", PHOTO + OTHER)
    visitor.sign_in("#/uploads?prefix=anime/dropped")
    page = visitor.page

    drop(
        page,
        ("dropped.jpg", "image/jpeg", PHOTO),
        ("taken.jpg", "image/jpeg", PHOTO),
        ("notes.txt", "text/plain", b"no image"),
    )
    files = page.locator(".drop-file")
    expect(files.nth(2)).to_contain_text("not a JPEG, PNG or WebP")
    assert "anime/dropped.jpg" not in inbox(stack)
    page.get_by_role("button", name="Upload 2 files").click()

    expect(files.nth(0).locator(".badge").first).to_have_text("done")
    expect(files.nth(0).locator(".drop-results .frame-ready img")).to_be_visible()
    expect(files.nth(1)).to_contain_text("Nothing is replaced")
    assert "anime/dropped.jpg-1.png" in stack.results("anime/")
    assert inbox(stack)["anime/taken.jpg"] == len(PHOTO) + len(OTHER)
    row = page.locator("[data-key='anime/dropped.jpg']")
    expect(row).to_contain_text("succeeded")
    assert visitor.violations() == []
    row.get_by_role("link").click()
    expect(page.get_by_text("anime/dropped.jpg", exact=True)).to_be_visible()


def test_files_that_wait_for_others_are_sent_once(visitor: Visitor, stack: Stack) -> None:
    visitor.sign_in("#/uploads")
    page = visitor.page
    names = [f"many-{number}.jpg" for number in range(5)]
    drop(page, *((name, "image/jpeg", PHOTO + name.encode()) for name in names))

    page.get_by_role("button", name="Upload 5 files").click()

    # Three are sent at once. The others can no longer be sent a second time, or be removed.
    assert page.locator(".drop-file[data-step=staged]").count() == 0
    expect(page.locator(".drop-file[data-step=done]")).to_have_count(5)
    assert {f"anime/{name}" for name in names} <= inbox(stack).keys()


def test_file_that_a_rule_does_not_take_is_refused_before_it_is_sent(
    visitor: Visitor, stack: Stack
) -> None:
    visitor.sign_in("#/uploads")
    page = visitor.page

    drop(page, ("animation.bmp", "image/png", PHOTO))
    page.get_by_role("button", name="Upload 1 file").click()

    expect(page.locator(".drop-file")).to_contain_text("suffix: its key does not end with")
    assert "anime/animation.bmp" not in inbox(stack)


def test_upload_shows_the_state_of_its_job_and_follows_it(visitor: Visitor, stack: Stack) -> None:
    stack.faults({"where": "account", "what": "refuse:FailedOperation.UserArrears", "rate": 1.0})
    stack.upload("anime/fails.jpg", PHOTO + b"an upload whose job fails")
    visitor.sign_in("#/uploads?prefix=anime/fails")
    row = visitor.page.locator("[data-key='anime/fails.jpg']")
    expect(row.locator(".badge")).to_have_text("waiting")

    stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")

    expect(row.locator(".badge")).to_have_class("badge badge-failed")
    expect(row.locator(".badge")).to_have_text("failed")


def test_files_stay_listed_and_are_followed_while_another_view_is_open(
    visitor: Visitor, stack: Stack
) -> None:
    visitor.sign_in("#/uploads")
    page = visitor.page
    page.get_by_label("Subfolder").fill("kept")
    drop(page, ("kept.jpg", "image/jpeg", PHOTO + b"a file that stays listed"))
    page.get_by_role("button", name="Upload 1 file").click()
    visitor.show("usage")
    wait_for(lambda: "anime/kept/kept.jpg-1.png" in stack.results("anime/kept/"))

    visitor.show("uploads")

    expect(page.locator(".drop-file")).to_contain_text("kept.jpg")
    expect(page.locator(".drop-results .frame-ready img")).to_be_visible()
    expect(page.get_by_label("Subfolder")).to_have_value("kept")
    page.get_by_role("button", name="Forget the key").click()
    visitor.enter()
    expect(page.locator(".drop-zone")).to_be_visible()
    expect(page.locator(".drop-file")).to_have_count(0)


def test_inbox_says_why_a_file_has_no_job(browser: Browser, stack: Stack) -> None:
    stack.upload("anime/no-image.jpg", b"hello")
    wait_for(lambda: stack.get("/v1/uploads?outcome=none").json()["uploads"])
    visitor = Visitor(browser, stack, size=PHONE)
    visitor.sign_in("#/uploads?outcome=none&prefix=anime/no-image")

    row = visitor.page.locator("[data-key='anime/no-image.jpg']")
    expect(row).to_contain_text("no job")
    expect(row).to_contain_text("it is not an image")
    assert (visitor.overflow(), visitor.violations()) == (0, [])
    visitor.close()
