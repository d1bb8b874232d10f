"""The triggers of one function: create, update, list and delete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.actions import now_text
from localcloud.core import ApiError
from localcloud.scf.cos_trigger import CosRule, cos_event
from localcloud.scf.http_trigger import FunctionUrl, UrlDesc
from localcloud.scf.timer_trigger import TimerTrigger, parse_cron, timer_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from localcloud.core import Account, Clock
    from localcloud.cos.events import ObjectCreated
    from localcloud.faults import Faults
    from localcloud.scf.delivery import EventQueue
    from localcloud.scf.function import Function

MAX_PER_TYPE = 10


@dataclass(slots=True, kw_only=True)
class Trigger:
    """A trigger, with the fields of ListTriggers and its event source."""

    name: str
    type: str
    desc: str
    message: str
    is_enabled: bool
    created: str
    modified: str = ""
    description: str = ""
    source: CosRule | TimerTrigger | FunctionUrl | None = None

    def describe(self) -> dict[str, Any]:
        """Return the API's fields."""
        return {
            "TriggerName": self.name,
            "Type": self.type,
            "TriggerDesc": self.desc,
            "CustomArgument": self.message,
            "Enable": int(self.is_enabled),
            "AddTime": self.created,
            "ModTime": self.modified or self.created,
            "Description": self.description,
            "AvailableStatus": "Available",
            "BindStatus": "on",
            "TriggerAttribute": "all",
            "Qualifier": "$DEFAULT",
        }

    def close(self) -> None:
        """Stop invoking the function."""
        self.is_enabled = False
        if isinstance(self.source, TimerTrigger | FunctionUrl):
            self.source.close()


class Triggers:
    """The triggers of one function."""

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
        """Iterate over the triggers in creation order."""
        return iter(tuple(self._triggers))

    def rules(self) -> list[CosRule]:
        """List the rules of the COS triggers."""
        sources = (trigger.source for trigger in self)
        return [source for source in sources if isinstance(source, CosRule)]

    def create(self, params: dict[str, Any], other_rules: Iterable[CosRule]) -> Trigger:
        """Add a trigger.

        Args:
            params: The parameters of CreateTrigger.
            other_rules: The rules of all other functions; a new rule must not overlap with them.

        Raises:
            ApiError: The trigger exists, overlaps with another, or its TriggerDesc is invalid.
        """
        trigger = Trigger(
            name=params["TriggerName"],
            type=params["Type"],
            desc=params.get("TriggerDesc", ""),
            message=params.get("CustomArgument", ""),
            is_enabled=params.get("Enable", "OPEN") == "OPEN",
            created=now_text(),
            description=params.get("Description", ""),
        )
        self._check_conflicts(trigger)
        self._add_source(trigger, other_rules)
        self._triggers.append(trigger)
        return trigger

    def update(self, params: dict[str, Any]) -> None:
        """Change a trigger; the URL of an `http` trigger does not change.

        Raises:
            ApiError: The trigger does not exist, or the change is not allowed.
        """
        trigger = self._find(params)
        if "TriggerDesc" in params:
            self._replace_desc(trigger, params["TriggerDesc"])
        trigger.message = params.get("CustomArgument", trigger.message)
        trigger.description = params.get("Description", trigger.description)
        if "Enable" in params:
            trigger.is_enabled = params["Enable"] == "OPEN"
        trigger.modified = now_text()

    def _replace_desc(self, trigger: Trigger, desc: str) -> None:
        if isinstance(trigger.source, FunctionUrl):
            trigger.source.change(UrlDesc.parse(desc))
            trigger.desc = trigger.source.desc
        elif isinstance(trigger.source, TimerTrigger):
            previous, trigger.desc = trigger.source, desc
            trigger.source = self._timer(trigger)
            previous.close()

    def delete(self, params: dict[str, Any]) -> None:
        """Remove a trigger.

        Raises:
            ApiError: The trigger does not exist.
        """
        trigger = self._find(params)
        self._triggers.remove(trigger)
        trigger.close()

    def object_created(self, event: ObjectCreated) -> None:
        """Invoke the function for a new object that matches one of its rules."""
        for trigger in self:
            rule = trigger.source
            if isinstance(rule, CosRule) and trigger.is_enabled and rule.matches(event):
                self._queue.enqueue(cos_event(event, self._account, self._function.name))

    def close(self) -> None:
        """Stop invoking the function."""
        for trigger in self:
            trigger.close()

    def _check_conflicts(self, new: Trigger) -> None:
        same_type = [trigger for trigger in self if trigger.type == new.type]
        # All COS triggers of a bucket have the bucket's name; only their rules differ.
        if new.type != "cos" and any(trigger.name == new.name for trigger in same_type):
            raise ApiError("ResourceInUse.TriggerName", f"trigger {new.name} exists already")
        if new.type == "http" and same_type:
            raise ApiError("ResourceInUse.Trigger", "the function has a URL already")
        if len(same_type) == MAX_PER_TYPE:
            raise ApiError(
                "LimitExceeded.Trigger",
                f"the function has {MAX_PER_TYPE} {new.type} triggers; no more are allowed",
            )

    def _add_source(self, trigger: Trigger, other_rules: Iterable[CosRule]) -> None:
        if trigger.type == "cos":
            trigger.source = self._rule(trigger, other_rules)
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

    def _rule(self, trigger: Trigger, other_rules: Iterable[CosRule]) -> CosRule:
        rule = CosRule.parse(trigger.name, trigger.desc)
        if rule.region != self._account.region:
            raise ApiError(
                "InvalidParameterValue.TriggerName",
                f"the bucket is in {rule.region}, the function in {self._account.region}",
            )
        for other in (*other_rules, *self.rules()):
            if rule.overlaps(other):
                raise ApiError("ResourceInUse.Cos", f"the rule overlaps with {other}")
        return rule

    def _timer(self, trigger: Trigger) -> TimerTrigger:
        cron = parse_cron(trigger.desc)
        if not trigger.desc.startswith("{"):
            trigger.desc = json.dumps({"cron": trigger.desc})

        def fire(planned: datetime) -> None:
            if trigger.is_enabled:
                self._queue.enqueue(timer_event(trigger.name, trigger.message, planned))

        return TimerTrigger(cron, self._clock, fire)

    def _find(self, params: dict[str, Any]) -> Trigger:
        for trigger in self:
            has_name = (trigger.name, trigger.type) == (params["TriggerName"], params["Type"])
            if has_name and (trigger.type != "cos" or _same_rule(trigger, params)):
                return trigger
        raise ApiError("ResourceNotFound.Trigger", f"there is no trigger {params['TriggerName']}")


def _same_rule(trigger: Trigger, params: dict[str, Any]) -> bool:
    return trigger.source == CosRule.parse(trigger.name, params.get("TriggerDesc", ""))
