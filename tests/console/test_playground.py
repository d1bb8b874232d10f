"""The playground in a real browser, in front of the running system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from aigc_cli import cli
from aigc_cli.doctor.patient import of_connection
from tests.console.visitor import Visitor
from tests.e2e.stack import SAMPLES, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload, Route

    from tests.e2e.stack import Stack

ARREARS = "FailedOperation.UserArrears"


def test_first_visitor_comes_from_the_key_to_an_image(visitor: Visitor, stack: Stack) -> None:
    page = visitor.page
    page.goto(f"{stack.gateway}/")
    visitor.enter("wrong-key")
    expect(page.get_by_text("does not accept this key")).to_be_visible()
    visitor.enter()
    page.locator("input[type=file]").set_input_files(SAMPLES / "cat.jpg")
    expect(page.get_by_role("progressbar")).to_have_count(0)

    visitor.generate("a cat in the style of a woodcut")

    expect(visitor.result).to_be_visible()
    expect(page.locator(".run-input .frame-ready img")).to_be_visible()
    [job] = stack.jobs()
    [image] = job["task"]["file_infos"]
    assert job["task"]["prompt"] == "a cat in the style of a woodcut"
    assert image["url"].startswith(f"cos://{stack.connection['buckets']['results']}/")


def test_call_is_copied_as_code_without_the_key(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    page.get_by_label("Prompt").first.fill('it\'s a "boat"')
    page.get_by_text("The same call as code").click()
    copied = {}
    for language, word in {"curl": "curl", "Python": "import", "JavaScript": "const"}.items():
        page.get_by_role("button", name=language).click()
        page.locator(".code-bar > button").click()
        page.get_by_text("Copied").wait_for()
        copied[language] = page.evaluate("navigator.clipboard.readText()")
        assert word in copied[language]

    assert all(visitor.stack.connection["api_key"] not in code for code in copied.values())
    assert all(
        "API_KEY" in code and "/tencent-vod/v1/aigc-image" in code for code in copied.values()
    )
    compile(copied["Python"], "copied", "exec")
    setting = f"export GATEWAY={visitor.stack.gateway} API_KEY=…"
    expect(page.get_by_text(setting, exact=True)).to_be_visible()


def test_console_works_below_the_stage_of_api_gateway(visitor: Visitor, stack: Stack) -> None:
    page, outside = visitor.page, []

    def pass_on(route: Route) -> None:
        url = route.request.url
        if not url.startswith(f"{stack.gateway}/release/"):
            outside.append(url)
        route.fulfill(response=route.fetch(url=url.replace("/release/", "/", 1)))

    page.route(f"{stack.gateway}/**", pass_on)
    page.goto(f"{stack.gateway}/release/console")
    visitor.enter()

    page.get_by_label("Prompt").first.fill("a boat")
    expect(page.get_by_text("No price is set")).to_be_visible()
    page.get_by_text("The same call as code").click()
    expect(page.get_by_text(f"export GATEWAY={stack.gateway}/release API_KEY=…")).to_be_visible()
    assert outside == []


def test_form_has_only_the_parameters_of_the_model(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    model = page.get_by_label("Model", exact=True)
    ratio = page.get_by_role("group", name="Aspect ratio")

    model.select_option(label="GG 3.1")
    expect(ratio.get_by_text("8:1")).to_be_visible()
    model.select_option(label="Kling 3.0")
    expect(ratio.get_by_text("8:1")).to_have_count(0)
    expect(page.get_by_text("one image")).to_be_visible()
    model.select_option(label="SI 4.0")
    expect(ratio).to_have_count(0)

    page.get_by_role("radio", name="VOD scene").check()
    page.get_by_label("Scene", exact=True).select_option("ai_try_on")
    expect(page.get_by_role("group", name="Clothes")).to_be_visible()
    expect(ratio).to_have_count(0)
    page.get_by_label("Scene", exact=True).select_option("product_image")
    expect(page.get_by_role("group", name="Clothes")).to_have_count(0)
    expect(ratio).to_be_visible()


def test_form_without_a_prompt_has_a_price_or_says_why_not(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    price = page.locator(".submit-row > :first-child")
    expect(price).to_have_text("No price is set for this task.")

    page.route("**/estimate", with_a_price)
    page.get_by_label("Model", exact=True).select_option(label="Kling 2.1")
    expect(price).to_have_text("About CN¥0.20")
    page.get_by_label("Number of images").fill("2")
    expect(price).to_contain_text("About CN¥0.40")
    page.get_by_label("Number of images").fill("100")
    expect(price).to_contain_text("No price: output_config.output_image_count")

    page.get_by_role("radio", name="VOD scene").check()
    page.get_by_label("Scene", exact=True).select_option("ai_try_on")
    expect(price).to_have_text("“Model of the scene” decides the price.")
    page.get_by_role("radio", name="WAND-tryon-1.0-pro").check()
    expect(price).to_have_text("About CN¥0.20")


def test_price_is_not_asked_for_while_a_prompt_is_written(visitor: Visitor) -> None:
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    visitor.sign_in()
    expect(page.get_by_text("No price is set")).to_be_visible()

    page.get_by_label("Prompt").first.fill("a boat")
    page.wait_for_timeout(800)

    assert asked.count("estimate") == 1


def with_a_price(route: Route) -> None:
    """Let the answer have a price, as that of a stack with prices.toml."""
    response = route.fetch()
    estimate = response.json()
    if response.ok:
        cost = {"per_image": "0.2", "cost": str(estimate["images"] * 2 / 10), "currency": "CNY"}
        estimate |= cost
    route.fulfill(response=response, json=estimate)


def test_descriptions_of_parameters_are_in_the_language_of_the_page(
    browser: Browser, stack: Stack
) -> None:
    visitor = Visitor(browser, stack, language="zh-CN")
    visitor.sign_in()
    page = visitor.page
    page.get_by_text("更多参数").click()
    expect(page.get_by_text("模型的随机数种子。")).to_be_visible()
    expect(page.get_by_text("图片中是否可以出现人物。")).to_be_visible()
    assert untranslated(visitor) == []

    page.get_by_role("button", name="English").click()

    expect(page.get_by_text("Seed of the random numbers of the model.")).to_be_visible()
    visitor.close()


def untranslated(visitor: Visitor) -> list[str]:
    """Return the descriptions of fields that have no Chinese character."""
    texts = visitor.page.locator(".field-about").all_inner_texts()
    assert texts
    return [text for text in texts if not re.search("[\u4e00-\u9fff]", text)]


def test_each_image_has_its_own_options(visitor: Visitor, stack: Stack) -> None:
    visitor.sign_in()
    page = visitor.page
    page.get_by_label("Model", exact=True).select_option(label="GEM 3.0")
    files = [SAMPLES / "cat.jpg", SAMPLES / "rocket.jpg"]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    for number, text in enumerate(("the animal", "the vehicle")):
        image = page.locator(".thumb").nth(number)
        image.get_by_text("Options").click()
        image.get_by_label("What it shows").fill(text)
    page.locator(".thumb").nth(1).get_by_role("radio", name="mask").check()
    assert visitor.violations() == []

    visitor.generate("the animal in the vehicle")

    expect(visitor.result).to_be_visible()
    job = next(job for job in stack.jobs() if "the vehicle" in job["task"]["prompt"])
    options = [(i["text"], i.get("reference_type")) for i in job["task"]["file_infos"]]
    assert options == [("the animal", None), ("the vehicle", "mask")]
    page.evaluate("id => { location.hash = `#/playground?job=${id}` }", job["id"])
    expect(page.get_by_text("The form has the task of a job")).to_be_visible()
    again = page.locator(".thumb").nth(1)
    again.get_by_text("Options").click()
    expect(again.get_by_label("What it shows")).to_have_value("the vehicle")
    expect(again.get_by_role("radio", name="mask")).to_be_checked()


def test_nothing_is_sent_without_an_image_that_failed(visitor: Visitor, stack: Stack) -> None:
    page = visitor.page
    visitor.sign_in()
    before = len(stack.jobs())
    text: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no image"}
    page.locator("input[type=file]").set_input_files(text)

    visitor.generate("an image with its input")

    expect(page.get_by_text("An image is not part of the task")).to_be_visible()
    assert len(stack.jobs()) == before
    page.get_by_role("button", name="Remove notes.txt").click()
    page.get_by_role("button", name="Generate").click()
    expect(visitor.result).to_be_visible()
    expect(page.get_by_text("An image is not part of the task")).to_have_count(0)


def test_image_that_moves_to_another_kind_goes_on_uploading(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    held: list[Route] = []
    page.route("**/v1/uploads", lambda route: held.append(route))  # noqa: PLW0108  Playwright counts the parameters of a handler
    page.locator("input[type=file]").set_input_files(SAMPLES / "cat.jpg")
    expect(page.get_by_role("button", name="Uploading…")).to_be_disabled()

    page.get_by_role("radio", name="MPS image").check()
    held[0].continue_()

    expect(page.locator(".thumb")).to_have_count(1)
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()


COUNT_URLS = """
window.fileUrls = new Set();
const {createObjectURL, revokeObjectURL} = URL;
URL.createObjectURL = blob => {
  const url = createObjectURL.call(URL, blob);
  fileUrls.add(url);
  return url;
};
URL.revokeObjectURL = url => {
  fileUrls.delete(url);
  revokeObjectURL.call(URL, url);
};
"""


def test_previews_of_files_are_freed_when_they_are_no_longer_shown(visitor: Visitor) -> None:
    page = visitor.page
    page.add_init_script(COUNT_URLS)
    visitor.sign_in()
    files = [SAMPLES / "cat.jpg", SAMPLES / "rocket.jpg"]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.locator(".thumb img")).to_have_count(2)
    page.wait_for_function("() => fileUrls.size === 2")

    page.get_by_role("button", name="Remove rocket.jpg").click()
    expect(page.locator(".thumb img")).to_have_count(1)
    page.wait_for_function("() => fileUrls.size === 1")
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.wait_for_function("() => fileUrls.size === 0")


def test_revoked_key_is_asked_for_again_and_the_work_is_kept(
    visitor: Visitor, here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["keys", "new", "visitor"]) == 0
    visitor.open()
    visitor.enter(capsys.readouterr().out.strip())
    page = visitor.page
    page.get_by_label("Prompt").first.fill("a boat that must not be lost")
    assert cli.main(["keys", "revoke", "visitor"]) == 0
    replace_gateway(here)
    wait_for(lambda: is_asked_for_a_key(visitor))

    expect(page.get_by_text("no longer accepts this key")).to_be_visible()
    visitor.enter(here.connection["api_key"])

    prompt = page.get_by_label("Prompt").first
    expect(prompt).to_have_value("a boat that must not be lost")
    page.get_by_role("button", name="Generate").click()
    expect(visitor.result).to_be_visible()


def replace_gateway(stack: Stack) -> None:
    """Replace the gateway's instances, which remember for half a minute which keys are valid."""
    patient = of_connection(stack.connection)
    function = {"FunctionName": patient.functions["gateway"]}
    patient.account.api(
        "scf", "UpdateFunctionConfiguration", **function, Description="without a memory"
    )
    wait_for(lambda: patient.account.api("scf", "GetFunction", **function)["Status"] == "Active")


