"""The Pulumi CLI's rules for Pulumi.yaml and a stack's values, checked without the CLI.

They follow `Project.Validate`, `ValidateConfigValue` (sdk/go/common/workspace/project.go) and
`validateStackConfigValue` (pkg/workspace/config.go) of Pulumi 3.259. The CLI copies the defaults
of the project file into the stack's values as plain text before it checks them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIMPLE_TYPES = frozenset({"string", "integer", "boolean", "array", "object"})
DECLARATION_FIELDS = frozenset({"type", "items", "description", "secret", "default", "value"})

Declarations = dict[str, dict[str, Any]]


def project_faults(project: Mapping[str, Any]) -> Iterator[str]:
    """Return what the CLI refuses in a project file, before it reads a stack."""
    for key, declaration in project["config"].items():
        for fault in _declaration_faults(project["name"], key, declaration):
            yield f"{key}: {fault}"


def stack_faults(
    project: Mapping[str, Any], values: Mapping[str, Any], secret: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Return what the CLI refuses in a stack's values, including those from the defaults.

    Args:
        project: The project file.
        values: The values that were set, as `pulumi config set` writes them.
        secret: The keys whose value, or a part of it, is encrypted.
    """
    for key, declaration in project["config"].items():
        if ":" in key:
            continue
        value = values.get(key, declaration.get("default"))
        if value is None:
            yield f"{key}: missing configuration value"
        elif declaration.get("secret") and key not in secret:
            yield f"{key}: must be encrypted as it's secret"
        elif not fits(value, declaration):
            yield f"{key}: must be of type '{declaration['type']}'"


def fits(value: Any, declaration: Mapping[str, Any]) -> bool:
    """Whether the CLI accepts a value for a declared type."""
    kind = declaration["type"]
    if kind == "array":
        items: Mapping[str, Any] = declaration.get("items") or {}
        return isinstance(value, list) and bool(items) and all(fits(item, items) for item in value)
    return _fits_simple(value, kind)


def _fits_simple(value: Any, kind: str) -> bool:
    if kind == "integer":
        is_text = isinstance(value, str) and bool(re.fullmatch(r"[+-]?\d+", value))
        return is_text or (isinstance(value, int) and not isinstance(value, bool))
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    return isinstance(value, {"string": str, "object": dict}[kind])


def _declaration_faults(
    project_name: str, key: str, declaration: Mapping[str, Any]
) -> Iterator[str]:
    unknown = declaration.keys() - DECLARATION_FIELDS
    if unknown:
        yield f"unknown field {', '.join(sorted(unknown))}"
    if "default" in declaration and "value" in declaration:
        yield "cannot have both a 'default' and 'value' attribute"
    if ":" in key and not key.startswith(f"{project_name}:"):
        yield from _foreign_faults(declaration)
    else:
        yield from _own_faults(declaration)


def _foreign_faults(declaration: Mapping[str, Any]) -> Iterator[str]:
    for field in ("type", "default"):
        if field in declaration:
            yield f"is not namespaced by the project and should not define a {field}"
    if "value" not in declaration:
        yield "is namespaced and must provide an attribute 'value'"


def _own_faults(declaration: Mapping[str, Any]) -> Iterator[str]:
    if declaration.get("type") not in SIMPLE_TYPES:
        yield f"type is {declaration.get('type')}; allowed: {', '.join(sorted(SIMPLE_TYPES))}"
    elif declaration["type"] == "array" and "items" not in declaration:
        yield "declares an array but does not specify the underlying type"
    elif "default" in declaration and not fits(declaration["default"], declaration):
        yield "the default value is not of the expected type"
