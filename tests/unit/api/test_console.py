"""The console's page and assets, as the gateway sends them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aigc.api import console
from aigc.wire import with_fields
from aigc_cli.front_end import pack

if TYPE_CHECKING:
    from tests.unit.api.client import Client

FUNCTIONS = Path(console.__file__).parents[2]
PAGE = "<!doctype html><script src=console/assets/main-ABC.js></script>"
SCRIPT = "console.log('images')"


@pytest.fixture(autouse=True)
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pack a small console where the gateway looks for the one of the zip."""
    dist, folder = tmp_path / "dist", tmp_path / "packed"
    (dist / "assets").mkdir(parents=True)
    folder.mkdir()
    (dist / "index.html").write_text(PAGE)
    (dist / "assets" / "main-ABC.js").write_text(SCRIPT)
    pack(dist, folder)
    monkeypatch.setattr(console, "FOLDER", folder)
    # These paths are for browsers and not in the OpenAPI document.
    monkeypatch.setattr("tests.unit.api.client.check", lambda *_: None)
    return folder


@pytest.fixture
def browser(client: Client) -> Client:
    return dataclasses.replace(client, headers={})


def test_page_needs_no_key_and_is_checked_at_each_visit(browser: Client) -> None:
    answer = browser.get("/console")

    assert answer.body == PAGE
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert browser.get("/console", headers={"If-None-Match": answer.headers["ETag"]}).status == 304


def test_asset_is_kept_for_ever_and_sent_as_it_was_packed(browser: Client, packed: Path) -> None:
    compressed = browser.get("/console/assets/main-ABC.js", headers={"Accept-Encoding": "gzip"})
    plain = browser.get("/console/assets/main-ABC.js")

    assert compressed.raw == (packed / "main-ABC.js.gz").read_bytes()
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (plain.raw.decode(), plain.headers["Content-Type"]) == (
        SCRIPT,
        "text/javascript; charset=utf-8",
    )


def test_page_may_use_its_own_origin_and_the_buckets_only(browser: Client) -> None:
    settings = browser.world.settings
    buckets = (
        f"https://{settings.results_bucket}.cos.{settings.region}.myqcloud.com"
        f" https://{settings.inbox_bucket}.cos.{settings.region}.myqcloud.com"
    )

    policy = browser.get("/console").headers["Content-Security-Policy"].split("; ")

    assert policy == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' blob: data: {buckets}",
        f"connect-src 'self' {buckets}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


def test_own_domain_of_the_results_replaces_the_bucket_of_cos(browser: Client) -> None:
    browser.world.settings = with_fields(
        browser.world.settings, results_url="https://images.example.com/made"
    )

    policy = browser.get("/console").headers["Content-Security-Policy"]

    assert "https://images.example.com https://" in policy
    assert browser.world.settings.results_bucket not in policy


@pytest.mark.parametrize("name", ["other.js", "headers.json", "..", "%2e%2e"])
def test_file_that_was_not_packed_does_not_exist(client: Client, name: str) -> None:
    assert client.get(f"/console/assets/{name}").status == 404


def test_address_with_a_slash_redirects_to_the_one_without(browser: Client) -> None:
    answer = browser.get("/console/")

    assert answer.status == 302
    assert answer.headers["Location"].endswith("/console")
    assert answer.body["console"] == answer.headers["Location"]


def test_root_redirects_to_the_console(browser: Client) -> None:
    answer = browser.get("/")

    assert answer.status == 302
    assert answer.headers["Location"].endswith("/console")
    assert set(answer.body) == {"console", "docs"}


def test_root_redirects_to_the_documentation_without_a_console(browser: Client) -> None:
    browser.world.settings = with_fields(browser.world.settings, console=False)

    assert browser.get("/").headers["Location"].endswith("/docs")


@pytest.mark.parametrize("path", ["/console", "/console/assets/main-ABC.js"])
def test_closed_console_is_answered_like_a_path_that_does_not_exist(
    client: Client, browser: Client, path: str
) -> None:
    client.world.settings = with_fields(client.world.settings, console=False)

    assert client.get(path).status == 404
    assert browser.get(path).status == 401


def test_zip_without_the_console_answers_404_with_the_reason(
    browser: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "FOLDER", tmp_path / "absent")

    answer = browser.get("/console")

    assert answer.status == 404
    assert answer.body["detail"] == "this service was built without the console"