def is_asked_for_a_key(visitor: Visitor) -> bool:
    """Change what decides the price, which is a call with the key, until the key is refused."""
    number = visitor.page.get_by_label("Number of images")
    if number.is_visible():
        number.fill("" if number.input_value() else "1")
        visitor.page.wait_for_timeout(800)
    return visitor.page.get_by_text("no longer accepts this key").is_visible()


def test_paused_request_goes_on_after_a_time_offline(visitor: Visitor, stack: Stack) -> None:
    visitor.sign_in()
    page = visitor.page
    stack.faults({"where": "account", "what": f"refuse:{ARREARS}"})
    visitor.generate("a lighthouse that waits")
    expect(page.get_by_text("vendor refuses the account")).to_be_visible()
    expect(page.get_by_text(ARREARS)).to_be_visible()

    visitor.window.set_offline(True)
    expect(page.get_by_text("no connection to the API")).to_be_visible()
    page.get_by_label("Prompt").first.fill("written without a connection")
    stack.faults()
    visitor.window.set_offline(False)

    expect(page.get_by_text("no connection to the API")).to_have_count(0)
    expect(visitor.result).to_be_visible()
    expect(page.get_by_label("Prompt").first).to_have_value("written without a connection")


def test_call_whose_answer_was_lost_is_repeated_and_made_once(
    visitor: Visitor, stack: Stack
) -> None:
    visitor.sign_in()
    page = visitor.page
    before = len(stack.tasks())
    sent: list[str] = []
    answers_are_lost = [True]

    def lose_the_answer(route: Route) -> None:
        sent.append(route.request.headers["idempotency-key"])
        if answers_are_lost[0]:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/tencent-vod/v1/aigc-image", lose_the_answer)
    visitor.generate("a boat that is paid once")
    expect(page.get_by_role("alert").get_by_text("did not answer")).to_be_visible()
    answers_are_lost[0] = False
    page.get_by_role("button", name="Generate").click()

    expect(visitor.result).to_be_visible()
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert len(stack.tasks()) == before + 1


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("task_failure:ContentModerationFailed", "content check refused"),
        ("task_failure:InternalError", "The request failed"),
    ],
)
def test_failure_says_what_the_vendor_said(
    visitor: Visitor, stack: Stack, fault: str, text: str
) -> None:
    visitor.sign_in()
    stack.fault("vod.CreateAigcImageTask", fault)

    visitor.generate(f"an image that fails with {fault}")

    alert = visitor.page.get_by_role("alert")
    expect(alert.get_by_text(text)).to_be_visible()
    expect(alert.get_by_text(fault.partition(":")[2], exact=True)).to_be_visible()


