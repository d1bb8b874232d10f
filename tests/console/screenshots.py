"""`python -m tests.console.screenshots`: make the images of the console in the documentation.

The system runs on this machine, once for each language; its images are those that the local cloud
draws. Chinese needs a font: Debian's package `fonts-noto-cjk`, for instance.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
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
RATIOS = ("1:1", "4:3", "3:4", "16:9")
UPLOADS = {
    "anime/cat.jpg": SAMPLES / "cat.jpg",
    "product/coffee.jpg": SAMPLES / "coffee.jpg",
    "sketch/rocket.jpg": SAMPLES / "rocket.jpg",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The language of the documentation that images are made for, and the texts in them."""

    language: str
    ending: str
    prompt_label: str
    submit_label: str
    prompt: str
    """The prompt in the playground."""
    prompts: tuple[str, ...]
    """The prompts of the other images."""


ENGLISH = Edition(
    language="en-GB",
    ending=".jpg",
    prompt_label="Prompt",
    submit_label="Generate",
    prompt="a cat in the style of a woodcut",
    prompts=(
        "a lighthouse in the fog, watercolour",
        "a paper boat on a river of stars",
        "still life with lemons in morning light",
        "a harbour at night, long exposure",
        "an orchard in the snow, woodcut",
        "a tram in the rain, gouache",
        "mountains after a storm, ink",
        "a market in summer, oil on canvas",
    ),
)
CHINESE = Edition(
    language="zh-CN",
    ending=".zh-CN.jpg",
    prompt_label="提示词",
    submit_label="生成",
    prompt="木刻风格的猫",
    prompts=(
        "雾中的灯塔，水彩画",
        "星河上的一只纸船",
        "晨光中的柠檬静物",
        "夜晚的港口，长曝光",
        "雪中的果园，木刻版画",
        "雨中的电车，水粉画",
        "暴雨过后的群山，水墨画",
        "夏日集市，油画",
    ),
)


def main() -> int:
    """Write the images of both languages."""
    path = path_of_browser()
    if path is None:
        print("no Chromium on PATH", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        for edition in (ENGLISH, CHINESE):
            write(edition, browser)
        browser.close()
    return 0


def write(edition: Edition, browser: Browser) -> None:
    """Run a system, fill it, and write its images."""
    with running("--speed", "30") as stack:
        fill(stack, edition)
        save(playground(browser, stack, edition), f"playground{edition.ending}")
        save(gallery(browser, stack, edition), f"gallery{edition.ending}")


def fill(stack: Stack, edition: Edition) -> None:
    """Make images, as calls and as uploads."""
    for key, path in UPLOADS.items():
        stack.upload(key, path.read_bytes())
    for number, prompt in enumerate(edition.prompts):
        output = {"aspect_ratio": RATIOS[number % len(RATIOS)]}
        body: dict[str, Any] = {"model_name": "GG", "model_version": "3.0", "prompt": prompt}
        stack.ended(stack.call(VOD, body | {"output_config": output}).json())


def playground(browser: Browser, stack: Stack, edition: Edition) -> bytes:
    """Show a task with an input, and its result."""
    visitor = Visitor(browser, stack, size=SIZE, language=edition.language)
    visitor.sign_in()
    page = visitor.page
    page.locator("input[type=file]").set_input_files(SAMPLES / "cat.jpg")
    page.get_by_role("radio", name="3:2").check()
    page.get_by_label(edition.prompt_label, exact=False).first.fill(edition.prompt)
    page.get_by_role("button", name=edition.submit_label, exact=True).click()
    visitor.result.wait_for()
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    return image_bytes(visitor)


def gallery(browser: Browser, stack: Stack, edition: Edition) -> bytes:
    """Show all images."""
    visitor = Visitor(browser, stack, size=SIZE, language=edition.language)
    visitor.sign_in()
    visitor.show("gallery")
    return image_bytes(visitor)


def image_bytes(visitor: Visitor) -> bytes:
    """Return an image of the window, once nothing in it moves, and close the window."""
    visitor.page.wait_for_function(IS_LOADED)
    content = visitor.page.screenshot(animations="disabled")
    visitor.close()
    return content


def save(content: bytes, name: str, folder: Path = FOLDER) -> None:
    """Write an image as JPEG."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.save(folder / name, quality=QUALITY, subsampling=0, optimize=True)
    print(f"{folder / name}: {(folder / name).stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
