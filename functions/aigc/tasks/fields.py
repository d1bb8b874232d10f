"""Reads, checks and writes the parameters of tasks, for all kinds."""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SerializationInfo,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from aigc.errors import InvalidRequestError
from aigc.wire import Wire

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from aigc.tasks.kind import Submission

SHOWN = 60  # characters of a refused value that an error contains
MOST_ERRORS = 5  # most errors of fields in one message


class Parameters(Wire):
    """An object of parameters: keys in snake_case or PascalCase, sent in PascalCase.

    Null and the empty string count as absent, as in the examples of the vendor's documents.
    """

    model_config = ConfigDict(
        alias_generator=AliasGenerator(serialization_alias=to_pascal),
        defer_build=True,  # takes a third of the import, and most instances need one kind
    )

    inferred: ClassVar[frozenset[str]] = frozenset()
    """Required fields that `complete` fills in: a caller may omit them."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, body: Any, info: ValidationInfo) -> Any:  # noqa: ANN401  any JSON
        if not isinstance(body, dict):
            return body
        fields = snake(body)
        _refuse_unknown(fields, known=list(cls.model_fields))
        if info.context is None:
            _refuse_control(fields)
        return cls.complete({name: value for name, value in fields.items() if not _absent(value)})

    @classmethod
    def complete(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Fill in fields that a caller may omit because they follow from others."""
        return fields

    def api_parameters(self, submission: Submission) -> dict[str, Any]:
        """Return the parameters in the form of API 3.0, without absent ones."""
        return self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, context=submission
        )


def snake(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its PascalCase keys in snake_case, unless it has both spellings.

    Nested objects are not changed: nested parameters rename their own keys, and the keys of a JSON
    object in `ext_info` belong to the model.
    """
    renamed = {name: snake_case(name) for name in body if name[:1].isupper()}
    return {
        name if renamed.get(name) in body else renamed.get(name, name): value
        for name, value in body.items()
    }


def snake_case(name: str) -> str:
    """Return a PascalCase name in snake_case: `AiTryOnConfig` → `ai_try_on_config`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _absent(value: object) -> bool:
    return value is None or value == ""


def _refuse_unknown(fields: dict[str, Any], *, known: list[str]) -> None:
    unknown = [name for name in fields if name not in known]
    if not unknown:
        return
    near = difflib.get_close_matches(snake_case(unknown[0]), known, n=1)
    suggestion = f"; did you mean {near[0]}?" if near else ""
    problem = f"there is no such field{suggestion}"
    raise field_error(unknown[0][:SHOWN], problem, allowed=", ".join(known))


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def _refuse_control(fields: dict[str, Any]) -> None:
    """Refuse control characters, which come from a broken encoding; the task would be billed."""
    for name, value in fields.items():
        control = _CONTROL.search(value) if isinstance(value, str) else None
        if control:
            problem = f"has {control[0]!r} at position {control.start()}"
            raise field_error(name, problem, allowed="text without control characters")


# Refusals


def field_error(field: str, problem: str, *, allowed: str = "") -> PydanticCustomError:
    """Return an error for a check that pydantic does not have; `field` is a relative path."""
    context = {"field": field, "problem": problem, "allowed": allowed}
    return PydanticCustomError("field_error", "{problem}", context)


class _FieldError(NamedTuple):
    field: str
    problem: str
    allowed: str = ""

    def __str__(self) -> str:
        allowed = self.allowed and f"; allowed: {self.allowed}"
        return f"{self.field or 'the request'}: {self.problem}{allowed}"


def explain(error: ValidationError) -> InvalidRequestError:
    """Return an error with the wrong fields, their values and the allowed values."""
    lines = error.errors(include_url=False)
    errors = [_explained(line) for line in lines[:MOST_ERRORS]]
    remainder = [f"and {len(lines) - MOST_ERRORS} more"] if len(lines) > MOST_ERRORS else []
    return InvalidRequestError(
        "; ".join([*map(str, errors), *remainder]), field=errors[0].field, allowed=errors[0].allowed
    )


def invalid_request(field: str, problem: str, *, allowed: str) -> InvalidRequestError:
    """Return an error in the same form for a parameter that is not part of a model."""
    error = _FieldError(field, problem, allowed)
    return InvalidRequestError(str(error), field=field, allowed=allowed)


def _explained(line: ErrorDetails) -> _FieldError:
    path = ".".join(str(part) for part in line["loc"])
    if line["type"] == "field_error":
        context = line["ctx"]
        field = ".".join(part for part in (path, context["field"]) if part)
        return _FieldError(field, context["problem"], context["allowed"])
    if line["type"] == "missing":
        return _FieldError(path, "is required")
    return _FieldError(path, f"{shown(line['input'])} is not allowed", _expected(line))


def _expected(line: ErrorDetails) -> str:
    if line["type"] == "model_type":
        return "an object"
    allowed = re.sub(r"^.*?\bshould (be |have )?", "", line["msg"])
    return re.sub(r" after validation.*|, (unable|got) .*", "", allowed)


def shown(value: object) -> str:
    """Return a refused value for an error message, shortened: it may be an image."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}… ({len(value)} characters)"
    return repr(value)


# Types of fields


def in_any_case(literal: object) -> BeforeValidator:
    """Return a validator that accepts words in any case and returns the documented spelling."""
    documented = {word.casefold(): word for word in get_args(literal)}
    return BeforeValidator(
        lambda value: documented.get(value.casefold(), value) if isinstance(value, str) else value
    )


_BOOLS = {"enabled": True, "true": True, "1": True, "disabled": False, "false": False, "0": False}


def _as_bool(value: object) -> object:
    return _BOOLS.get(str(value).casefold(), value)


def _switch(value: object) -> object:
    is_on = _as_bool(value)
    return ("Enabled" if is_on else "Disabled") if isinstance(is_on, bool) else value


def _bit(value: object) -> object:
    is_on = _as_bool(value)
    return int(is_on) if isinstance(is_on, bool) else value


SWITCH = {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["Enabled", "Disabled"]}]}
"""JSON schema of a yes/no parameter; the vendor's actions have three forms of it."""

_SWITCH_SCHEMA = WithJsonSchema(SWITCH)
Switch = Annotated[Literal["Enabled", "Disabled"], BeforeValidator(_switch), _SWITCH_SCHEMA]
"""A yes/no parameter of VOD."""
YesNo = Annotated[bool, BeforeValidator(_as_bool), _SWITCH_SCHEMA]
"""A yes/no parameter of MPS, except for `LogoAdd`."""
Bit = Annotated[Literal[0, 1], BeforeValidator(_bit), _SWITCH_SCHEMA]
"""The yes/no parameter `LogoAdd` of MPS."""


def _json_text(value: object) -> object:
    if not isinstance(value, dict):
        return value
    inner = "AdditionalParameters"
    outer = {inner if name == snake_case(inner) else name: part for name, part in value.items()}
    if isinstance(outer.get(inner), dict):
        outer[inner] = _json(outer[inner])
    return _json(outer)


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:  # TOML has dates and NaN
        raise field_error("", f"is not JSON: {error}", allowed="a JSON object") from None


JsonText = Annotated[
    str,
    BeforeValidator(_json_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": True},
                {"type": "string", "contentMediaType": "application/json"},
            ]
        }
    ),
]
"""JSON in a string, in which AdditionalParameters is a string again; an object is encoded."""


