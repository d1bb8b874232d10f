"""The texts of the API's documents that the console shows, in English and in Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.openapi.document import document
from aigc.tasks.catalogue import AtMost, OneOf, catalogue
from aigc.tasks.kinds import KINDS
from aigc_cli.reference.parameters import descriptions
from aigc_cli.reference.translation import CHINESE

if TYPE_CHECKING:
    from collections.abc import Iterator


def chinese_texts() -> dict[str, str]:
    """Return the translations of the texts: English → Chinese."""
    return {text: CHINESE.translate(text) for text in sorted(console_texts())}


def console_texts() -> set[str]:
    """Return the English texts of the console's forms: descriptions of parameters, and limits."""
    schemas = document()["components"]["schemas"]
    by_kind = (descriptions(schemas[kind.model.__name__], schemas) for kind in KINDS.values())
    return {*_limits(), *(text for texts in by_kind for text in texts)}


def _limits() -> Iterator[str]:
    """Yield the limits of models that are neither a number nor a list of words."""
    for models in catalogue().models.values():
        for limit in (limit for model in models for limit in model.limits.values()):
            if not isinstance(limit, AtMost | OneOf):
                yield str(limit)
