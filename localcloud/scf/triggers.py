"""The triggers of one function: created, listed, deleted as the API says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from localcloud.core import ApiError
from localcloud.scf.cos_trigger import CosRule, cos_event
from localcloud.scf.http_trigger import FunctionUrl, UrlDesc
from localcloud.scf.timer_trigger import TimerTrigger, parse_cron, timer_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from localcloud.core import Account, Clock
    from localcloud.cos.events import ObjectCreated
    from localcloud.faults import Faults
    from localcloud.scf.delivery import EventQueue
    from localcloud.scf.function import Function

MAX_OF_A_TYPE = 10


@dataclass(slots=True, kw_only=True)
class Trigger:
    """One trigger, as ListTriggers tells it, and what feeds it."""

    name: str
    type: str
    desc: str
    message: str
    is_open: bool
    created: str
    modified: str = ""
    description: str = ""
    source: CosRule | TimerTrigger | FunctionUrl | None = None

    def describe(self) -> dict[str, Any]:
        """Write it in the API's fields."""
        return {
            "TriggerName": self.name,
            "Type": self.type,
            "TriggerDesc": self.desc,
            "CustomArgument": self.message,
            "Enable": int(self.is_open),
            "AddTime": self.created,
            "ModTime": self.modified or self.created,
            "Description": self.description,
            "AvailableStatus": "Available",
            "BindStatus": "on",
            "TriggerAttribute": "all",
            "Qualifier": "$DEFAULT",
        }

    def close(self) -> None:
        """Invoke the function no more."""
        self.is_open = False
        if isinstance(self.source, TimerTrigger | FunctionUrl):
            self.source.close()


class Triggers:
    """What invokes one function."""

    def __init__(
        self,
        function: Function,
        queue: EventQueue,
        *,
        account: Account,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._function = function
        self._queue = queue
        self._account = account
        self._clock = clock
        self._faults = faults
        self._triggers: list[Trigger] = []

    def __iter__(self) -> Iterator[Trigger]:
        """Walk them in the order in which they were created."""
        return iter(tuple(self._triggers))

    def rules(self) -> list[CosRule]:
        """List the rules of its COS triggers."""
        sources = (trigger.source for trigger in self)
        return [source for source in sources if isinstance(source, CosRule)]

    def create(self, params: dict[str, Any], elsewhere: Iterable[CosRule]) -> Trigger:
        """Add one.

        Args:
            params: The parameters of CreateTrigger.
            elsewhere: The rules of all other functions, with which it must not overlap.

        Raises:
            ApiError: It is there already, overlaps with another, or is not well described.
        """
        trigger = Trigger(
            name=params["TriggerName"],
            type=params["Type"],
            desc=params.get("TriggerDesc", ""),
            message=params.get("CustomArgument", ""),
            is_open=params.get("Enable", "OPEN") == "OPEN",
            created=_now(),
            description=params.get("Description", ""),
        )
        self._check_room(trigger)
        self._open(trigger, elsewhere)
        self._triggers.append(trigger)
        return trigger

    def update(self, params: dict[str, Any]) -> None:
        """Change one; its address, if it has one, stays.

        Raises:
            ApiError: There is no such trigger, or it cannot be changed like this.
        """
        trigger = self._find(params)
        if "TriggerDesc" in params:
            self._describe_anew(trigger, params["TriggerDesc"])
        trigger.message = params.get("CustomArgument", trigger.message)
        trigger.description = params.get("Description", trigger.description)
        trigger.is_open = params.get("Enable", "OPEN" if trigger.is_open else "CLOSE") == "OPEN"
        trigger.modified = _now()

    def _describe_anew(self, trigger: Trigger, desc: str) -> None:
        if isinstance(trigger.source, FunctionUrl):
            trigger.source.change(UrlDesc.parse(desc))
            trigger.desc = trigger.source.desc
        elif isinstance(trigger.source, TimerTrigger):
            old, trigger.desc = trigger.source, desc
            trigger.source = self._timer(trigger)
            old.close()

    def delete(self, params: dict[str, Any]) -> None:
        """Remove one.

        Raises:
            ApiError: There is no such trigger.
        """
        trigger = self._find(params)
        self._triggers.remove(trigger)
        trigger.close()

    def object_created(self, created: ObjectCreated) -> None:
        """Invoke the function if one of its rules wants a new object."""
        for trigger in self:
            rule = trigger.source
            if isinstance(rule, CosRule) and trigger.is_open and rule.wants(created):
                self._queue.accept(cos_event(created, self._account, self._function.name))

    def close(self) -> None:
        """Invoke the function no more."""
        for trigger in self:
            trigger.close()

    def _check_room(self, new: Trigger) -> None:
        same_type = [trigger for trigger in self if trigger.type == new.type]
        # COS triggers of one bucket all bear its name; their rules tell them apart.
        if new.type != "cos" and any(trigger.name == new.name for trigger in same_type):
            raise ApiError("ResourceInUse.TriggerName", f"trigger {new.name} exists already")
        if new.type == "http" and same_type:
            raise ApiError("ResourceInUse.Trigger", "the function has a URL already")
        if len(same_type) == MAX_OF_A_TYPE:
            raise ApiError(
                "LimitExceeded.Trigger",
                f"the function has {MAX_OF_A_TYPE} {new.type} triggers, the most allowed",
            )

    def _open(self, trigger: Trigger, elsewhere: Iterable[CosRule]) -> None:
        if trigger.type == "cos":
            trigger.source = self._rule(trigger, elsewhere)
        elif trigger.type == "timer":
            trigger.source = self._timer(trigger)
        elif trigger.type == "http":
            desc = UrlDesc.parse(trigger.desc)
            trigger.source = FunctionUrl(self._function, desc, self._clock, self._faults)
            trigger.desc = trigger.source.desc
        else:
            raise ApiError(
                "InvalidParameterValue.Type",
                f"Type is {trigger.type}; the local cloud has cos, http, timer",
            )

    def _rule(self, trigger: Trigger, elsewhere: Iterable[CosRule]) -> CosRule:
        rule = CosRule.parse(trigger.name, trigger.desc)
        if rule.region != self._account.region:
            raise ApiError(
                "InvalidParameterValue.TriggerName",
                f"the bucket is in {rule.region}, the function in {self._account.region}",
            )
        for other in (*elsewhere, *self.rules()):
            if rule.overlaps(other):
                raise ApiError("ResourceInUse.Cos", f"the rule overlaps with {other}")
        return rule

    def _timer(self, trigger: Trigger) -> TimerTrigger:
        cron = parse_cron(trigger.desc)
        if not trigger.desc.startswith("{"):
            trigger.desc = json.dumps({"cron": trigger.desc})

        def fire(planned: datetime) -> None:
            if trigger.is_open:
                self._queue.accept(timer_event(trigger.name, trigger.message, planned))

        return TimerTrigger(cron, self._clock, fire)

    def _find(self, params: dict[str, Any]) -> Trigger:
        for trigger in self:
            same = (trigger.name, trigger.type) == (params["TriggerName"], params["Type"])
            if same and (trigger.type != "cos" or _same_rule(trigger, params)):
                return trigger
        raise ApiError("ResourceNotFound.Trigger", f"there is no trigger {params['TriggerName']}")


def _same_rule(trigger: Trigger, params: dict[str, Any]) -> bool:
    return trigger.source == CosRule.parse(trigger.name, params.get("TriggerDesc", ""))


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
