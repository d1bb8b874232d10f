"""VOD's applications, which keep the tasks of different users of an account apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud import vod_answers
from localcloud.core import ApiError

if TYPE_CHECKING:
    from localcloud.core import Account, Clock
    from localcloud.journal import Journal

FIRST_NUMBER = 1_500_000_000  # as high as the numbers of today's applications are

_STATUSES = ("On", "Off", "Destroyed")


class Applications:
    """The applications by their number; the account's first has the APPID for one."""

    def __init__(self, journal: Journal, account: Account, clock: Clock) -> None:
        self._journal = journal
        self._account = account
        self._clock = clock
        first = self._new(account.app_id, "default", "")
        kept = {int(number): app for number, app in journal.found.items()}
        self._apps: dict[int, dict[str, Any]] = {account.app_id: first, **kept}

    def meant(self, params: dict[str, Any]) -> int:
        """Tell which application a request is for; without a SubAppId it is the first.

        Raises:
            ApiError: There is no such application, or it is switched off.
        """
        app = self._find(params.get("SubAppId") or self._account.app_id)
        if app["Status"] != "On":
            raise _unknown()
        return int(app["SubAppId"])

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry CreateSubAppId out.

        Raises:
            ApiError: The name is taken.
        """
        if any(app["Name"] == params["Name"] for app in self._apps.values()):
            raise ApiError("InvalidParameterValue.Name", f"{params['Name']} exists already.")
        number = max(FIRST_NUMBER, *self._apps) + 1
        self._apps[number] = self._new(number, params["Name"], params.get("Description") or "")
        self._journal.write(str(number), self._apps[number])
        return {"SubAppId": number}

    def describe(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry DescribeSubAppIds out."""
        name = params.get("Name")
        found = [app for app in self._apps.values() if not name or app["Name"] == name]
        start, limit = params.get("Offset") or 0, params.get("Limit") or 200
        return {"SubAppIdInfoSet": found[start : start + limit], "TotalCount": len(found)}

    def modify(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry ModifySubAppIdInfo out.

        Raises:
            ApiError: There is no such application.
        """
        app = self._find(params["SubAppId"])
        for name in ("Name", "Description"):
            if params.get(name) is not None:
                app[name] = params[name]
        app["SubAppIdName"] = app["Name"]
        self._journal.write(str(app["SubAppId"]), app)
        return {}

    def modify_status(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry ModifySubAppIdStatus out.

        Raises:
            ApiError: There is no such application, or no such status.
        """
        app, status = self._find(params["SubAppId"]), params["Status"]
        if status not in _STATUSES:
            raise ApiError("InvalidParameterValue", f"Status: {', '.join(_STATUSES)}.")
        app["Status"] = status
        if status == "Destroyed":
            del self._apps[app["SubAppId"]]
        self._journal.write(str(app["SubAppId"]), None if status == "Destroyed" else app)
        return {}

    def _find(self, number: int) -> dict[str, Any]:
        if number not in self._apps:
            raise _unknown()
        return self._apps[number]

    def _new(self, number: int, name: str, description: str) -> dict[str, Any]:
        return {
            "SubAppId": number,
            "SubAppIdName": name,
            "Name": name,
            "Description": description,
            "CreateTime": vod_answers.time(self._clock.now()),
            "Status": "On",
            "Mode": "fileid",
            "StorageRegions": [self._account.region],
            "Tags": [],
        }


def _unknown() -> ApiError:
    return ApiError("InvalidParameterValue.SubAppId", "Incorrect parameter value: application id.")
