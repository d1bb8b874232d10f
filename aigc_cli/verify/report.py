"""The report of a run, without data of the account."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aigc_cli.account import Account
    from aigc_cli.verify.check import Check
    from aigc_cli.verify.scratch import Answered

MARKS = {"passed": "[green]passed[/]", "failed": "[red]failed[/]", "skipped": "[yellow]skipped[/]"}

_PATTERNS = (
    (re.compile(r"\bAKID\w+"), "<secret id>"),
    (re.compile(r"q-signature=[0-9a-f]+"), "q-signature=<signature>"),
    (re.compile(r"\b(?!127\.)\d{1,3}(\.\d{1,3}){3}\b"), "<address>"),
    (re.compile(r"https?://[^\s'\"]+"), "<url>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}\b"), "<request>"),
    (re.compile(r"\b\d+-(Scene)?AigcImageTask-\w+"), "<task>"),
    (re.compile(r"\b4-AigcImage-\w+"), "<task>"),
    (re.compile(r"\b\d{9,}\b"), "<number>"),
)


class Redaction:
    """Removes secrets, ids and names of an account from a text."""

    def __init__(self, account: Account, run: str) -> None:
        secrets = (account.secret_id, account.secret_key, account.token)
        self._words = {
            **{word: "<secret>" for word in secrets if word},
            account.app_id: "<appid>",
            str(account.ids.get("OwnerUin") or "<appid>"): "<uin>",
            str(account.ids.get("Uin") or "<appid>"): "<uin>",
            run: "<run>",
        }

    def __call__(self, text: str) -> str:
        """Return the text without secrets, numbers of the account, and names."""
        for word, replacement in self._words.items():
            text = text.replace(word, replacement)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def report(
    checks: Sequence[Check], answers: Mapping[str, Answered], *, region: str, redact: Redaction
) -> dict[str, Any]:
    """Return the report of a run as JSON."""
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "region": region,
        "checks": [
            {
                "name": check.name,
                "assumption": check.assumption,
                "result": answers[check.name].result,
                "seen": redact(answers[check.name].seen),
            }
            for check in checks
            if check.name in answers
        ],
    }


def as_text(content: Mapping[str, Any]) -> str:
    """Return a report, or a sample, as the text of its file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
