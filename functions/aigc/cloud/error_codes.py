"""Error codes of API 3.0, VOD and MPS, and the class of error for each.

docs/vendor-errors.md has the same table with the sources and the reasons. A code that is not here
has the class of its family, the part before the first dot. A code of no known family is unclear:
it may concern one task or all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.errors import (
    AccountError,
    AmbiguousError,
    BackloggedError,
    DuplicateError,
    RefusedError,
    ThrottledError,
    UnclearError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.errors import CloudError

FAMILIES: Mapping[str, type[CloudError]] = {
    "AuthFailure": AccountError,
    "UnauthorizedOperation": AccountError,
    "ResourceUnavailable": AccountError,
    "InvalidParameter": RefusedError,
    "InvalidParameterValue": RefusedError,
    "ResourceNotFound": RefusedError,
    "RequestLimitExceeded": ThrottledError,
    "LimitExceeded": BackloggedError,
    "ResourceInsufficient": BackloggedError,
    "InternalError": AmbiguousError,
}
"""Family of codes → class of its codes that are not in `CODES`."""

CODES: Mapping[str, type[CloudError]] = {
    # The account, its role or this deployment is at fault: all tasks would be refused.
    **dict.fromkeys(
        (
            "ActionOffline",
            "InvalidAction",
            "InvalidCredential",
            "InvalidRequest",
            "IpInBlacklist",
            "IpNotInWhitelist",
            "NoSuchProduct",
            "NoSuchVersion",
            "UnsupportedProtocol",
            "UnsupportedRegion",
            "FailedOperation.CosStatusInavlid",
            "FailedOperation.InvalidAccount",
            "FailedOperation.InvalidMpsUser",
            "FailedOperation.InvalidUser",
            "FailedOperation.InvalidVodUser",
            "FailedOperation.NoPrivileges",
            "FailedOperation.UserArrears",
            "FailedOperation.UserStatusInavlid",
            "InvalidParameterValue.SubAppId",
            "InvalidParameterValue.UserUnRegister",
            "LimitExceeded.Quota",
            "ResourceNotFound.CosBucketNameInvalid",
            "ResourceNotFound.CosBucketNotExist",
            "ResourceNotFound.ServiceNotExist",
            "ResourceNotFound.UserNotExist",
            "ResourceNotFound.UserUnregister",
        ),
        AccountError,
    ),
    # The task is at fault.
    **dict.fromkeys(
        (
            "ClientParamsError",
            "MissingParameter",
            "RequestSizeLimitExceeded",
            "UnknownParameter",
            "FailedOperation.MediaForbidedBySystem",
            "FailedOperation.MediaType",
            "FailedOperation.TaskNotFound",
            "ResourceUnavailable.MasterPlaylist",
            "UnsupportedOperation.TextTooLong",
        ),
        RefusedError,
    ),
    # The request may have been carried out.
    **dict.fromkeys(
        (
            "ClientNetworkError",
            "ResponseSizeLimitExceeded",
            "ServerNetworkError",
            "ServiceUnavailable",
            "FailedOperation.DBError",
            "FailedOperation.NetWorkError",
            "FailedOperation.QueryAIGCTaskFailed",
        ),
        AmbiguousError,
    ),
    "FailedOperation.TaskDuplicate": DuplicateError,
    "InvalidParameterValue.SessionId": DuplicateError,
    # Documented codes that do not say whether the task or the account is at fault.
    **dict.fromkeys(
        (
            "DryRunOperation",
            "FailedOperation",
            "ResourceInUse",
            "UnsupportedOperation",
            "FailedOperation.CreateAIGCTaskFailed",
        ),
        UnclearError,
    ),
}
"""Error code → class of error."""


def class_of(code: str) -> type[CloudError]:
    """Return the class of an error code."""
    return CODES.get(code) or FAMILIES.get(code.partition(".")[0], UnclearError)
