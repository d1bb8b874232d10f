"""`aigc prices`: check `prices.toml` before it is deployed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.prices import Prices, PricesError
from aigc.tasks.catalogue import catalogue
from aigc.tasks.vod_scene_image import SCENES
from ops import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aigc.prices import Price

ROOT = Path(__file__).resolve().parent.parent


app = typer.Typer(add_completion=False)


@app.command()
def main(
    file: Annotated[
        Path, typer.Argument(parser=options.existing_file, help="The prices to check.")
    ] = ROOT / "prices.toml",
) -> None:
    """Check prices, print them in order, and name models that the catalogue lacks.

    Example: aigc prices prices.toml
    """
    prices = load_prices(file)
    for price in prices.price:
        print(f"{price} in {prices.currency}")
    print(*_doubts(prices.price), sep="\n", end="", file=sys.stderr)
    if not prices.price:
        print("no prices: what tasks cost is unknown")


def load_prices(path: Path) -> Prices:
    """Read and check a TOML file of prices.

    Raises:
        PricesError: The file is no TOML, or a price is wrong.
    """
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        raw = toml.loads(path.read_text(encoding="utf-8-sig"), parse_float=str)  # 0.1 is not 0.1
    except (ValueError, RecursionError) as error:
        raise PricesError(f"{path.name} is no TOML: {error}") from None
    return Prices.parse(raw)


def _doubts(prices: Sequence[Price]) -> Iterator[str]:
    """Yield a warning for each model that the catalogue lacks: new, or misspelled."""
    models = {model.name for models in catalogue().models.values() for model in models}
    known = {name.casefold() for name in (*models, *SCENES, "default")}
    for price in prices:
        if price.model and price.model.casefold() not in known:
            yield f"aigc prices: {price.model} is in no catalogue of {catalogue().as_of}\n"
