"""`python -m tests.console.screenshots`: make the pictures of the console in the documentation.

The system runs on this machine; its images are those that the local cloud draws.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.console.browsers import launch, path_of_browser
from tests.console.visitor import Visitor
from tests.e2e.stack import ROOT, SAMPLES, Stack, running

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

FOLDER = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
QUALITY = 88
"""Quality of the JPEG files, which keeps them small."""

IS_LOADED = """() => [...document.querySelectorAll(".frame")].every((frame) =>
    frame.classList.contains("frame-ready") || frame.getBoundingClientRect().top > innerHeight)"""
"""Whether each image in the window has loaded; those below it load later."""

VOD = "tencent-vod/v1/aigc-image"
PROMPTS = (
    "a lighthouse in the fog, watercolour",
    "a paper boat on a river of stars",
    "still life with lemons in morning light",
    "a harbour at night, long exposure",
    "an orchard in the snow, woodcut",
    "a tram in the rain, gouache",
    "mountains after a storm, ink",
    "a market in summer, oil on canvas",
)
RATIOS = ("1:1", "4:3", "3:4", "16:9")
UPLOADS = {
    "anime/cat.jpg": SAMPLES / "cat.jpg",
    "product/coffee.jpg": SAMPLES / "coffee.jpg",
    "sketch/rocket.jpg": SAMPLES / "rocket.jpg",
}


def main() -> int:
    """Run the system, fill it, and write the pictures."""
    path = path_of_browser()
    if path is None:
        print("no Chromium on PATH", file=sys.stderr)
        return 1
    with running("--speed", "30") as stack, sync_playwright() as playwright:
        browser = launch(playwright, path)
        fill(stack)
        save(playground(browser, stack), "playground.jpg")
        save(gallery(browser, stack), "gallery.jpg")
        browser.close()
    return 0


def fill(stack: Stack) -> None:
    """Make images, as calls and as uploads."""
    for key, path in UPLOADS.items():
        stack.upload(key, path.read_bytes())
    for number, prompt in enumerate(PROMPTS):
        output = {"aspect_ratio": RATIOS[number % len(RATIOS)]}
        body: dict[str, Any] = {"model_name": "GG", "model_version": "3.0", "prompt": prompt}
        stack.ended(stack.call(VOD, body | {"output_config": output}).json())


def playground(browser: Browser, stack: Stack) -> bytes:
    """Show a task with an input, and its result."""
    visitor = Visitor(browser, stack, size=SIZE)
    visitor.sign_in()
    page = visitor.page
    page.locator("input[type=file]").set_input_files(SAMPLES / "cat.jpg")
    page.get_by_role("radio", name="3:2").check()
    visitor.generate("a cat in the style of a woodcut")
    visitor.result.wait_for()
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    return picture(visitor)


def gallery(browser: Browser, stack: Stack) -> bytes:
    """Show all images."""
    visitor = Visitor(browser, stack, size=SIZE)
    visitor.sign_in()
    visitor.show("gallery")
    return picture(visitor)


def picture(visitor: Visitor) -> bytes:
    """Return a picture of the window, once nothing in it moves, and close the window."""
    visitor.page.wait_for_function(IS_LOADED)
    content = visitor.page.screenshot(animations="disabled")
    visitor.close()
    return content


def save(content: bytes, name: str, folder: Path = FOLDER) -> None:
    """Write a picture as JPEG."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.save(folder / name, quality=QUALITY, subsampling=0, optimize=True)
    print(f"{folder / name}: {(folder / name).stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
