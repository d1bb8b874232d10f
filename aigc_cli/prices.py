"""`aigc prices`: check `prices.toml` before it is deployed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.ceilings import RULE
from aigc.periods import UNITS
from aigc.prices import Prices, PricesError, model_of, requested_images, suggestion
from aigc.tasks.catalogue import catalogue
from aigc.tasks.vod_scene_image import SCENES
from aigc.uploads.checks import sample_task
from aigc_cli import options
from aigc_cli.output import JsonOption, print_json
from aigc_cli.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aigc.prices import Price
    from aigc.uploads.rules import Rules

app = typer.Typer(add_completion=False)


@app.command()
def main(
    file: Annotated[
        Path,
        typer.Argument(
            parser=options.existing_file, help="The prices to check.", show_default="prices.toml"
        ),
    ] = ROOT / "prices.toml",
    as_json: JsonOption = False,
) -> None:
    """Check prices and ceilings, print them, and name models that the catalogue lacks.

    Example: aigc prices prices.toml
    """
    prices = load_prices(file)
    for warning in _warnings(prices.price):
        print(f"aigc prices: {warning}", file=sys.stderr)
    if as_json:
        print_json(prices.model_dump(mode="json", exclude_defaults=True))
        return
    for price in prices.price:
        print(f"{price} in {prices.currency}")
    for ceiling in prices.ceiling:
        print(f"ceiling {ceiling.name}: {ceiling.money or ceiling.images}")
    if not prices.price:
        print("no prices: what tasks cost is unknown")


def load_prices(path: Path) -> Prices:
    """Read and check a TOML file of prices.

    Raises:
        PricesError: The file is not TOML, or a price is wrong.
    """
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        # As text, since a float is not exact.
        raw = toml.loads(path.read_text(encoding="utf-8-sig"), parse_float=str)
    except (ValueError, RecursionError) as error:
        raise PricesError(f"{path.name} is not TOML: {error}") from None
    return Prices.parse(raw)


def check_ceilings(rules: Rules, prices: Prices) -> None:
    """Check that the rules of ceilings exist, and that tasks have prices for ceilings in money.

    Raises:
        PricesError: A ceiling names no rule, or the task of a rule has no price.
    """
    names = [rule.name for rule in rules.rule]
    for ceiling in prices.ceiling:
        rule_name = ceiling.scope.removeprefix(RULE)
        if ceiling.scope.startswith(RULE) and rule_name not in names:
            allowed = ", ".join(names) or "none, since there are no rules"
            raise PricesError(f"ceiling {ceiling.name}: there is no such rule; allowed: {allowed}")
    for rule in rules.rule:
        if rule.is_batch:  # each line may have another model
            continue
        task = sample_task(rule)
        model, version = model_of(task)
        ceilings = [
            ceiling
            for ceiling in prices.ceiling
            if ceiling.applies("upload", rule.name, model, version)
        ]
        images = requested_images(task)
        cost = prices.estimate(rule.kind, task, images)
        for ceiling in ceilings:
            if ceiling.money is not None and cost is None:
                raise PricesError(
                    f"ceiling {ceiling.name}: is in money, and the price of rule {rule.name} is"
                    f" unknown; allowed: {suggestion(rule.kind, task)}"
                )
            if (images if ceiling.money is None else (cost or 0) * UNITS) > ceiling.limit:
                raise PricesError(
                    f"ceiling {ceiling.name}: one upload of rule {rule.name} needs more than the"
                    f" whole ceiling: {images if ceiling.money is None else cost}"
                )


def _warnings(prices: Sequence[Price]) -> Iterator[str]:
    """Yield a warning for each model that is not in the catalogue: it is new or misspelled."""
    models = {model.name for models in catalogue().models.values() for model in models}
    known = {name.casefold() for name in (*models, *SCENES, "default")}
    for price in prices:
        if price.model and price.model.casefold() not in known:
            yield f"{price.model} is not in the catalogue of {catalogue().as_of}"
