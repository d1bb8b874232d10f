"""Parses the event of the timer that starts the sweep."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event


class TimerEvent(Event):
    """One event of a timer trigger."""

    type: Literal["Timer"] = Field(alias="Type")
    trigger: str = Field(alias="TriggerName")
    time: datetime = Field(alias="Time")
    message: str = Field(default="", alias="Message")
    """The message from the trigger's configuration."""

    @classmethod
    def parse(cls, event: object) -> TimerEvent:
        """Parse a timer event.

        Raises:
            BadEventError: The event is not a timer event.
        """
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            first_error = error.errors(include_input=False)[0]
            field = ".".join(map(str, first_error["loc"]))
            raise BadEventError(f"not a timer event: {field}: {first_error['msg']}") from None
