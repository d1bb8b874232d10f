"""A function: its configuration, its code, its instances and its counters."""

from __future__ import annotations

import json
import os
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.actions import now_text
from localcloud.core import ApiError
from localcloud.faults import argument
from localcloud.scf.instance import InstanceSettings, Invocation
from localcloud.scf.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localcloud.core import Account, Key, Keys
    from localcloud.faults import Faults
    from localcloud.scf.configuration import Configuration
    from localcloud.scf.instance import Outcome
    from localcloud.scf.package import Package

KEY_LIFETIME_S = 7200
MAX_RETRIES = 2
MIN_TTL_S, MAX_TTL_S = 60, 6 * 3600
KEY_REFRESH_S = 1800  # before a key expires, so that a key is valid until its invocation ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The parts of the cloud that all its functions share."""

    account: Account
    keys: Keys
    now: Callable[[], float]
    faults: Faults
    proxy_url: str
    """The proxy for requests to the cloud's host names."""
    home: Path
    max_instances: int
    log: Callable[[str, str], None]
    """Writes a line of a function's output; the arguments are the function's name and the line."""
    report: Callable[[str, Outcome, int], None]
    """Records an invocation: the function's name, the outcome, and the number of the retry."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retries and the maximum age of an asynchronous event."""

    retries: int = MAX_RETRIES
    ttl_s: int = MAX_TTL_S

    @classmethod
    def parse(cls, config: dict[str, Any]) -> RetryPolicy:
        """Return the policy in an AsyncTriggerConfig.

        Raises:
            ApiError: A value is not allowed.
        """
        retry = config.get("RetryConfig") or [{"RetryNum": MAX_RETRIES}]
        policy = cls(retry[0]["RetryNum"], config.get("MsgTTL", MAX_TTL_S))
        if not (0 <= policy.retries <= MAX_RETRIES and MIN_TTL_S <= policy.ttl_s <= MAX_TTL_S):
            raise ApiError(
                "InvalidParameterValue.AsyncTriggerConfig",
                f"RetryNum is {policy.retries}, MsgTTL is {policy.ttl_s}; "
                f"allowed: 0 to {MAX_RETRIES}, {MIN_TTL_S} to {MAX_TTL_S}",
            )
        return policy

    def describe(self) -> dict[str, Any]:
        """Return the policy as an AsyncTriggerConfig."""
        return {"RetryConfig": [{"RetryNum": self.retries}], "MsgTTL": self.ttl_s}


@dataclass(slots=True)
class Counters:
    """Counters of a function's invocations."""

    invocations: int = 0
    errors: int = 0
    retries: int = 0
    dropped: int = 0
    cpu_s: float = 0.0
    """The CPU time of the invocations, without the start of instances."""


