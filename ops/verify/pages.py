"""The tables of checks in docs/localcloud.md and docs/verify-cloud.md.

`python -m ops.reference` writes them; a test fails while a page differs. The last report of a real
account is `docs/verify-cloud.json`; there is none so far.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ops.verify.checks import CHECKS, GROUPS

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


def assumptions() -> str:
    """Return the tables of docs/localcloud.md: what the local cloud does, and on what it rests."""
    return "".join(
        f"#### {TITLES[group.name]}\n\n| check | assumption | document |\n|---|---|---|\n"
        + "".join(
            f"| `{check.name}` | {_cell(check.assumption)} | {_documents(check.document)} |\n"
            for check in group.checks
        )
        + "\n"
        for group in GROUPS
    )


def consequences() -> str:
    """Return the table of docs/verify-cloud.md: what happens if an assumption does not hold."""
    results = _last_results()
    rows = "".join(
        f"| `{check.name}` | {_cell(check.used_by)} | {_cell(check.otherwise)} |"
        f" {results.get(check.name, 'not asked yet')} |\n"
        for check in CHECKS.values()
    )
    return f"| check | used by | if it fails | last report |\n|---|---|---|---|\n{rows}"


def with_table(page: str, table: str, name: str = "checks") -> str:
    """Return a page with the part between the marks of this name replaced."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{start}{table.rstrip()}\n{end}", page)


def _last_results() -> dict[str, str]:
    if not REPORT.exists():
        return {}
    content: dict[str, Any] = json.loads(REPORT.read_text(encoding="utf-8"))
    return {check["name"]: f"{check['result']}, {content['date']}" for check in content["checks"]}


def _documents(text: str) -> str:
    """Link the numbers of documents."""
    base = "https://cloud.tencent.com/document/product"
    return re.sub(r"\b(\d{2,4}/\d+)\b", rf"[\1]({base}/\1)", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
