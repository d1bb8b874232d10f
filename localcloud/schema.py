"""Request schemas, read from the models of the vendor's SDK.

The models' source text is searched and not imported: the imports take 0.1 s in each process.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from localcloud.core import ApiError
from localcloud.required_fields import REQUIRED

# Documented as an integer, but the official example of CreateAigcImageTask sends "10".
_NUMERIC_STRINGS = frozenset({"TasksPriority"})

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}
_TYPE_LINE = re.compile(r"^\s*:type (\w+): (.+)$", re.MULTILINE)
_EMPTY_VALUES: dict[str, Any] = {"str": "", "int": 0, "float": 0.0, "bool": False}


@dataclass(frozen=True, slots=True)
class _Type:
    """A field's type: a plain type or a model, by name, or a list of them."""

    name: str
    is_list: bool

    @property
    def is_plain(self) -> bool:
        return self.name in _PYTHON_TYPES


def check(service: str, version: str, action: str, params: dict[str, Any]) -> None:
    """Check the field names, required fields and types of a request, before any value is checked.

    A request of a service whose SDK is not installed is not checked.

    Raises:
        ApiError: The action is unknown, or a field is unknown, missing or of a wrong type.
    """
    if not _source(service, version):
        return
    model = f"{action}Request"
    if _docstring(service, version, model) is None:
        raise ApiError("InvalidAction", f"The action {action} of {service} {version} is unknown.")
    _check_object(service, version, model, params, "")


def fields(service: str, version: str, model: str) -> tuple[str, ...]:
    """Return the field names of an SDK model."""
    return tuple(_types(service, version, model))


def with_all_fields(
    service: str, version: str, model: str, values: dict[str, Any]
) -> dict[str, Any]:
    """Return a model with all its fields, as responses contain them.

    A missing plain field is the empty value of its type, a missing list is empty, and a missing
    object is null.
    """
    return {
        name: _value_or_empty(service, version, type_, values.get(name))
        for name, type_ in _types(service, version, model).items()
    }


def _value_or_empty(service: str, version: str, type_: _Type, value: Any) -> Any:  # noqa: ANN401  JSON
    if type_.is_list:
        items = value or []
        if type_.is_plain:
            return items
        return [with_all_fields(service, version, type_.name, item) for item in items]
    if type_.is_plain:
        return _EMPTY_VALUES[type_.name] if value is None else value
    return None if value is None else with_all_fields(service, version, type_.name, value)


def _check_object(service: str, version: str, model: str, value: object, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object")
    types = _types(service, version, model)
    for name in value:
        if name not in types:
            raise ApiError("UnknownParameter", f"The parameter `{path}{name}` is not recognized.")
    for name in REQUIRED.get((service, model), ()):
        if value.get(name) in (None, ""):
            raise ApiError(
                "MissingParameter", f"The request is missing a required parameter `{path}{name}`."
            )
    for name, item in value.items():
        if item is not None:
            _check_field(service, version, types[name], item, f"{path}{name}")


def _check_field(service: str, version: str, type_: _Type, value: object, path: str) -> None:
    if not type_.is_list:
        _check_item(service, version, type_, value, path)
        return
    if not isinstance(value, list):
        raise _wrong_type(path, "a list")
    for index, item in enumerate(value):
        _check_item(service, version, type_, item, f"{path}.{index}")


def _check_item(service: str, version: str, type_: _Type, value: object, path: str) -> None:
    if not type_.is_plain:
        _check_object(service, version, type_.name, value, f"{path}.")
    elif not _has_type(type_.name, value, path):
        raise _wrong_type(path, type_.name)


def _has_type(name: str, value: object, path: str) -> bool:
    if isinstance(value, bool):
        return name == "bool"
    if path in _NUMERIC_STRINGS and isinstance(value, str):
        return re.fullmatch(r"-?\d+", value) is not None
    return isinstance(value, _PYTHON_TYPES[name])


def _wrong_type(path: str, expected: str) -> ApiError:
    return ApiError(
        "InvalidParameter", f"The value type of parameter `{path.rstrip('.')}` must be {expected}."
    )


@functools.cache
def _source(service: str, version: str) -> bytes:
    """Return the source of a service's models; empty if its SDK is not installed."""
    try:
        spec = find_spec(f"tencentcloud.{service}.v{version.replace('-', '')}.models")
    except ModuleNotFoundError:
        return b""
    return Path(spec.origin).read_bytes() if spec and spec.origin else b""


@functools.cache
def _types(service: str, version: str, model: str) -> dict[str, _Type]:
    """Return the types of a model's fields, from its constructor's docstring."""
    docstring = _docstring(service, version, model)
    if docstring is None:
        raise LookupError(f"the SDK has no model {model} of {service} {version}")
    return {name: _type(text) for name, text in _TYPE_LINE.findall(docstring)}


@functools.cache
def _docstring(service: str, version: str, model: str) -> str | None:
    """Return the docstring of a model's constructor; None if the service has no such model."""
    source = _source(service, version)
    start = source.find(f"\nclass {model}(AbstractModel):\n".encode())
    if start < 0:
        return None
    text = source[start : source.find(b"\nclass ", start + 1)]
    constructor = text.partition(b"def __init__(self):")[2]  # a model without fields has none
    return constructor.partition(b'"""')[2].partition(b'"""')[0].decode()


def _type(text: str) -> _Type:
    """Parse `int`, `list of str`, `list of int non-negative` or :class:`…models.Thing`."""
    is_list = text.startswith("list of ")
    words = text.removeprefix("list of ").split()
    return _Type(words[0].removeprefix(":class:").strip("`").rpartition(".")[2], is_list)
