"""`aigc rules`: check `rules.toml` before it is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aigc.uploads.rules import load_rules
from ops import options
from ops.prices import check_ceilings, load_prices

ROOT = Path(__file__).resolve().parent.parent

PRICES = ROOT / "prices.toml"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    file: Annotated[
        Path, typer.Argument(parser=options.existing_file, help="The rules to check.")
    ] = ROOT / "rules.toml",
) -> None:
    """Check rules and the ceilings that count them, and print what each makes of an upload.

    Example: aigc rules rules.toml
    """
    rules = load_rules(file)
    check_ceilings(rules, load_prices(PRICES))
    for rule in rules.rule:
        print(f"{rule.name}: {rule.prefix}*{'|'.join(rule.suffix)} → {rule.kind}")