def test_refused_value_is_shown_at_its_field(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    page.get_by_label("Prompt").first.fill("a boat")
    page.get_by_text("More parameters").click()
    page.get_by_label("File name of the results").fill("../up")
    page.get_by_role("button", name="Generate").click()

    field = page.get_by_label("File name of the results")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").get_by_text("result.name")).to_be_visible()


def test_task_of_a_job_is_made_again_with_changes(visitor: Visitor, stack: Stack) -> None:
    answer = stack.call(
        "tencent-vod/v1/aigc-image",
        {
            "model_name": "Kling",
            "model_version": "2.1",
            "prompt": "a harbour at night",
            "negative_prompt": "people",
            "output_config": {"aspect_ratio": "16:9", "output_image_count": 2},
        },
    ).json()
    stack.ended(answer)

    visitor.sign_in(f"#/playground?job={answer['request_id']}")

    page = visitor.page
    expect(page.get_by_label("Prompt").first).to_have_value("a harbour at night")
    expect(page.get_by_label("Number of images")).to_have_value("2")
    expect(page.get_by_role("radio", name="16:9")).to_be_checked()
    expect(visitor.result).to_be_visible()
    visitor.generate("a harbour at dawn")
    page.get_by_text("a harbour at dawn", exact=True).wait_for()
    expect(visitor.result).to_be_visible()
    again = next(job for job in stack.jobs() if job["task"]["prompt"] == "a harbour at dawn")
    assert again["task"]["negative_prompt"] == "people"
    assert again["task"]["output_config"]["output_image_count"] == 2


def test_task_of_an_upload_is_made_again_with_another_file(visitor: Visitor, stack: Stack) -> None:
    stack.upload("anime/100%.jpg", (SAMPLES / "cat.jpg").read_bytes())
    account = "/v1/uploads?object_key=anime%2F100%25.jpg"
    [job] = wait_for(lambda: stack.get(account).json()["uploads"][0]["jobs"])

    visitor.sign_in(f"#/playground?job={job['request_id']}")

    page = visitor.page
    expect(page.get_by_text("without its file")).to_be_visible()
    expect(page.locator(".thumb")).to_have_count(0)
    page.locator("input[type=file]").set_input_files(SAMPLES / "rocket.jpg")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    visitor.generate("a rocket in anime style")
    page.get_by_text("a rocket in anime style", exact=True).wait_for()
    expect(visitor.result).to_be_visible()


@pytest.mark.usefixtures("here")
def test_key_for_some_kinds_sees_only_these(
    visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["keys", "new", "mps-only", "--kinds", "mps.image"]) == 0
    visitor.open()
    visitor.enter(capsys.readouterr().out.strip())

    kinds = visitor.page.get_by_role("group", name="Kind").get_by_role("radio")
    expect(kinds).to_have_count(1)
    expect(visitor.page.get_by_role("radio", name="MPS image")).to_be_checked()
