"""The examples of the docs that no shell runs: rules, prices, lines of batches, settings."""

from __future__ import annotations

import importlib
import json
import re
import sys
from typing import Any

import pytest

from aigc.prices import Prices
from aigc.uploads.rules import Rules
from aigc_cli.batch import read_file
from tests.documented import PAGES, ROOT
from tests.pages import blocks, page

toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

TESTED = {
    "js fal",
    "js fal proxy",
    "js fal run",
    "js receiver",
    "js run",
    "js stream",
    "python",
    "python fal",
    "python fal setting",
    "python openai",
    "python receiver",
    "python run",
}
"""The marks of programs; tests/e2e and tests/clients run the blocks with each."""
RULE = {"name": "example", "kind": "mps.image", "task": {"prompt": "a cat"}}


def fenced(language: str) -> list[tuple[str, str]]:
    """Return the blocks of a language: page and text."""
    return [
        (str(path.relative_to(ROOT)), text)
        for path in PAGES
        for text in blocks(path.read_text(encoding="utf-8"), language)
    ]


@pytest.mark.parametrize(("where", "text"), fenced("toml"))
def test_rules_and_prices_of_the_docs_are_valid(where: str, text: str) -> None:
    table = toml.loads(text)

    if where == "docs/budgets.md":
        Prices.parse(with_prices(table))
    elif "rule" in table:
        Rules.parse(table)
    else:  # fields of a rule
        Rules.parse({"rule": [RULE | table]})


def with_prices(table: dict[str, Any]) -> dict[str, Any]:
    """Complete an example that shows only ceilings."""
    return {"currency": "CNY", "price": [{"per_image": 0.2}]} | table


@pytest.mark.parametrize(("where", "text"), fenced("json"))
def test_settings_and_answers_of_the_docs_are_json(where: str, text: str) -> None:
    assert json.loads(text), where


@pytest.mark.parametrize(("language", "name"), [("json", "a.jobs.jsonl"), ("csv", "a.jobs.csv")])
def test_batches_of_the_docs_have_valid_lines(language: str, name: str, tmp_path: Any) -> None:
    [text] = blocks(page("batches.md"), language)
    (tmp_path / name).write_text(text, encoding="utf-8")

    [work] = read_file(tmp_path / name, "vod.image")

    assert not work.outcome.has_ended


def test_each_program_of_the_docs_is_run_by_a_test() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PAGES]

    fences = [re.findall(r"^```((?:js|python)\b.*)$", text, re.MULTILINE) for text in texts]

    assert set().union(*fences) == TESTED
