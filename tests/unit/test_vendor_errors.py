"""docs/vendor-errors.md and the table in the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigc.cloud.error_codes import CODES, FAMILIES, class_of
from aigc.errors import AccountError, RefusedError, ThrottledError, UnclearError

PAGE = (Path(__file__).parents[2] / "docs" / "vendor-errors.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, str]:
    """Read a table of the page: code → class."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", section, re.MULTILINE))


def names(classes: dict[str, type]) -> dict[str, str]:
    return {code: kind.__name__.removesuffix("Error").lower() for code, kind in classes.items()}


def test_the_page_has_every_code_and_its_class() -> None:
    assert rows("Codes") == names(dict(CODES))
    assert rows("Families") == names(dict(FAMILIES))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AuthFailure.TokenFailure", AccountError),
        ("UnauthorizedOperation.SomethingNew", AccountError),
        ("InvalidParameterValue.FileId", RefusedError),
        ("RequestLimitExceeded.UinLimitExceeded", ThrottledError),
        ("FailedOperation.SomethingNew", UnclearError),
        ("SomethingNew", UnclearError),
    ],
)
def test_another_code_has_the_class_of_its_family(code: str, kind: type) -> None:
    assert class_of(code) is kind
