"""The pages with generated tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from aigc.sweeping import PARTS
from aigc.tasks.kinds import KINDS
from aigc_cli import log_events
from aigc_cli.reference import commands, configuration, models, parameters
from aigc_cli.reference.console import console_texts
from aigc_cli.reference.tables import table, with_table
from aigc_cli.verify import pages as checks

if TYPE_CHECKING:
    from aigc_cli.reference.translation import Language, Translate


def sweep_table(translate: Translate) -> str:
    """Return the table of the sweep's parts."""
    rows = ((f"`{part.name}`", translate(part.does), translate(part.bound)) for part in PARTS)
    return table(("part", "what it does", "a turn does at most"), rows, translate)


PAGES: dict[str, dict[str, Callable[[Translate], str]]] = {
    "command.md": {"commands": commands.command_table},
    "configuration.md": {"keys": configuration.key_table},
    "how-it-works.md": {"sweep": sweep_table},
    "localcloud.md": {"checks": checks.assumptions},
    "logs.md": {"events": log_events.event_table},
    "tasks.md": {
        "parameters of every kind": parameters.common_table,
        **{f"parameters of {kind}": partial(parameters.kind_table, kind) for kind in KINDS},
        "scenes": models.scene_table,
        "models of vod.image": partial(models.model_table, "vod.image"),
        "models of mps.image": partial(models.model_table, "mps.image"),
    },
    "verify-cloud.md": {"checks": checks.consequences},
}
"""Page → the marks in it, each with the function that returns the table between them."""
CONSOLE = "console"
"""The console, which shows translated texts of the code, too."""


def texts_of(page: str) -> set[str]:
    """Return the texts of the code that the tables of a page translate."""
    texts: set[str] = set()

    def remember(text: str) -> str:
        texts.add(text)
        return text

    for write in PAGES[page].values():
        write(remember)
    return texts


def texts_by_place() -> dict[str, set[str]]:
    """Return the texts of the code that are translated: page, or `console` → its texts."""
    return {page: texts_of(page) for page in PAGES} | {CONSOLE: console_texts()}


def rewritten(text: str, page: str, language: Language) -> str:
    """Return the text of a page with its tables generated in a language."""
    for mark, write in PAGES[page].items():
        text = with_table(text, language.localized(write(language.translate)), mark)
    return text
