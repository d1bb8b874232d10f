"""The commands of the docs: some are run unchanged, some changed, and some are only parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.pages import DOCS

ROOT = DOCS.parent
PAGES = [
    *(page for page in sorted(ROOT.glob("[!.]*[A-Z].md")) if not page.name.endswith(".zh-CN.md")),
    *sorted(DOCS.glob("*.md")),
]
"""The English pages. tests/unit/test_translation.py compares the Chinese commands with them."""

NOT_RUN = {
    r"pulumi ": "needs an account; tests/infra and `make verify-pulumi` run the program",
    r"make (setup|package|check|demo|local|simulate|test|deploy-check)\b": "takes minutes",
    r"make wheel\b|python3 -m venv ~|~/aigc/bin/": "tests/e2e/test_wheel.py installs the wheel",
    r"\.venv/bin/pytest ": "is how tests run",
    r"\.venv/bin/aigc verify-cloud ": "needs an account; tests/verify_cloud runs it",
    r"\.venv/bin/aigc local ": "runs until it is stopped; tests/e2e runs it",
    r"\.venv/bin/aigc login ": "asks for a key; tests/e2e/test_submit_command.py runs it",
    r"\$\(pulumi stack output upload\)": "needs an account and coscli",
    r'curl .*\$ID/(replay|restore)"': "needs a failed job; see tests/unit/api/test_operate.py",
    r"claude ": "another program",
    r"exiftool ": "another program; tests/unit/labels/test_exiftool.py runs it",
    r"git checkout <": "changes the working tree",
    r"export (TENCENTCLOUD|PULUMI|AWS|GATEWAY)\w*=": "sets values of the reader's own account",
    r"(ENABLE_|IMAGES?_)\w+=": "settings of another program",
}
"""The beginning of a command that no test runs → the reason."""

CHANGED = (
    (r" --stack prod\b", ""),  # without it, the command uses the local cloud that runs here
    (r"\$\(pulumi stack output endpoint\)", "$GATEWAY"),
    (r"\$MY_KEY\b", "$API_KEY"),
    (r" --budget 50\b", ""),  # there are no prices, and the doctor would say so
)
"""Changes of a command before it is run: pattern and replacement."""


@dataclass(frozen=True)
class Block:
    """A block of shell commands of a page."""

    page: str
    number: int
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of the block; one that continues on other lines is one command."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in joined.splitlines() if line.strip()]

    @property
    def parsed(self) -> list[str]:
        """The commands that are only parsed."""
        return [command for command in self.commands if reason(command)]

    @property
    def script(self) -> str:
        """The commands that are run, changed for a local cloud; empty if there are none."""
        lines = [command for command in self.commands if not reason(command)]
        script = "\n".join(lines)
        for pattern, replacement in CHANGED:
            script = re.sub(pattern, replacement, script)
        # A name can be used for one key only, and several pages make a key of the same name.
        name = rf"\1-{self.number}"
        return re.sub(r"(aigc keys (?:new|revoke) [a-z]+)", name, script)


def reason(command: str) -> str:
    """Return the reason why a command is not run; empty if it is run."""
    return next((why for start, why in NOT_RUN.items() if re.match(start, command)), "")


def blocks() -> list[Block]:
    """Return all blocks of shell commands of all English pages, each text once."""
    documents = {
        text: str(page.relative_to(ROOT))
        for page in PAGES
        for text in re.findall(
            r"^```sh[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
    }
    return [Block(page, number, text) for number, (text, page) in enumerate(documents.items())]
