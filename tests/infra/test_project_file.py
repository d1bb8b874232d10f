"""Pulumi.yaml and the documented settings pass the Pulumi CLI's own rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.infra.cli_rules import project_faults, stack_faults

PROJECT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.yaml").read_text())
CALLBACK_KEY = {"callbackKey": "c" * 32}


def project_with(**declaration: object) -> dict[str, Any]:
    return {"name": "demo", "config": {"key": declaration}}


def test_cli_accepts_the_project_file() -> None:
    assert not list(project_faults(PROJECT))


def test_cli_accepts_a_stack_with_nothing_but_the_callback_key() -> None:
    """The README sets this one value before `pulumi up`."""
    assert not list(stack_faults(PROJECT, CALLBACK_KEY, frozenset({"callbackKey"})))


def test_cli_refuses_a_callback_key_in_plain_text() -> None:
    assert list(stack_faults(PROJECT, CALLBACK_KEY)) == [
        "callbackKey: must be encrypted as it's secret"
    ]


def test_cli_asks_for_the_callback_key() -> None:
    assert list(stack_faults(PROJECT, {})) == ["callbackKey: missing configuration value"]


@pytest.mark.parametrize(
    ("declaration", "fault"),
    [
        ({"type": "object", "secret": True, "default": {}}, "must be encrypted as it's secret"),
        ({"type": "array", "items": {"type": "string"}}, "missing configuration value"),
    ],
)
def test_cli_refuses_a_stack_without_values_for(declaration: dict[str, Any], fault: str) -> None:
    assert list(stack_faults(project_with(**declaration), {})) == [f"key: {fault}"]


@pytest.mark.parametrize(
    ("declaration", "value"),
    [
        ({"type": "object"}, '{"a": 1}'),
        ({"type": "array", "items": {"type": "integer"}}, ["a"]),
        ({"type": "integer"}, "1.5"),
        ({"type": "string"}, 5),
    ],
)
def test_cli_refuses_a_value_of_another_type(declaration: dict[str, Any], value: object) -> None:
    [fault] = stack_faults(project_with(**declaration), {"key": value})

    assert fault.startswith("key: must be of type ")


@pytest.mark.parametrize(
    "declaration",
    [
        {"type": "array", "default": []},
        {"type": "integer", "default": "many"},
        {"type": "string", "default": "a", "value": "b"},
        {"type": "string", "default": "a", "required": True},
    ],
)
def test_cli_refuses_a_declaration(declaration: dict[str, Any]) -> None:
    assert list(project_faults(project_with(**declaration)))
