"""Refuses to build a wheel that would not work away from this folder."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NoWheel(BuildHookInterface[Any]):
    """Lets only an editable installation pass."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Refuse anything but an editable installation.

        Raises:
            RuntimeError: A wheel is built to be installed elsewhere.
        """
        if version != "editable":
            raise RuntimeError(
                "there is no wheel: `aigc` builds the functions from their sources and needs the"
                " project's folder; clone the project and run `make setup`"
            )
