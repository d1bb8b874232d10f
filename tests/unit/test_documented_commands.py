"""The commands that the docs name exist, with the options that the docs give them."""

from __future__ import annotations

import functools
import re
import shlex

from aigc_cli.cli import all_commands
from tests.documented import NOT_RUN, PAGES, ROOT, blocks

OFTEN_SHORT = {"jobs", "lanes", "keys", "uploads", "models", "rules", "batch", "label"}
"""Groups that a page may name without a command of them."""
PULUMI = {
    "cancel": set(),
    "config": {"--secret", "--path", "--type", "set", "rm"},
    "destroy": {"--exclude-protected", "--yes"},
    "import": {"--generate-code", "--parent"},
    "login": set(),
    "preview": {"--expect-no-changes"},
    "refresh": set(),
    "stack": {"--show-urns", "init", "output", "rm", "--yes", "--stack"},
    "state": {"--all", "--force", "--target-dependents", "--yes", "delete", "unprotect"},
    "up": {"--yes", "--replace", "--refresh"},
}
"""Commands of Pulumi 3.272 → the options and subcommands of them that the docs use."""


@functools.cache
def known() -> dict[str, set[str]]:
    """Return the options of each command of `aigc`."""
    return {
        f"aigc {words}": {option for parameter in command.params for option in parameter.opts}
        | {"--help"}
        for words, command in all_commands()
    }


def aigc_commands() -> list[tuple[str, str]]:
    """Find every use of `aigc` in the docs: in a line of a block, or as code in a text."""
    return [
        (str(page.relative_to(ROOT)), re.split(r"\s+#|[)`|]", use)[0].strip())
        for page in PAGES
        for use in re.findall(
            r"(?:^|`|\.venv/bin/)(aigc [a-z][^`\n]*)",
            page.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]


def test_commands_of_aigc_exist_with_their_options() -> None:
    wrong = [(page, command) for page, command in aigc_commands() if fault(command)]

    assert wrong == []


def fault(command: str) -> str:
    """Return what is wrong with a use of `aigc`; empty if nothing is."""
    words = command.split()
    paths = [" ".join(words[:count]) for count in (3, 2)]
    path = next((path for path in paths if path in known()), "")
    if not path:
        return "" if words[1] in OFTEN_SHORT and len(words) == 2 else "no such command"
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return ", ".join(options - known()[path])


def test_commands_that_are_not_run_can_be_parsed() -> None:
    for command in (command for block in blocks() for command in block.parsed):
        for part in command.split(" && "):
            words = shlex.split(part, comments=True)
            if words[0] == "pulumi":
                options = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
                assert options <= PULUMI[words[1]], command
            elif words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_reason_is_used() -> None:
    commands = [command for block in blocks() for command in block.commands]

    unused = [s for s in NOT_RUN if not any(re.match(s, command) for command in commands)]

    assert unused == []
