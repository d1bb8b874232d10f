"""The timer that wakes the sweep."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event


class TimerEvent(Event):
    """One tick of a timer trigger."""

    type: Literal["Timer"] = Field(alias="Type")
    trigger: str = Field(alias="TriggerName")
    time: datetime = Field(alias="Time")
    message: str = Field(default="", alias="Message")
    """What the trigger was configured to say."""

    @classmethod
    def parse(cls, event: object) -> TimerEvent:
        """Read a timer's event.

        Raises:
            BadEventError: It is none.
        """
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise BadEventError(f"this is no timer event: {where}: {fault['msg']}") from None