def additional(text: str) -> dict[str, Any]:
    """Return the additional parameters in a JsonText; empty if it is not a JSON object."""
    outer = parsed_json(text)
    return parsed_json(outer.get("AdditionalParameters", outer))


def parsed_json(value: object) -> dict[str, Any]:
    """Return a JSON object, which may be encoded in a string; empty if it is not an object."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\\\s]\S*|cos://[^/].*", value):
        allowed = "a URL that the vendor can fetch: https://…, http://… or cos://<bucket>/<key>"
        raise field_error("", f"{shown(value)} is not allowed", allowed=allowed)
    return value


def _fetchable(url: str, info: SerializationInfo) -> str:
    submission: Submission | None = info.context
    return submission.input_url(url) if submission else url


InputUrl = Annotated[
    str,
    AfterValidator(_url),
    PlainSerializer(_fetchable),
    WithJsonSchema({"type": "string", "pattern": "^(https?|cos)://[^/]"}),
]
"""The URL of an input; `cos://…` is presigned when the task is sent."""


def _base64(value: str) -> str:
    bare = re.sub(r"^data:[^,]*;base64,", "", value)
    try:
        base64.b64decode(bare, validate=True)
    except binascii.Error:
        allowed = "an image in Base64, without a data: prefix"
        raise field_error("", f"{len(value)} characters are not Base64", allowed=allowed) from None
    return bare


def size_of(encoded: str) -> int:
    """Return the number of bytes in a Base64 text."""
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")


Base64 = Annotated[
    str,
    AfterValidator(_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""An image in the request itself; a `data:` prefix is removed, since the vendor refuses it."""


def _time(value: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        raise field_error(
            "", f"{shown(value)} is not allowed", allowed="ISO 8601: 2027-01-31T12:00:00Z"
        )
    return value


Time = Annotated[
    str, AfterValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time in ISO 8601, with its time zone."""
