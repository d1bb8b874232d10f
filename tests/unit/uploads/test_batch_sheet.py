"""The contact sheet shows images and failures, and nothing of a file is HTML in it."""

from __future__ import annotations

from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any

from aigc.uploads.batches import sheet
from aigc.uploads.batches.records import Batch, Image, LineOutcome
from aigc.uploads.batches.report import Report
from aigc.uploads.batches.sheet import Sheet

HOSTILE = "<script>alert(1)</script>\"' onerror=alert(1) &amp;"


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def a_batch(**changes: Any) -> Batch:
    values: dict[str, Any] = {
        "id": "0" * 32,
        "rule": "batches",
        "key": "b/spring.jobs.jsonl",
        "etag": "e",
        "size": 1,
        "created_at": datetime(2026, 11, 28, tzinfo=timezone.utc),
        "folder": "b/",
        "priority": -5,
        "is_read": True,
    }
    return Batch.model_validate(values | changes)


def a_success(line: int, name: str = "a-1.png", **changes: Any) -> LineOutcome:
    image = Image(key=f"b/{name}", width=4, height=3)
    values: dict[str, Any] = {"line": line, "state": "succeeded", "images": (image,)}
    return LineOutcome.model_validate(values | changes)


def a_failure(line: int, **changes: Any) -> LineOutcome:
    values: dict[str, Any] = {"line": line, "state": "failed", "error": "no", "error_type": "x"}
    return LineOutcome.model_validate(values | changes)


def page_of(*outcomes: LineOutcome, name: str = "spring", **changes: Any) -> str:
    drawn = Sheet("b/")
    for outcome in outcomes:
        drawn.add(outcome)
    return drawn.body(a_batch(**changes), name).decode()


def tags_of(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


def test_nothing_of_a_file_is_html_in_the_page() -> None:
    page = page_of(
        a_success(1, f"{HOSTILE}-1.png", custom_id=HOSTILE, prompt=HOSTILE),
        a_failure(2, custom_id=HOSTILE, error=HOSTILE),
        name=HOSTILE,
        problem=HOSTILE,
    )
    tags = tags_of(page)

    assert tags.of("script") == []
    assert not any("onerror" in attributes for _, attributes in tags.tags)
    [image] = tags.of("img")
    assert image["alt"] == HOSTILE
    [link] = tags.of("a")
    assert link["href"] == image["src"]
    assert (image["src"] or "").startswith("./%3Cscript%3E")


def test_link_cannot_leave_the_folder_or_name_a_scheme() -> None:
    [image] = tags_of(page_of(a_success(1, "javascript:alert(1)"))).of("img")

    assert image["src"] == "./javascript%3Aalert%281%29"


def test_lines_are_counted_by_state() -> None:
    page = page_of(
        a_success(1), a_failure(2), LineOutcome(line=3), LineOutcome(line=4, state="running")
    )

    assert "4 lines: 1 succeeded, 1 failed, 2 waiting or running" in page
    assert "still being read" in page_of(is_read=False)


def test_long_batches_show_the_first_images_and_failures(monkeypatch: Any) -> None:
    monkeypatch.setattr(sheet, "MOST_IMAGES", 2)
    monkeypatch.setattr(sheet, "MOST_PROBLEMS", 1)

    page = page_of(*map(a_success, range(3)), *map(a_failure, range(3)))

    assert len(tags_of(page).of("img")) == 2
    assert "1 more images are in the report" in page
    assert "2 more are in the report" in page


def test_report_ends_with_the_problem_of_the_file() -> None:
    report = Report()
    report.add(a_failure(1, custom_id="a"))

    body = report.body(a_batch(problem="the file was removed while it was read"))

    first, last = body.decode().splitlines()
    assert '"custom_id": "a"' in first
    assert last == '{"problem": "the file was removed while it was read"}'
