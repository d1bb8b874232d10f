"""A visitor of the console: a browser window, and what it complained about."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

from playwright.sync_api import expect

from aigc_cli.front_end import packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator

    from tests.e2e.stack import Stack

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1360, "height": 860}
VIEWS = ("playground", "gallery", "jobs", "usage", "uploads")
PATIENCE_MS = 60_000

# What Chromium writes of refusals and of lost connections, which the page shows by itself.
_HANDLED = (
    "Failed to load resource: the server responded with a status of",
    "Failed to load resource: net::ERR_",
)


class Visitor:
    """A window of the browser that shares nothing with other windows."""

    def __init__(
        self,
        browser: Browser,
        stack: Stack,
        *,
        size: dict[str, int] = DESKTOP,
        colors: Literal["light", "dark"] = "light",
        language: str = "en-GB",
    ) -> None:
        self.stack = stack
        self.window = browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme=colors,
            locale=language,
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.window.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        self.page = self.window.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        is_handled = message.text.startswith(_HANDLED)
        if message.type in {"error", "warning"} and not is_handled:
            self.complaints.append(f"{message.type}: {message.text}")

    def close(self) -> None:
        """Close the window.

        Raises:
            AssertionError: The browser complained, for instance about the page's policy.
        """
        self.window.close()
        if self.complaints:
            raise AssertionError("the browser complained:\n" + "\n".join(self.complaints))

    def open(self, address: str = "") -> None:
        """Open the console, with what is to stand behind its path."""
        self.page.goto(f"{self.stack.gateway}/console{address}")

    def enter(self, key: str = "") -> None:
        """Enter an API key; the key of the stack by default."""
        self.page.get_by_label("API", exact=False).fill(key or self.stack.connection["api_key"])
        self.page.keyboard.press("Enter")

    def sign_in(self, address: str = "") -> None:
        """Open the console and enter the key of the stack."""
        self.open(address)
        self.enter()
        self.page.get_by_role("navigation").wait_for()

    def show(self, view: str) -> None:
        """Open a view, and wait until it has loaded its data."""
        self.page.evaluate("hash => { location.hash = hash }", f"#/{view}")
        self.page.locator(f".nav a[href='#/{view}'][aria-current=page]").wait_for()
        self.page.locator("#content .loading").first.wait_for(state="hidden")
        self.page.wait_for_load_state("networkidle")

    def generate(self, prompt: str) -> None:
        """Fill in a prompt and submit the task."""
        self.page.get_by_label("Prompt", exact=False).first.fill(prompt)
        self.page.get_by_role("button", name="Generate").click()

    @property
    def result(self) -> Locator:
        """The image of the request that is shown."""
        return self.page.locator(".run-output .frame-ready img")

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider

    def violations(self) -> list[str]:
        """Let axe look for barriers; return each with the elements that have it."""
        self.page.evaluate(_axe())
        report: dict[str, Any] = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']})"
        )
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for rule in report["violations"]
            for node in rule["nodes"]
        ]


@functools.cache
def _axe() -> str:
    folder = packages(for_development=True) / "axe-core"
    return (folder / "axe.min.js").read_text(encoding="utf-8")
