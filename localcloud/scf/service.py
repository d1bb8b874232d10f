"""The API of SCF: functions, their code, their triggers, and invocations."""

from __future__ import annotations

import json
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from localcloud import schema
from localcloud.core import ApiError
from localcloud.scf import inventory
from localcloud.scf.configuration import Configuration
from localcloud.scf.cos_trigger import CosRule
from localcloud.scf.delivery import EventQueue
from localcloud.scf.function import Function, Platform, RetryPolicy
from localcloud.scf.log_entries import LogEntries
from localcloud.scf.package import PackageStore
from localcloud.scf.triggers import Triggers
from localcloud.server import Response
from localcloud.tags import Tags

MEMORY_STEP_MB = 128
# The region's quota, and the part that cannot be reserved:
# https://cloud.tencent.com/document/product/583/11637
ACCOUNT_MEMORY_MB, UNRESERVED_MB = 128_000, 12_800

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.core import Account, Caller, Clock, Keys
    from localcloud.cos.events import ObjectCreated
    from localcloud.faults import Faults
    from localcloud.scf.package import Package
    from localcloud.server import Request


class Storage(Protocol):
    """The interface of COS that SCF needs."""

    def has_bucket(self, name: str) -> bool:
        """Whether a bucket of this name exists."""

    def subscribe(self, listener: Callable[[ObjectCreated], None]) -> None:
        """Call a listener for each new object."""


class Host(Protocol):
    """The interface of the cloud that SCF needs."""

    account: Account
    clock: Clock
    keys: Keys
    faults: Faults

    control_routes: dict[str, Callable[[Request], Response]]

    def role_trusts(self, role: str, service: str, /) -> bool:
        """Whether a role of this name exists and the service may assume it."""

    @property
    def cos(self) -> Storage:
        """The object storage."""

    @property
    def url(self) -> str:
        """The address of the cloud, which is also a proxy."""


