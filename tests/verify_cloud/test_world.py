"""What the checks share, while other checks change the same resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aigc_cli.account import RefusalError
from aigc_cli.verify import check
from aigc_cli.verify.world import World

if TYPE_CHECKING:
    import pytest

    from aigc_cli.account import Account
    from aigc_cli.verify.scratch import Scratch


class ChangingFunction:
    """An account whose function is being changed at the first requests."""

    def __init__(self, refusals: int) -> None:
        self._refusals = refusals
        self.requests: list[str] = []

    def api(self, service: str, action: str, **params: Any) -> dict[str, Any]:
        del service, params
        self.requests.append(action)
        if len(self.requests) <= self._refusals:
            code = "FailedOperation.FunctionStatusError"
            raise RefusalError("scf.CreateTrigger", code, "The function is Updating.", "request-1")
        return {"TriggerInfo": {"Type": "timer"}}


def test_trigger_is_created_once_the_function_is_not_being_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check, "PAUSE_S", 0.0)
    account = ChangingFunction(refusals=2)
    world = World(cast("Account", account), cast("Scratch", None))

    info = world.trigger("probe", "hourly", "timer", "0 0 * * * * *")

    assert info == {"Type": "timer"}
    assert account.requests == ["CreateTrigger"] * 3
