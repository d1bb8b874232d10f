"""An account whose calls fail, in each of the ways in which a call proves nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import requests

from aigc_cli.account import Account, Answer, RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

WAYS = {
    "denied": ("UnauthorizedOperation", 403, "AccessDenied"),
    "throttled": ("RequestLimitExceeded", 503, "SlowDown"),
    "broken": ("InternalError", 500, "InternalError"),
    "lost": ("ClientNetworkError", 0, ""),
}
"""A way to fail → the code of API 3.0, and the status and the code of COS; 0: no answer."""


class Calls:
    """The calls of all accounts: their answers are kept, except to HEAD; one question fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: set[str] = set()
        """Each action of API 3.0, and each kind of request to COS, that was sent."""
        self.failing = ""
        """The question that fails; empty: none."""
        self.way = "denied"
        self._kept: dict[str, Any] = {}
        api, cos = Account.api, Account.cos
        monkeypatch.setattr(
            Account,
            "api",
            lambda account, service, action, **params: self._ask(
                f"{service}.{action}",
                json.dumps(params),
                lambda: api(account, service, action, **params),
                lambda: self._refuse(action),
            ),
        )
        monkeypatch.setattr(
            Account,
            "cos",
            lambda account, method, bucket, key="", **options: self._ask(
                " ".join((method, *(options.get("params") or {}))),
                json.dumps([bucket, key]),
                lambda: cos(account, method, bucket, key, **options),
                lambda: self._answer(method),
            ),
        )

    def _ask(
        self, question: str, details: str, ask: Callable[[], Any], fail: Callable[[], Any]
    ) -> Any:
        self.asked.add(question)
        if question == self.failing:
            return fail()
        call = f"{question} {details}"
        # An old answer to HEAD has an old Date, and the clock would seem to be wrong.
        if call not in self._kept or question == "HEAD":
            try:
                self._kept[call] = ask()
            except RefusalError as error:
                self._kept[call] = error
        if isinstance(self._kept[call], RefusalError):
            raise self._kept[call]
        return self._kept[call]

    def _refuse(self, action: str) -> None:
        raise RefusalError(action, WAYS[self.way][0], "as the test says", "1")

    def _answer(self, method: str) -> Answer:
        _, status, code = WAYS[self.way]
        if not status:
            raise requests.ConnectionError
        body = "" if method == "HEAD" else f"<Error><Code>{code}</Code></Error>"
        headers = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"} if method != "HEAD" else {}
        return Answer(status, headers, body.encode())
