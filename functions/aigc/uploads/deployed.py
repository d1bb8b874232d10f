"""What the commands of the owner must know of the deployed functions to process an upload.

The sweep writes it to the ledger as `inbox/deployed.json`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from aigc.errors import AigcError
from aigc.uploads.rules import DeployedRules, Rules
from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime

KEY = "inbox/deployed.json"


class NotDeployedError(AigcError):
    """No sweep has written the configuration of the functions yet."""


class Deployed(Record):
    """The part of the functions' configuration that decides what an upload becomes."""

    rules: Rules
    labels: Literal["none", "metadata", "visible"] = "metadata"


def publish(runtime: Runtime) -> None:
    """Write the configuration of this function, unless it is written already."""
    rules, labels = runtime.memory.of(DeployedRules).rules, runtime.settings.labels
    body = Deployed(rules=rules, labels=labels).model_dump_json(by_alias=True).encode()
    if runtime.ledger.bucket.get(KEY) != body:
        runtime.ledger.bucket.put(KEY, body)


def as_deployed(runtime: Runtime) -> Runtime:
    """Return the runtime of a command with the rules and settings of the functions.

    Raises:
        NotDeployedError: No sweep has run since the functions were deployed.
    """
    body = runtime.ledger.bucket.get(KEY)
    if body is None:
        raise NotDeployedError("the sweep has not run yet, or there are no rules; try in a minute")
    deployed = Deployed.model_validate_json(body)
    runtime.memory.of(DeployedRules).rules = deployed.rules
    settings = with_fields(runtime.settings, labels=deployed.labels)
    return dataclasses.replace(runtime, settings=settings)
