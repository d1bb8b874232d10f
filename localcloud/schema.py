"""What a request may look like, read from the vendor's own SDK so that it follows the vendor."""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core import ApiError
from localcloud.required import REQUIRED

if TYPE_CHECKING:
    from types import ModuleType

# Documented as an integer, and sent as "10" by the official example of CreateAigcImageTask.
_NUMERIC_STRINGS = frozenset({"TasksPriority"})

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}
_TYPE_LINE = re.compile(r"^\s*:type (\w+): (.+)$", re.MULTILINE)
_EMPTY: dict[str, Any] = {"str": "", "int": 0, "float": 0.0, "bool": False}


@dataclass(frozen=True, slots=True)
class _Type:
    """The type of a field: a plain one by name, or a model's name; perhaps a list of it."""

    name: str
    is_list: bool

    @property
    def is_plain(self) -> bool:
        return self.name in _PYTHON_TYPES


def check(service: str, version: str, action: str, params: dict[str, Any]) -> None:
    """Check a request as the cloud does before it looks at any value.

    A service whose SDK is not installed has nothing to be checked against.

    Raises:
        ApiError: There is no such action, or a field is unknown, missing or of a wrong type.
    """
    if _models(service, version) is None:
        return
    model = f"{action}Request"
    if not hasattr(_models(service, version), model):
        raise ApiError("InvalidAction", f"The action {action} of {service} {version} is unknown.")
    _check_object(service, version, model, params, "")


def fields(service: str, version: str, model: str) -> tuple[str, ...]:
    """Name the fields of one of the SDK's models."""
    return tuple(_types(service, version, model))


def filled(service: str, version: str, model: str, given: dict[str, Any]) -> dict[str, Any]:
    """Write a model out in full, as answers do.

    A plain field that was not given is empty of its type, a list is empty, and an object is null.
    """
    return {
        name: _filled_value(service, version, of, given.get(name))
        for name, of in _types(service, version, model).items()
    }


def _filled_value(service: str, version: str, of: _Type, value: Any) -> Any:  # noqa: ANN401  JSON
    if of.is_list:
        items = value or []
        return items if of.is_plain else [filled(service, version, of.name, one) for one in items]
    if of.is_plain:
        return _EMPTY[of.name] if value is None else value
    return None if value is None else filled(service, version, of.name, value)


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


def _check_field(service: str, version: str, of: _Type, value: object, path: str) -> None:
    if not of.is_list:
        _check_item(service, version, of, value, path)
        return
    if not isinstance(value, list):
        raise _wrong_type(path, "a list")
    for index, item in enumerate(value):
        _check_item(service, version, of, item, f"{path}.{index}")


def _check_item(service: str, version: str, of: _Type, value: object, path: str) -> None:
    if not of.is_plain:
        _check_object(service, version, of.name, value, f"{path}.")
    elif not _is_of(of.name, value, path):
        raise _wrong_type(path, of.name)


def _is_of(name: str, value: object, path: str) -> bool:
    if isinstance(value, bool):
        return name == "bool"
    if path in _NUMERIC_STRINGS and isinstance(value, str):
        return re.fullmatch(r"-?\d+", value) is not None
    return isinstance(value, _PYTHON_TYPES[name])


def _wrong_type(path: str, wanted: str) -> ApiError:
    return ApiError(
        "InvalidParameter", f"The value type of parameter `{path.rstrip('.')}` must be {wanted}."
    )


@functools.cache
def _models(service: str, version: str) -> ModuleType | None:
    """Import the models: only here and once, it takes 0.1 s for each service."""
    try:
        return importlib.import_module(f"tencentcloud.{service}.v{version.replace('-', '')}.models")
    except ModuleNotFoundError:
        return None


@functools.cache
def _types(service: str, version: str, model: str) -> dict[str, _Type]:
    """Read the types of a model's fields out of its constructor's documentation."""
    documented = getattr(_models(service, version), model).__init__.__doc__ or ""
    return {name: _type(text) for name, text in _TYPE_LINE.findall(documented)}


def _type(text: str) -> _Type:
    """Read `int`, `list of str`, `list of int non-negative`, :class:`…models.Thing`."""
    is_list = text.startswith("list of ")
    words = text.removeprefix("list of ").split()
    return _Type(words[0].removeprefix(":class:").strip("`").rpartition(".")[2], is_list)
