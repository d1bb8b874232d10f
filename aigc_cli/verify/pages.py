"""The tables of checks in docs/localcloud.md and docs/verify-cloud.md.

`python -m aigc_cli.reference` writes them; a test fails while a page differs. The last report of a
real account is `docs/verify-cloud.json`; there is none so far.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_cli.reference.tables import table
from aigc_cli.verify.checks import CHECKS, GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.reference.translation import Translate
    from aigc_cli.verify.check import Group

DOCS = Path(__file__).resolve().parents[2] / "docs"
REPORT = DOCS / "verify-cloud.json"
"""The report of a real account: what `aigc verify-cloud --out` writes."""

TITLES = {
    "cos": "COS",
    "scf": "SCF: functions and their URLs",
    "events": "SCF: events",
    "cam": "CAM",
    "api": "API 3.0",
    "vod": "VOD",
    "mps": "MPS",
    "monitor": "Cloud Monitor",
}


def assumptions(translate: Translate) -> str:
    """Return the tables of docs/localcloud.md: the assumptions of the local cloud, with sources."""
    return "\n".join(
        f"#### {translate(TITLES[group.name])}\n\n"
        + table(("check", "assumption", "document"), _assumptions(group, translate), translate)
        for group in GROUPS
    )


def _assumptions(group: Group, translate: Translate) -> Iterator[tuple[str, str, str]]:
    for check in group.checks:
        document = _documents(translate(check.document))
        yield f"`{check.name}`", _cell(translate(check.assumption)), document


def consequences(translate: Translate) -> str:
    """Return the table of docs/verify-cloud.md: what happens if an assumption does not hold."""
    results = _last_results()
    rows = (
        (
            f"`{check.name}`",
            _cell(translate(check.used_by)),
            _cell(translate(check.otherwise)),
            results.get(check.name, translate("not tested yet")),
        )
        for check in CHECKS.values()
    )
    return table(("check", "used by", "if it fails", "last report"), rows, translate)


def _last_results() -> dict[str, str]:
    if not REPORT.exists():
        return {}
    content: dict[str, Any] = json.loads(REPORT.read_text(encoding="utf-8"))
    return {check["name"]: f"{check['result']}, {content['date']}" for check in content["checks"]}


def _documents(text: str) -> str:
    """Return a text in which the numbers of documents are links."""
    base = "https://cloud.tencent.com/document/product"
    return re.sub(r"\b(\d{2,4}/\d+)\b", rf"[\1]({base}/\1)", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
