"""`aigc rules`: check `rules.toml` before it is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aigc.uploads.rules import load_rules
from ops import options

ROOT = Path(__file__).resolve().parent.parent

app = typer.Typer(add_completion=False)


@app.command()
def main(
    file: Annotated[
        Path, typer.Argument(parser=options.existing_file, help="The rules to check.")
    ] = ROOT / "rules.toml",
) -> None:
    """Check rules, and print which upload becomes which kind of task.

    Example: aigc rules rules.toml
    """
    for rule in load_rules(file).rule:
        print(f"{rule.name}: {rule.prefix}*{'|'.join(rule.suffix)} → {rule.kind}")
