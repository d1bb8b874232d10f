"""Prices: the table of prices, ceilings, and the estimate of a task."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc.prices import Prices, PricesError, packaged_prices, requested_images
from aigc.tasks.kinds import KINDS
from aigc.uploads.rules import Rules
from aigc_cli.prices import check_ceilings, load_prices, main

if TYPE_CHECKING:
    from aigc.tasks.kind import Task

ROOT = Path(__file__).parents[2]
URL = {"type": "Url", "url": "https://example.com/a.png"}
IMAGE = {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"}
GG_COSTS_1 = "currency = 'CNY'\n[[price]]\nmodel = 'GG'\nper_image = 1"
PRODUCT = {"scene_info": {"type": "product_image", "product_image_config": {}}, "file_infos": [URL]}
TRY_ON = {
    "scene_info": {
        "type": "ai_try_on",
        "ai_try_on_config": {"model": "WAND-tryon-1.0-pro", "clothes_file_infos": [URL]},
    },
    "file_infos": [URL],
}


def task(kind: str, body: dict[str, Any], **changes: Any) -> Task:
    return KINDS[kind].model.model_validate(body | changes)


def table(*entries: dict[str, Any]) -> Prices:
    return Prices.parse({"currency": "CNY", "price": entries})


def fits(entry: dict[str, Any], kind: str, requested: Task) -> bool:
    return table({**entry, "per_image": 1}).estimate(kind, requested, 1) is not None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, True),
        ({"kind": "vod.image"}, True),
        ({"kind": "mps.image"}, False),
        ({"model": "gg"}, True),
        ({"model": "Hunyuan"}, False),
        ({"model": "GG", "version": "3.0"}, True),
        ({"model": "GG", "version": "3"}, False),
        ({"resolution": "2k"}, True),
        ({"resolution": "4K"}, False),
        ({"inputs": "one"}, True),
        ({"inputs": "none"}, False),
        ({"inputs": "several"}, False),
    ],
)
def test_an_entry_fits_what_has_all_that_it_names(*, entry: dict[str, Any], expected: bool) -> None:
    large = task("vod.image", IMAGE, file_infos=[URL], output_config={"resolution": "2K"})

    assert fits(entry, "vod.image", large) is expected


@pytest.mark.parametrize("number", [0, 1, 2])
def test_inputs_are_none_one_or_several(number: int) -> None:
    requested = task("vod.image", IMAGE, file_infos=[URL] * number)

    fitting = [word for word in ("none", "one", "several") if fits({"inputs": word}, "", requested)]

    assert fitting == [("none", "one", "several")[number]]


def test_a_task_without_a_resolution_fits_no_entry_with_one() -> None:
    assert not fits({"resolution": "1K"}, "vod.image", task("vod.image", IMAGE))


def test_a_free_size_is_a_resolution() -> None:
    sized = task("mps.image", {"prompt": "a"}, additional_parameters='{"size":"2048x2048"}')

    assert fits({"resolution": "2048x2048"}, "mps.image", sized)


@pytest.mark.parametrize(
    ("kind", "body", "model", "version"),
    [
        ("vod.scene_image", TRY_ON, "ai_try_on", "WAND-tryon-1.0-pro"),
        ("vod.scene_image", PRODUCT, "product_image", None),
        ("mps.image", {"model_name": "GEM", "prompt": "a"}, "GEM", None),
        ("mps.image", {"prompt": "a"}, "default", None),
    ],
)
def test_scenes_and_tasks_without_a_version_have_prices_too(
    kind: str, body: dict[str, Any], model: str, version: str | None
) -> None:
    requested = task(kind, body)

    assert fits({"model": model, **({"version": version} if version else {})}, kind, requested)
    assert not fits({"model": model, "version": "9.9"}, kind, requested)


def test_the_first_that_fits_wins() -> None:
    prices = table(
        {"model": "GG", "resolution": "4K", "per_image": "0.9"},
        {"model": "GG", "per_image": "0.2"},
    )
    large = task("vod.image", IMAGE, output_config={"resolution": "4K"})

    assert prices.estimate("vod.image", large, 2) == Decimal("1.8")
    assert prices.estimate("vod.image", task("vod.image", IMAGE), 2) == Decimal("0.4")


def test_a_task_without_a_price_is_unknown_and_not_free() -> None:
    requested = task("vod.image", IMAGE)

    assert Prices().estimate("vod.image", requested, 1) is None
    assert table({"model": "OG", "per_image": 1}).estimate("vod.image", requested, 1) is None
    assert table({"per_image": 0}).estimate("vod.image", requested, 1) == 0


@pytest.mark.parametrize(
    ("kind", "body", "number"),
    [
        ("vod.image", IMAGE, 1),
        ("vod.image", IMAGE | {"output_config": {"output_image_count": 3}}, 3),
        ("mps.image", {"prompt": "a", "output_image_count": 2}, 2),
        ("vod.scene_image", PRODUCT, 1),
        (
            "vod.scene_image",
            PRODUCT
            | {
                "scene_info": {
                    "type": "product_image",
                    "product_image_config": {"output_image_count": 4},
                }
            },
            4,
        ),
    ],
)
def test_images_of_a_task_are_counted(kind: str, body: dict[str, Any], number: int) -> None:
    assert requested_images(task(kind, body)) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("price = [", "prices.toml is not TOML"),
        ("[[price]]\nper_image = 1", "currency: is missing"),
        ('currency = "yuan"', "currency: got 'yuan'"),
        ('currency = "CNY"\n[[price]]', "price number 1: per_image: "),
        ('currency = "CNY"\n[[price]]\nper_image = -1', "price number 1: per_image: got '-1'"),
        ('currency = "CNY"\n[[price]]\nper_image = nan', "price number 1: per_image: got 'nan'"),
        (
            'currency = "CNY"\n[[price]]\nkind = "vod.video"\nper_image = 1',
            "price number 1: kind: got 'vod.video': allowed: vod.image",
        ),
        (
            'currency = "CNY"\n[[price]]\nscene = "x"\nper_image = 1',
            "price number 1: scene: got 'x': Extra inputs are not permitted; allowed: kind, model",
        ),
        (
            f"{GG_COSTS_1}\n[[price]]\nmodel = 'gg'\nversion = '3.0'\nper_image = 2",
            "price number 2 (gg 3.0: 2 per image) is never used: number 1 (GG: 1 per",
        ),
    ],
)
def test_wrong_prices_are_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)

    with pytest.raises(PricesError) as refused:
        load_prices(path)

    assert str(refused.value).startswith(message)


def test_a_price_is_just_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('currency = "CNY"\n[[price]]\nper_image = 0.1\nversion = 3.0')

    [price] = load_prices(path).price

    assert (price.per_image, price.version) == (Decimal("0.1"), "3.0")


def test_packaged_prices_are_read_back(tmp_path: Path) -> None:
    prices = table({"model": "GG", "per_image": "0.25"}, {"inputs": "one", "per_image": 2})
    packed = tmp_path / "prices.json"
    packed.write_text(prices.model_dump_json())

    assert packaged_prices(packed) == prices
    assert packaged_prices(tmp_path / "none.json") == Prices()


def test_the_projects_own_file_has_no_prices_and_a_good_example(tmp_path: Path) -> None:
    written = (ROOT / "prices.toml").read_text()
    example = tmp_path / "prices.toml"
    lines = (line.removeprefix("# ") for line in written.splitlines()[7:])
    example.write_text("\n".join(line for line in lines if line != "#"))

    assert load_prices(ROOT / "prices.toml") == Prices()
    assert len(load_prices(example).price) == len(load_prices(example).ceiling) == 2


def test_the_command_prints_prices_and_names_unknown_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        'currency = "CNY"\n'
        '[[price]]\nmodel = "Hunyuann"\nper_image = 1\n'
        '[[price]]\nmodel = "ai_try_on"\ninputs = "one"\nper_image = 0.5\n'
    )

    main(path)

    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "Hunyuann: 1 per image in CNY",
        "ai_try_on one: 0.5 per image in CNY",
    ]
    assert "Hunyuann is not in the catalogue" in printed.err
    assert "ai_try_on" not in printed.err


# Ceilings

PRICED = {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.25"}]}
RULES = Rules.parse(
    {
        "rule": [
            {"name": "anime", "prefix": "anime/", "kind": "vod.image", "task": IMAGE},
            {
                "name": "sketch",
                "prefix": "sketch/",
                "kind": "mps.image",
                "task": {"model_name": "Hunyuan", "prompt": "a sketch"},
            },
        ]
    }
)


def ceilings(*entries: dict[str, Any]) -> Prices:
    return Prices.parse({**PRICED, "ceiling": entries})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"scope": "stack", "period": "day"}, "exactly one of images and money is required"),
        (
            {"scope": "stack", "period": "day", "images": 1, "money": 1},
            "exactly one of images and money is required",
        ),
        ({"scope": "stack", "period": "week", "images": 1}, "ceiling number 1: period: got 'week'"),
        ({"scope": "key:a", "period": "day", "images": 1}, "ceiling number 1: scope: got 'key:a'"),
        ({"scope": "stack", "period": "day", "images": 0}, "ceiling number 1: images: got '0'"),
        ({"scope": "stack", "period": "day", "money": "0.00001"}, "ceiling number 1: money"),
        ({"scope": "stack", "period": "day", "image": 1}, "allowed: scope, period, images, money"),
    ],
)
def test_a_wrong_ceiling_is_refused_with_its_field(entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(PricesError) as refused:
        ceilings(entry)

    assert reason in str(refused.value)


def test_a_ceiling_is_there_once() -> None:
    twice = {"scope": "stack", "period": "day", "images": 1}

    with pytest.raises(PricesError, match="ceiling stack/day/images: occurs twice"):
        ceilings(twice, twice | {"images": 2})


def test_a_ceiling_in_money_needs_prices() -> None:
    with pytest.raises(PricesError, match="is in money, but there are no prices"):
        Prices.parse({"ceiling": [{"scope": "stack", "period": "day", "money": 1}]})


@pytest.mark.parametrize("scope", ["stack", "uploads", "rule:sketch", "model:Hunyuan"])
def test_a_rule_without_a_price_is_refused_below_a_ceiling_in_money(scope: str) -> None:
    with pytest.raises(PricesError, match="the price of rule sketch is unknown; allowed: a"):
        check_ceilings(RULES, ceilings({"scope": scope, "period": "month", "money": 10}))


@pytest.mark.parametrize(
    "entry",
    [
        {"scope": "stack", "images": 10},
        {"scope": "rule:anime", "money": 10},
        {"scope": "model:GG", "money": 10},
    ],
)
def test_rules_whose_tasks_have_prices_may_have_ceilings(entry: dict[str, Any]) -> None:
    check_ceilings(RULES, ceilings({"period": "day", **entry}))


def test_a_ceiling_below_what_one_upload_needs_is_refused() -> None:
    with pytest.raises(PricesError, match="one upload of rule anime needs more than the whole"):
        check_ceilings(RULES, ceilings({"scope": "rule:anime", "period": "day", "money": "0.2"}))


def test_a_ceiling_of_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(PricesError, match="there is no such rule; allowed: anime, sketch"):
        check_ceilings(RULES, ceilings({"scope": "rule:ink", "period": "day", "images": 1}))
