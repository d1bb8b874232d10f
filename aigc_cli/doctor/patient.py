"""The deployment that the doctor looks at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.triggers.diagnosis import DIAGNOSIS_REQUEST
from aigc_cli.account import Account, RefusalError
from aigc_cli.deployment import Deployment, DeploymentError, stack_outputs
from aigc_cli.service import Service, find_service
from aigc_cli.sources import ROOT
from infra.permissions import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTIONS = ("gateway", "upload", "sweep")
INPUT_BUCKETS = "AIGC_INPUT_BUCKETS"


class NoDiagnosisError(Exception):
    """A function did not say what its role may do; the message has no secret."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A deployment: its account, its resources' names, and its API if a key is known."""

    account: Account
    buckets: Mapping[str, str]
    """`inbox`, `results`, `ledger` → the bucket's full name."""
    functions: Mapping[str, str]
    """`gateway`, `upload`, `sweep` → the function's name."""
    sub_app_id: int
    endpoint: str
    results_prefix: str = ""
    upload_prefixes: tuple[str, ...] = ()
    """The prefixes of the inbox below which the gateway signs links; none of an older stack."""
    site: str = "cn"
    package: Path | None = None
    """The functions' zip on this machine, if there is one."""
    service: Service | None = field(default=None, repr=False)

    @cached_property
    def described(self) -> Mapping[str, dict[str, Any] | RefusalError]:
        """What SCF says of each function, or why it says nothing."""
        return {name: self._describe(physical) for name, physical in self.functions.items()}

    def _describe(self, name: str) -> dict[str, Any] | RefusalError:
        try:
            return self.account.api("scf", "GetFunction", FunctionName=name)
        except RefusalError as error:
            return error

    @cached_property
    def diagnoses(self) -> Mapping[str, dict[str, Any] | NoDiagnosisError]:
        """What each function says of its role and its code, or why it says nothing."""
        return {name: self._diagnose(physical) for name, physical in self.functions.items()}

    def _diagnose(self, name: str) -> dict[str, Any] | NoDiagnosisError:
        question = json.dumps(DIAGNOSIS_REQUEST)
        try:
            answer = self.account.api("scf", "Invoke", FunctionName=name, ClientContext=question)
            diagnosis = json.loads(answer["Result"]["RetMsg"])
        except RefusalError as error:
            return NoDiagnosisError(error.code)
        except (KeyError, TypeError, ValueError):
            return NoDiagnosisError("it answers nothing that can be read")
        if isinstance(diagnosis, dict) and "actions" in diagnosis:
            return diagnosis
        return NoDiagnosisError("it fails, or is of a version that cannot be asked")

    @property
    def reach(self) -> Reach:
        """The resources that the functions use.

        Raises:
            RefusalError: SCF does not describe the gateway.
        """
        return Reach(
            region=self.account.region,
            app_id=self.account.app_id,
            sub_app_id=self.sub_app_id,
            inbox=self.buckets["inbox"],
            results=self.buckets["results"],
            ledger=self.buckets["ledger"],
            results_prefix=self.results_prefix,
            input_buckets=self.input_buckets,
            upload_prefixes=self.upload_prefixes,
        )

    @property
    def input_buckets(self) -> tuple[str, ...]:
        """The buckets of callers' inputs.

        Raises:
            RefusalError: SCF does not describe the gateway.
        """
        return tuple(json.loads(self.settings("gateway").get(INPUT_BUCKETS, "[]")))

    @property
    def deployment(self) -> Deployment:
        """The same deployment, as commands of the owner reach it."""
        return Deployment(
            region=self.account.region,
            ledger=self.buckets["ledger"],
            results=self.buckets["results"],
            results_prefix=self.results_prefix,
            inbox=self.buckets["inbox"],
            sub_app_id=self.sub_app_id,
            credentials=(
                self.account.secret_id,
                self.account.secret_key,
                self.account.token or None,
            ),
            protocol=self.account.protocol,
            proxy=self.account.proxy,
        )

    def description(self, function: str) -> dict[str, Any]:
        """Return what SCF says of a function.

        Raises:
            RefusalError: SCF does not describe it.
        """
        described = self.described[function]
        if isinstance(described, RefusalError):
            raise described
        return described

    def triggers(self, function: str) -> list[dict[str, Any]]:
        """Return the triggers of a function.

        Raises:
            RefusalError: SCF does not describe the function.
        """
        return list(self.description(function)["Triggers"])

    def settings(self, function: str) -> dict[str, str]:
        """Return the environment of a function.

        Raises:
            RefusalError: SCF does not describe the function.
        """
        variables = self.description(function)["Environment"]["Variables"]
        return {variable["Key"]: variable["Value"] for variable in variables}


def of_connection(connection: Mapping[str, Any]) -> Patient:
    """Return the local cloud that runs on this machine."""
    return Patient(
        account=Account.of_connection(connection),
        buckets=connection["buckets"],
        functions=connection["functions"],
        sub_app_id=connection["sub_app_id"],
        endpoint=connection["gateway"],
        results_prefix=connection["results_prefix"],
        upload_prefixes=tuple(connection["upload_prefixes"]),
        package=Path(connection["package"]),
        service=Service(connection["gateway"], connection["api_key"]),
    )


def of_stack(name: str, key: str | None) -> Patient:
    """Return a Pulumi stack, reached with the owner's credentials from the environment.

    Raises:
        DeploymentError: Pulumi or the credentials are missing, or the stack is not deployed.
    """
    outputs = stack_outputs(name)
    if "ledgerBucket" not in outputs:
        raise DeploymentError(f"the stack {name} is not deployed yet: `pulumi up` makes it")
    return Patient(
        account=Account.of_owner(outputs["region"]),
        buckets={role: outputs[f"{role}Bucket"] for role in ("inbox", "results", "ledger")},
        functions={name: outputs[f"{name}Function"] for name in FUNCTIONS},
        sub_app_id=int(outputs["subAppId"]),
        endpoint=str(outputs["endpoint"]).rstrip("/"),
        results_prefix=outputs.get("resultsPrefix", ""),
        upload_prefixes=tuple(outputs.get("uploadPrefixes", ())),
        site=outputs.get("site", "cn"),
        package=_built_package(),
        service=_service(str(outputs["endpoint"]), key),
    )


def _built_package() -> Path | None:
    """Return the zip of `make package`; None if there is none, or more than one."""
    zips = [*(ROOT / "dist").glob("aigc-functions-*.zip")]
    return zips[0] if len(zips) == 1 else None


def _service(endpoint: str, key: str | None) -> Service | None:
    try:
        return find_service(endpoint, key)
    except DeploymentError:  # without a key the API is not examined, and the doctor says so
        return None


def desc_of(trigger: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a trigger, which is JSON in a string."""
    try:
        content = json.loads(trigger["TriggerDesc"])
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
