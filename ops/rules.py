"""`aigc rules`: check `rules.toml` before it is deployed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aigc.rules import load_rules
from ops import options

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str]) -> int:
    """Print what becomes of which upload.

    Raises:
        RulesError: The rules cannot be used.
    """
    parser = argparse.ArgumentParser(prog="aigc rules", description=__doc__)
    parser.add_argument("file", nargs="?", type=options.existing_file, default=ROOT / "rules.toml")
    given = parser.parse_args(arguments)
    for rule in load_rules(given.file).rule:
        print(f"{rule.name}: {rule.prefix}*{'|'.join(rule.suffix)} → {rule.kind}")
    return 0