PRINCIPAL = "scf.qcloud.com"
"""The service that an execution role must trust."""


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function with its event queue and its triggers."""

    function: Function
    queue: EventQueue
    triggers: Triggers

    def stop(self) -> None:
        """Stop the triggers, the queue and the instances."""
        self.triggers.close()
        self.queue.stop()
        self.function.stop()


class Scf:
    """SCF 2018-04-16, for event functions in the default namespace."""

    name = "scf"
    version = "2018-04-16"

    def __init__(
        self,
        cloud: Host,
        *,
        tags: Tags | None = None,
        has_topic: Callable[[str, str], bool] = lambda _logset, _topic: True,
        max_instances: int = 8,
        log_folder: Path | None = None,
    ) -> None:
        self._cloud = cloud
        self._tags = tags or Tags()
        self._has_topic = has_topic
        self._max_instances = max_instances
        self._folder = tempfile.TemporaryDirectory(prefix="localcloud-scf-")
        root = Path(self._folder.name)
        self._packages = PackageStore(root / "code")
        self._home = root / "home"
        self._log_folder = log_folder or root / "logs"
        for folder in (self._home, self._log_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._deployed: dict[str, DeployedFunction] = {}
        self._lock = threading.RLock()
        self._log_lock = threading.Lock()
        self._logs: dict[str, IO[str]] = {}
        self.log_listeners: list[Callable[[str], None]] = []
        """Each is called with each line of the functions' output, which follows `[<function>] `."""
        self.log_entries = LogEntries()
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateFunction": self._create_function,
            "GetFunction": self._get_function,
            "ListFunctions": self._list_functions,
            "GetAccount": self._get_account,
            "UpdateFunctionCode": self._update_function_code,
            "UpdateFunctionConfiguration": self._update_function_configuration,
            "DeleteFunction": self._delete_function,
            "Invoke": self._invoke,
            "CreateTrigger": self._create_trigger,
            "UpdateTrigger": self._update_trigger,
            "DeleteTrigger": self._delete_trigger,
            "ListTriggers": self._list_triggers,
            "UpdateFunctionEventInvokeConfig": self._update_event_invoke_config,
            "GetFunctionEventInvokeConfig": self._get_event_invoke_config,
            "PutReservedConcurrencyConfig": self._put_reserved,
            "GetReservedConcurrencyConfig": self._get_reserved,
            "DeleteReservedConcurrencyConfig": self._delete_reserved,
        }
        cloud.cos.subscribe(self._object_created)
        cloud.control_routes["/_localcloud/scf"] = lambda _: Response.of_json(self.status())
        cloud.control_routes["/_localcloud/logs"] = lambda _: Response.of_json(
            self.log_entries.all()
        )

    def call(self, action: str, params: dict[str, Any], caller: Caller) -> dict[str, Any]:  # noqa: ARG002  all callers get the same response
        """Carry out an action.

        Raises:
            ApiError: The service refuses.
        """
        if action not in self._actions:
            raise ApiError("UnsupportedOperation", f"the local cloud's SCF has no {action}")
        return self._actions[action](params)

    @property
    def clock(self) -> Clock:
        """The cloud's clock."""
        return self._cloud.clock

    @property
    def faults(self) -> Faults:
        """The cloud's faults."""
        return self._cloud.faults

    def function(self, name: str) -> Function:
        """Return a function, for another service that invokes it.

        Raises:
            ApiError: The function does not exist.
        """
        return self._find({"FunctionName": name}).function

    def user_of_topic(self, topic: str) -> str:
        """Return a description of a function that logs to a topic; empty if there is none."""
        for name, deployed in self._deployed.items():
            if deployed.function.configuration.cls_topic_id == topic:
                return f"the function {name}"
        return ""

    def status(self) -> dict[str, Any]:
        """Return the instances, the interpreter and the counters of each function."""
        return {
            name: {
                "instances": deployed.function.instances,
                "python": deployed.function.package.interpreter,
                **asdict(deployed.function.counters),
            }
            for name, deployed in sorted(self._deployed.items())
        }

    def stop(self) -> None:
        """Stop all instances and remove all files of the functions."""
        with self._lock:
            stopping, self._deployed = self._deployed, {}
        for deployed in stopping.values():
            deployed.stop()
        self._packages.clear()
        self._close_logs()
        self._folder.cleanup()

    def _close_logs(self) -> None:
        with self._log_lock:
            for file in self._logs.values():
                file.close()
            self._logs.clear()

    # Functions

    def _create_function(self, params: dict[str, Any]) -> dict[str, Any]:
        configuration = Configuration.create(params)
        self._check_references(configuration)
        package = self._package(params["Code"])
        with self._lock:
            if configuration.name in self._deployed:
                raise ApiError("ResourceInUse.Function", f"{configuration.name} exists already")
            function = Function(configuration, package, self._platform())
            self._deployed[function.name] = self._deploy(function)
        self._tags.put("scf", _resource_path(function.name), params.get("Tags"))
        return {}

    def _deploy(self, function: Function) -> DeployedFunction:
        clock, faults = self._cloud.clock, self._cloud.faults
        queue = EventQueue(function, clock, faults, self._max_instances)
        triggers = Triggers(
            function,
            queue,
            account=self._cloud.account,
            clock=clock,
            faults=faults,
        )
        return DeployedFunction(function, queue, triggers)

    def _get_function(self, params: dict[str, Any]) -> dict[str, Any]:
        deployed = self._find(params)
        fields = {
            **deployed.function.describe(),
            "Triggers": [trigger.describe() for trigger in deployed.triggers],
            "Tags": self._tags.of("scf", _resource_path(deployed.function.name)),
        }
        deployed.function.activate()
        return schema.with_all_fields(self.name, self.version, "GetFunctionResponse", fields)

    def _list_functions(self, params: dict[str, Any]) -> dict[str, Any]:
        _check_namespace(params.get("Namespace", "default"))
        functions = [self._describe(deployed.function) for deployed in self._deployed.values()]
        matching = inventory.matching_functions(functions, params)
        start = params.get("Offset", 0)
        page = matching[start : start + params.get("Limit", 20)]
        return {
            "TotalCount": len(matching),
            "Functions": [
                schema.with_all_fields(
                    self.name, self.version, "Function", inventory.summary(function)
                )
                for function in page
            ],
        }

    def _describe(self, function: Function) -> dict[str, Any]:
        tags = self._tags.of("scf", _resource_path(function.name))
        reserved = function.reserved_mb
        return {**function.describe(), "Tags": tags, "ReservedConcurrencyMem": reserved}

    def _get_account(self, _params: dict[str, Any]) -> dict[str, Any]:
        functions = [deployed.function for deployed in self._deployed.values()]
        content = inventory.account_usage(
            [function.name for function in functions],
            total_mb=ACCOUNT_MEMORY_MB,
            reserved_mb=sum(function.reserved_mb or 0 for function in functions),
        )
        return {
            "AccountUsage": schema.with_all_fields(
                self.name, self.version, "UsageInfo", content["AccountUsage"]
            ),
            "AccountLimit": schema.with_all_fields(
                self.name, self.version, "LimitsInfo", content["AccountLimit"]
            ),
        }

    def _update_function_code(self, params: dict[str, Any]) -> dict[str, Any]:
        function = self._find_active(params).function
        code = params.get("Code") or {"ZipFile": params.get("ZipFile", "")}
        handler = params.get("Handler", function.configuration.handler)
        configuration = function.configuration.update({"Handler": handler})
        function.replace(configuration, self._package(code))
        return {}

    def _update_function_configuration(self, params: dict[str, Any]) -> dict[str, Any]:
        function = self._find_active(params).function
        if params.get("Runtime", function.configuration.runtime) != function.configuration.runtime:
            raise ApiError("InvalidParameterValue.Runtime", "Runtime cannot be changed")
        configuration = function.configuration.update(params)
        self._check_references(configuration)
        function.replace(configuration, function.package)
        return {}

    def _delete_function(self, params: dict[str, Any]) -> dict[str, Any]:
        deployed = self._find(params)
        with self._lock:
            del self._deployed[deployed.function.name]
        self._tags.remove("scf", _resource_path(deployed.function.name))
        deployed.stop()
        return {}

    def _invoke(self, params: dict[str, Any]) -> dict[str, Any]:
        deployed = self._find(params)
        event = _parse_event(params.get("ClientContext", "{}"))
        if params.get("InvocationType", "RequestResponse") == "Event":
            deployed.queue.enqueue(event)
            return {"Result": {"InvokeResult": 0}}
        return {"Result": deployed.function.invoke(event).as_result()}

    # Triggers

    def _create_trigger(self, params: dict[str, Any]) -> dict[str, Any]:
        target = self._find_active(params)
        self._check_bucket(params)
        with self._lock:
            others = [other for other in self._deployed.values() if other is not target]
            other_rules = [rule for other in others for rule in other.triggers.rules()]
            return {"TriggerInfo": target.triggers.create(params, other_rules).describe()}

    def _check_bucket(self, params: dict[str, Any]) -> None:
        """Raise for a COS trigger on a bucket that does not exist."""
        if params["Type"] != "cos":
            return
        rule = CosRule.parse(params["TriggerName"], params.get("TriggerDesc", ""))
        is_same_region = rule.region == self._cloud.account.region
        if is_same_region and not self._cloud.cos.has_bucket(rule.bucket):
            raise ApiError("ResourceNotFound.Cos", f"there is no bucket {rule.bucket}")

    def _update_trigger(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._find_active(params).triggers.update(params)
        return {}

    def _delete_trigger(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._find_active(params).triggers.delete(params)
        return {}

    def _list_triggers(self, params: dict[str, Any]) -> dict[str, Any]:
        filters = params.get("Filters") or []
        by_name = [item for item in filters if item["Name"] == "TriggerName"]
        names = [name for item in by_name for name in item["Values"]]
        matching = [
            trigger.describe()
            for trigger in self._find(params).triggers
            if not names or trigger.name in names
        ]
        start = params.get("Offset", 0)
        page = matching[start : start + params.get("Limit", 20)]
        return {"TotalCount": len(matching), "Triggers": page}

    def _object_created(self, event: ObjectCreated) -> None:
        for deployed in list(self._deployed.values()):
            deployed.triggers.object_created(event)

    # Asynchronous retries

    def _update_event_invoke_config(self, params: dict[str, Any]) -> dict[str, Any]:
        self._find(params).function.retry_policy = RetryPolicy.parse(params["AsyncTriggerConfig"])
        return {}

    def _get_event_invoke_config(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"AsyncTriggerConfig": self._find(params).function.retry_policy.describe()}

    # The memory limit of all instances of a function

    def _put_reserved(self, params: dict[str, Any]) -> dict[str, Any]:
        function, requested = self._find(params).function, params["ReservedConcurrencyMem"]
        if requested % MEMORY_STEP_MB:
            raise ApiError(
                "InvalidParameterValue",
                f"ReservedConcurrencyMem is {requested}; allowed: steps of {MEMORY_STEP_MB}",
            )
        functions = [deployed.function for deployed in self._deployed.values()]
        reserved = sum(other.reserved_mb or 0 for other in functions if other is not function)
        available = ACCOUNT_MEMORY_MB - UNRESERVED_MB - reserved
        if requested > available:
            raise ApiError(
                "LimitExceeded.FunctionReservedConcurrencyMemory",
                f"ReservedConcurrencyMem is {requested}; allowed: at most {available}",
            )
        function.reserve(requested)
        return {}

    def _get_reserved(self, params: dict[str, Any]) -> dict[str, Any]:
        reserved = self._find(params).function.reserved_mb
        return {} if reserved is None else {"ReservedMem": reserved}

    def _delete_reserved(self, params: dict[str, Any]) -> dict[str, Any]:
        self._find(params).function.reserve(None)
        return {}

    # Shared by the actions

    def _find_active(self, params: dict[str, Any]) -> DeployedFunction:
        deployed = self._find(params)
        deployed.function.check_active()
        return deployed

    def _find(self, params: dict[str, Any]) -> DeployedFunction:
        _check_namespace(params.get("Namespace", "default"))
        name = params["FunctionName"]
        if name not in self._deployed:
            raise ApiError("ResourceNotFound.Function", f"there is no function {name}")
        return self._deployed[name]

    def _package(self, code: dict[str, Any]) -> Package:
        if not code.get("ZipFile"):
            raise ApiError(
                "InvalidParameterValue.Code", "the local cloud supports only Code.ZipFile"
            )
        return self._packages.unpack(code["ZipFile"])

    def _check_references(self, configuration: Configuration) -> None:
        _check_namespace(configuration.namespace)
        role = configuration.role
        if role and not self._cloud.role_trusts(role, PRINCIPAL):
            raise ApiError(
                "ResourceNotFound.Role", f"there is no role {role} that trusts {PRINCIPAL}"
            )
        logset, topic = configuration.cls_logset_id, configuration.cls_topic_id
        if (logset or topic) and not self._has_topic(logset, topic):
            raise ApiError(
                "InvalidParameterValue.Cls", f"there is no topic {topic!r} in logset {logset!r}"
            )

    def _platform(self) -> Platform:
        return Platform(
            account=self._cloud.account,
            keys=self._cloud.keys,
            now=self._cloud.clock.now,
            faults=self._cloud.faults,
            proxy_url=self._cloud.url,
            home=self._home,
            max_instances=self._max_instances,
            log=self._log,
            report=self.log_entries.add_report,
        )

    def _log(self, function: str, line: str) -> None:
        with self._log_lock:
            file = self._logs.get(function) or self._open_log(function)
            file.write(f"{line}\n")
        self.log_entries.add_output(function, line)
        for listener in self.log_listeners:
            listener(f"[{function}] {line}")

    def _open_log(self, function: str) -> IO[str]:
        """Open a function's log file; each line is flushed when it is written."""
        self._logs[function] = (self._log_folder / f"{function}.log").open("a", buffering=1)
        return self._logs[function]


def _resource_path(function: str) -> str:
    return f"namespace/default/function/{function}"


def _check_namespace(namespace: str) -> None:
    if namespace != "default":
        raise ApiError("ResourceNotFound.Namespace", f"there is no namespace {namespace}")


def _parse_event(text: str) -> Any:  # noqa: ANN401  any JSON
    try:
        return json.loads(text)
    except ValueError as error:
        raise ApiError("InvalidParameterValue.Param", f"ClientContext: {error}") from None
