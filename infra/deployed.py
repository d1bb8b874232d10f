"""The resources of this stack in Pulumi's state, before the program declares anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

READ_STATE = "pulumi:pulumi:readStackResourceOutputs"
"""The function of Pulumi's engine that returns the resources of a stack and their outputs."""
PROVIDER = "tencentcloud:"

Outputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deployed:
    """The stack's resources after the last `pulumi up`, by name; empty before the first one."""

    resources: Mapping[str, Outputs] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Deployed:
        """Return the resources of the stack that is being deployed."""
        stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        answer = pulumi.runtime.invoke(READ_STATE, {"stackName": stack}).value or {}
        return cls(
            {
                urn.rpartition("::")[2]: resource["outputs"]
                for urn, resource in answer.get("outputs", {}).items()
                if resource["type"].startswith(PROVIDER)
            }
        )

    def __contains__(self, name: str) -> bool:
        """Whether the state has a resource of this name."""
        return name in self.resources

    def outputs(self, name: str) -> Outputs:
        """Return the outputs of a resource; empty if the state has none of this name."""
        return self.resources.get(name, {})
