"""Removes the resources that a run has created."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from aigc_cli.account import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aigc_cli.account import Account
    from aigc_cli.verify.scratch import Scratch


MOST_PAGES = 100
"""Highest number of pages of 1,000 versions that are removed from a bucket."""


def remove_all(account: Account, scratch: Scratch) -> list[str]:
    """Remove all resources of a run, the newest first; return those that are left, with errors."""
    left: list[str] = []
    for kind, name in reversed(scratch.resources):
        try:
            _REMOVALS[kind](account, name)
        except Exception as error:  # noqa: BLE001  the other resources must be removed too
            left.append(f"{kind} {name}: {error}")
        else:
            scratch.forget(kind, name)
    return left


def _ignoring_absence(account: Account, service: str, action: str, **params: object) -> None:
    try:
        account.api(service, action, **params)
    except RefusalError as error:
        if not error.code.startswith(("ResourceNotFound", "InvalidParameter.RoleNotExist")):
            raise


def _remove_bucket(account: Account, name: str) -> None:
    for key in _keys(account, name):
        account.cos("DELETE", name, key)
    _remove_versions(account, name)
    for key, upload in _uploads(account, name):
        account.cos("DELETE", name, key, params={"uploadId": upload})
    answer = account.cos("DELETE", name)
    if answer.status not in {204, 404}:
        raise OSError(f"COS answered {answer}")


def _keys(account: Account, name: str) -> Iterator[str]:
    marker = ""
    while True:
        page = account.cos("GET", name, params={"marker": marker} if marker else {})
        if page.status == 404:
            return
        keys = [str(key.text) for key in ET.fromstring(page.body).iter("Key")]
        yield from keys
        if not keys:
            return
        marker = keys[-1]


def _remove_versions(account: Account, name: str) -> None:
    """Remove all versions of objects, a page at a time, from a bucket that was versioned.

    The version `null` is one of them: objects from before versioning, and delete markers from the
    time in which it was suspended.
    """
    for _ in range(MOST_PAGES):
        versions = list(_versions(account, name))
        if not versions:
            return
        for key, version in versions:
            account.cos("DELETE", name, key, params={"versionId": version})


def _versions(account: Account, name: str) -> Iterator[tuple[str, str]]:
    answer = account.cos("GET", name, params={"versions": ""})
    if answer.status == 200:
        for entry in ET.fromstring(answer.body):
            if entry.tag in {"Version", "DeleteMarker"}:
                yield str(entry.findtext("Key")), entry.findtext("VersionId") or "null"


def _uploads(account: Account, name: str) -> Iterator[tuple[str, str]]:
    answer = account.cos("GET", name, params={"uploads": ""})
    if answer.status == 200:
        for upload in ET.fromstring(answer.body).iter("Upload"):
            yield str(upload.findtext("Key")), str(upload.findtext("UploadId"))


def _remove_function(account: Account, name: str) -> None:
    _ignoring_absence(account, "scf", "DeleteFunction", FunctionName=name)


def _remove_role(account: Account, name: str) -> None:
    _ignoring_absence(account, "cam", "DeleteRole", RoleName=name)


def _remove_policy(account: Account, name: str) -> None:
    listed = account.api("cam", "ListPolicies", Keyword=name, Scope="Local", Page=1, Rp=200)
    numbers = [item["PolicyId"] for item in listed["List"] if item["PolicyName"] == name]
    if numbers:
        account.api("cam", "DeletePolicy", PolicyId=numbers)


def _remove_application(account: Account, name: str) -> None:
    listed = account.api("vod", "DescribeSubAppIds", Name=name)["SubAppIdInfoSet"]
    for application in listed:
        number = application["SubAppId"]
        if application["Name"] == name and application["Status"] != "Destroyed":
            account.api("vod", "ModifySubAppIdStatus", SubAppId=number, Status="Off")
            account.api("vod", "ModifySubAppIdStatus", SubAppId=number, Status="Destroyed")


def _remove_alarm(account: Account, name: str) -> None:
    listed = account.api("monitor", "DescribeAlarmPolicies", Module="monitor", PolicyName=name)
    policies = [item["PolicyId"] for item in listed["Policies"] if item["PolicyName"] == name]
    if policies:
        account.api("monitor", "DeleteAlarmPolicy", Module="monitor", PolicyIds=policies)


_REMOVALS: dict[str, Callable[[Account, str], None]] = {
    "alarm": _remove_alarm,
    "application": _remove_application,
    "bucket": _remove_bucket,
    "function": _remove_function,
    "policy": _remove_policy,
    "role": _remove_role,
}