class Function:
    """A function of the default namespace; its configuration and code can be replaced.

    In the cloud a new or changed function can be changed again after some seconds. Here it can be
    changed after the next GetFunction, so that a client that does not poll always fails.
    """

    def __init__(self, configuration: Configuration, package: Package, platform: Platform) -> None:
        self.id = f"lam-{uuid.uuid4().hex[:8]}"
        self.counters = Counters()
        self.retry_policy = RetryPolicy()
        self.reserved_mb: int | None = None
        """The maximum memory of all instances together; None is no limit."""
        self._status = "Creating"
        self._platform = platform
        self._lock = threading.Lock()
        self._key: Key | None = None
        self._created = self._modified = now_text()
        self.configuration = configuration
        self.package = package
        self._shared_context = self._context()
        self._pool = self._new_pool()

    @property
    def name(self) -> str:
        """The function's name."""
        return self.configuration.name

    @property
    def instances(self) -> int:
        """The current number of instances."""
        return self._pool.size

    def describe(self) -> dict[str, Any]:
        """Return the fields of GetFunction, without the triggers."""
        return {
            **self.configuration.describe(),
            "FunctionId": self.id,
            "FunctionVersion": "$LATEST",
            "Qualifier": "$LATEST",
            "CodeSize": self.package.size,
            "CodeResult": "success",
            "Status": self._status,
            "AvailableStatus": "Available",
            "AddTime": self._created,
            "ModTime": self._modified,
        }

    def activate(self) -> None:
        """Complete the creation or the update of the function."""
        self._status = "Active"

    def check_active(self) -> None:
        """Raise if the creation or the update of the function is not complete.

        Raises:
            ApiError: The function is not active.
        """
        if self._status != "Active":
            raise ApiError(
                "FailedOperation.FunctionStatusError",
                f"function {self.name} is {self._status}: poll GetFunction until Status is Active",
            )

    def reserve(self, megabytes: int | None) -> None:
        """Limit the memory of all instances together; 0 stops the function, None is no limit."""
        self.reserved_mb = megabytes
        self._pool.reserve(self._quota())

    def replace(self, configuration: Configuration, package: Package) -> None:
        """Replace configuration and code; running invocations continue with the old version."""
        self._status = "Updating"
        previous_pool = self._pool
        self.configuration, self.package, self._key = configuration, package, None
        self._modified = now_text()
        self._shared_context = self._context()
        self._pool = self._new_pool()
        previous_pool.retire()

    def invoke(self, event: Any, retry: int = 0) -> Outcome:  # noqa: ANN401  any JSON
        """Handle an event on one instance, and return the outcome."""
        request_id = str(uuid.uuid4())
        outcome = self._handle(request_id, event)
        failed = int(outcome.failure is not None)
        self.count(invocations=1, errors=failed, cpu_s=outcome.cpu_s)
        self._log_failure(outcome)
        self._platform.report(self.name, outcome, retry)
        return outcome

    def count(self, **increments: float) -> None:
        """Add to the counters."""
        with self._lock:
            for name, number in increments.items():
                setattr(self.counters, name, getattr(self.counters, name) + number)

    def stop(self) -> None:
        """Stop all instances."""
        self._pool.stop()

    def _handle(self, request_id: str, event: Any) -> Outcome:  # noqa: ANN401  any JSON
        return self._pool.handle(
            Invocation(
                request_id=request_id,
                event=event,
                context={**self._shared_context, "request_id": request_id},
                environment=self._credentials(),
                timeout_s=self.configuration.timeout_s,
                kill_after_s=self._kill_fault(),
            )
        )

    def _quota(self) -> int | None:
        """Return the maximum number of concurrent events; None is no limit."""
        if self.reserved_mb is None:
            return None
        return self.reserved_mb // self.configuration.memory_mb

    def _new_pool(self) -> Pool:
        settings = InstanceSettings(
            package=self.package,
            handler=self.configuration.handler,
            environment=self._environment(),
            init_timeout_s=self.configuration.init_timeout_s,
            log=lambda line: self._platform.log(self.name, line),
        )
        return Pool(settings, self._platform.max_instances, self._quota())

    def _kill_fault(self) -> float | None:
        fault = self._platform.faults.take(f"scf.{self.name}", "kill")
        return None if fault is None else float(argument(fault) or 0)

    def _log_failure(self, outcome: Outcome) -> None:
        if failure := outcome.failure:
            text = failure.stack.rstrip() or f"{failure.status} {failure.message}"
            self._platform.log(self.name, text)

    def _environment(self) -> dict[str, str]:
        """Build the variables that SCF sets (https://cloud.tencent.com/document/product/583/30228).

        One more is the proxy: it sends requests for the cloud's host names to the local cloud.
        """
        account, folder = self._platform.account, str(self.package.folder)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOME": str(self._platform.home),
            "PWD": folder,
            "PYTHONPATH": folder,
            "PYTHONDONTWRITEBYTECODE": "x",
            "USER_CODE_ROOT": f"{folder}/",
            "TENCENTCLOUD_RUNENV": "SCF",
            "TENCENTCLOUD_REGION": account.region,
            "TENCENTCLOUD_APPID": str(account.app_id),
            "TENCENTCLOUD_UIN": account.uin,
            "SCF_FUNCTIONNAME": self.name,
            "SCF_FUNCTIONVERSION": "$LATEST",
            "SCF_NAMESPACE": self.configuration.namespace,
            "SCF_RUNTIME": self.configuration.runtime,
            "HTTP_PROXY": self._platform.proxy_url,
            "NO_PROXY": "127.0.0.1,localhost",
            **self.configuration.environment,
        }

    def _credentials(self) -> dict[str, str]:
        if not self.configuration.role:
            return {}
        key = self._fresh_key()
        return {
            "TENCENTCLOUD_SECRETID": key.secret_id,
            "TENCENTCLOUD_SECRETKEY": key.secret_key,
            "TENCENTCLOUD_SESSIONTOKEN": key.token,
        }

    def _fresh_key(self) -> Key:
        now = self._platform.now()
        with self._lock:
            if self._key is None or (self._key.expires_at or 0) - now < KEY_REFRESH_S:
                self._key = self._platform.keys.issue(
                    self.configuration.role, expires_at=now + KEY_LIFETIME_S
                )
            return self._key

    def _context(self) -> dict[str, Any]:
        """Build the context of an invocation, without the `request_id`."""
        configuration, account = self.configuration, self._platform.account
        environment = {"SCF_NAMESPACE": configuration.namespace, **configuration.environment}
        return {
            "memory_limit_in_mb": configuration.memory_mb,
            "time_limit_in_ms": configuration.timeout_s * 1000,
            "environment": json.dumps(environment),
            "environ": ";".join(f"{key}={value}" for key, value in environment.items()),
            "function_version": "$LATEST",
            "function_name": configuration.name,
            "namespace": configuration.namespace,
            "tencentcloud_region": account.region,
            "tencentcloud_appid": str(account.app_id),
            "tencentcloud_uin": account.uin,
        }
