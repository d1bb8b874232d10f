"""Names of models, as OpenAI's clients send them: `<kind>/<name>-<version>`, or `<name>-<version>`.

A short name means the first kind in the catalogue that has the model. If the versions of a model
are levels of quality (`image2_low`), the name may leave out the level, which is then `quality`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aigc.api.errors import HttpError
from aigc.tasks.catalogue import Model, catalogue
from aigc.tasks.fields import invalid_request, shown
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.call import Call
    from aigc.api.openapi import schemas

LEVELS = ("low", "medium", "high")
_USUAL_LEVEL = "medium"


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that a call names."""

    kind: str
    name: str
    version: str
    known: Model | None
    """The entry in the catalogue; None for a newer model, whose limits are not checked."""


def list_models(call: Call) -> HttpResponse:
    """List the models that the key may use."""
    body: schemas.OpenAIModelList = {
        "object": "list",
        "data": [
            _entry(name, kind) for name, kind in _names().items() if call.caller.may_submit(kind)
        ],
    }
    return HttpResponse(status=200, body=body)


def get_model(call: Call) -> HttpResponse:
    """Describe one model."""
    name = unquote(call.path["model"])
    kind = _names().get(name.casefold())
    if kind is None or not call.caller.may_submit(kind):
        raise _not_found(name)
    return HttpResponse(status=200, body=_entry(name.casefold(), kind))


def find_choice(model: object, quality: str) -> Choice:
    """Return the model with a name; `quality` is a level, or empty.

    Raises:
        InvalidRequestError: The name is missing, or contains another level than `quality`.
        HttpError: No model has this name.
    """
    if not isinstance(model, str) or not model:
        problem = "is required" if model in (None, "") else f"{shown(model)} is not allowed"
        raise invalid_request("model", problem, allowed="an id of /models, such as gg-3.0")
    name, known = model.casefold(), _choices()
    choice = known.get(name) or known.get(f"{name}_{quality or _USUAL_LEVEL}") or _unknown(model)
    level = choice.version.rpartition("_")[2]
    if level in LEVELS and quality not in {"", level}:
        problem = f"{quality!r} is not the quality of {model}"
        raise invalid_request("quality", problem, allowed=f"auto, {level}")
    return choice


def has_levels(choice: Choice) -> bool:
    """Whether the versions of the model are levels of quality."""
    return choice.version.rpartition("_")[2] in LEVELS


def _unknown(model: str) -> Choice:
    """Parse a full name that is not in the catalogue: the vendor adds models each month."""
    kind, slash, rest = model.partition("/")
    if not slash or kind not in catalogue().models:
        raise _not_found(model)
    names = {known.name for known in catalogue().models[kind]}
    name = max(
        (known for known in names if rest.casefold().startswith(f"{known.casefold()}-")),
        key=len,
        default=rest.partition("-")[0],
    )
    version = rest[len(name) + 1 :]
    if not name or not version:
        raise _not_found(model)
    return Choice(kind, name, version, None)


def _not_found(model: str) -> HttpError:
    detail = (
        f"there is no model {shown(model)}; allowed: an id of /models, such as gg-3.0, or"
        " <kind>/<name>-<version> for a newer model"
    )
    return HttpError(404, "model_not_found", detail, field="model")


@functools.cache
def _choices() -> Mapping[str, Choice]:
    """Return all models by their full and their short names."""
    choices = [
        Choice(kind, model.name, model.version, model)
        for kind, models in catalogue().models.items()
        for model in models
    ]
    full = {
        f"{choice.kind}/{choice.name}-{choice.version}".casefold(): choice for choice in choices
    }
    short = {f"{choice.name}-{choice.version}".casefold(): choice for choice in reversed(choices)}
    return {**full, **dict(reversed(short.items()))}


@functools.cache
def _names() -> Mapping[str, str]:
    """Return the kind of each name in the list, including names without a level."""
    names = {name: choice.kind for name, choice in _choices().items()}
    usual = f"_{_USUAL_LEVEL}"
    without_level = {
        name.removesuffix(usual): kind for name, kind in names.items() if name.endswith(usual)
    }
    return {**names, **without_level}


def _entry(name: str, kind: str) -> schemas.OpenAIModel:
    as_of = datetime.fromisoformat(catalogue().as_of).replace(tzinfo=timezone.utc)
    return {
        "id": name,
        "object": "model",
        "created": int(as_of.timestamp()),
        "owned_by": f"tencent-{kind.partition('.')[0]}",
    }
