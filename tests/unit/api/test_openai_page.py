"""docs/openai.md names every field of OpenAI's SDK, and every error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_generate_params import ImageGenerateParamsBase

from aigc.api.errors import CANCELLED, EXCEPTION_STATUS, JOB_ERROR_STATUS
from aigc.api.openai.errors import CODES

if TYPE_CHECKING:
    from tests.unit.api.client import Client

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "openai.md").read_text(encoding="utf-8")
FIELDS = sorted({*ImageGenerateParamsBase.__annotations__, *ImageEditParamsBase.__annotations__})
URL = "https://example.com/a.png"


def table(heading: str) -> str:
    """Return the rows of the table below a heading."""
    below = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return "\n".join(line for line in below.splitlines() if line.startswith("| "))


def test_every_field_of_the_sdk_is_in_the_table() -> None:
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", table("Fields"), re.MULTILINE))

    assert [field for field in FIELDS if f"`{field}`" not in first_cells] == []


def test_every_field_of_the_sdk_is_known(client: Client) -> None:
    body = {"model": "gg-3.0", "prompt": "x", "image": URL, "async": True, "partial_images": 0}

    for field in FIELDS:
        answer = client.post("/openai/v1/images/edits", {"mask": None, field: "auto", **body})
        assert answer.status in {200, 400}
        assert "there is no such field" not in str(answer.body)


def test_every_code_is_in_the_table() -> None:
    sources = "".join(
        path.read_text() for path in (ROOT / "functions/aigc/api/openai").glob("*.py")
    )
    words = {
        *(
            mapping.error_type
            for mapping in (*JOB_ERROR_STATUS.values(), *EXCEPTION_STATUS.values(), CANCELLED)
        ),
        *re.findall(r'HttpError\(\s*\d+,\s*"(\w+)"', sources),
    }
    codes = {CODES.get(word, word) for word in words} - {"bad_request", "request_timeout"}

    assert [code for code in sorted(codes) if f"`{code}`" not in table("Errors")] == []
