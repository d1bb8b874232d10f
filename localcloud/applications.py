"""VOD's applications; each application has its own tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud import vod_responses
from localcloud.core import ApiError

if TYPE_CHECKING:
    from localcloud.core import Account, Clock
    from localcloud.journal import Journal

FIRST_SUB_APP_ID = 1_500_000_000  # SubAppIds of the cloud have this magnitude

_STATUSES = ("On", "Off", "Destroyed")


class Applications:
    """The applications by SubAppId; the default application's SubAppId is the account's APPID."""

    def __init__(self, journal: Journal, account: Account, clock: Clock) -> None:
        self._journal = journal
        self._account = account
        self._clock = clock
        default = self._new(account.app_id, "default", "")
        restored = {int(sub_app_id): app for sub_app_id, app in journal.entries.items()}
        self._apps: dict[int, dict[str, Any]] = {account.app_id: default, **restored}

    def sub_app_id_of(self, params: dict[str, Any]) -> int:
        """Return the SubAppId of a request, or that of the default application.

        Raises:
            ApiError: The application does not exist or is switched off.
        """
        app = self._find(params.get("SubAppId") or self._account.app_id)
        if app["Status"] != "On":
            raise _unknown_application()
        return int(app["SubAppId"])

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry out CreateSubAppId.

        Raises:
            ApiError: The name is in use.
        """
        if any(app["Name"] == params["Name"] for app in self._apps.values()):
            raise ApiError("InvalidParameterValue.Name", f"{params['Name']} exists already.")
        sub_app_id = max(FIRST_SUB_APP_ID, *self._apps) + 1
        self._apps[sub_app_id] = self._new(
            sub_app_id, params["Name"], params.get("Description") or ""
        )
        self._journal.write(str(sub_app_id), self._apps[sub_app_id])
        return {"SubAppId": sub_app_id}

    def describe(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry out DescribeSubAppIds."""
        name = params.get("Name")
        matching = [app for app in self._apps.values() if not name or app["Name"] == name]
        start, limit = params.get("Offset") or 0, params.get("Limit") or 200
        return {"SubAppIdInfoSet": matching[start : start + limit], "TotalCount": len(matching)}

    def modify(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry out ModifySubAppIdInfo.

        Raises:
            ApiError: The application does not exist.
        """
        app = self._find(params["SubAppId"])
        for name in ("Name", "Description"):
            if params.get(name) is not None:
                app[name] = params[name]
        app["SubAppIdName"] = app["Name"]
        self._journal.write(str(app["SubAppId"]), app)
        return {}

    def modify_status(self, params: dict[str, Any]) -> dict[str, Any]:
        """Carry out ModifySubAppIdStatus.

        Raises:
            ApiError: The application does not exist, or the status is not allowed.
        """
        app, status = self._find(params["SubAppId"]), params["Status"]
        if status not in _STATUSES:
            raise ApiError(
                "InvalidParameterValue", f"Status is {status!r}; allowed: {', '.join(_STATUSES)}."
            )
        app["Status"] = status
        if status == "Destroyed":
            del self._apps[app["SubAppId"]]
        self._journal.write(str(app["SubAppId"]), None if status == "Destroyed" else app)
        return {}

    def _find(self, sub_app_id: int) -> dict[str, Any]:
        if sub_app_id not in self._apps:
            raise _unknown_application()
        return self._apps[sub_app_id]

    def _new(self, sub_app_id: int, name: str, description: str) -> dict[str, Any]:
        return {
            "SubAppId": sub_app_id,
            "SubAppIdName": name,
            "Name": name,
            "Description": description,
            "CreateTime": vod_responses.format_time(self._clock.now()),
            "Status": "On",
            "Mode": "fileid",
            "StorageRegions": [self._account.region],
            "Tags": [],
        }


def _unknown_application() -> ApiError:
    return ApiError("InvalidParameterValue.SubAppId", "Incorrect parameter value: application id.")
