"""Classifies the failure of a vendor's task by its code, or else by its message."""

from __future__ import annotations

import re
from typing import Literal

from aigc.tasks.kind import UpstreamFailure

Outcome = Literal["rejected", "moderated", "throttled", "failed"]

_OUTCOMES: dict[str, Outcome] = {
    "InvalidParameter.VoilationContent": "moderated",  # the vendor's own spelling
    "InvalidParameter.ViolationContent": "moderated",
    "ContentModerationFailed": "moderated",
    "RequestLimitExceeded": "throttled",
    "FailedOperation": "throttled",  # documented as "the model has too many tasks"
    "ResourceInsufficient": "throttled",
    "TaskTimeout": "throttled",
    "InvalidParameter": "rejected",
    "InvalidParameterValue": "rejected",
    "40000": "rejected",
    "60000": "rejected",
    "InternalError": "failed",
    "ModelGenerateFailed": "failed",
    "ResourceNotFound": "failed",
    "OperationCanceled": "failed",
}
_FAMILIES = ("InvalidParameter", "InvalidParameterValue", "RequestLimitExceeded")

_CODE = re.compile(rf"\b({'|'.join(sorted(filter(str.isalpha, _OUTCOMES)))})(\.[A-Z][A-Za-z]+)?\b")
_MODERATED = re.compile(r"moderation|violat.*polic|safety system|违规|敏感|审核", re.IGNORECASE)
_THROTTLED = re.compile(r"maximum concurrency|concurrency limit|并发", re.IGNORECASE)


def failure_of(code: str, message: str) -> UpstreamFailure:
    """Return the failure of a task; `code` may be empty or a number.

    Scene tasks and tasks of MPS have no codes, but their messages quote the code of the model:
    `… return rsp err:{RequestLimitExceeded GenerateImage task reached the maximum concurrency`.
    """
    quoted = _CODE.search(message)
    if quoted and (not code or code.isdigit()):
        code = quoted.group()
    return UpstreamFailure(code=code, message=message, outcome=_outcome(code, message))


def _outcome(code: str, message: str) -> Outcome:
    known = _OUTCOMES.get(code) or _family(code)
    if known != "throttled" and _MODERATED.search(message):
        return "moderated"
    if known in (None, "failed") and _THROTTLED.search(message):
        return "throttled"
    return known or "failed"


def _family(code: str) -> Outcome | None:
    family = code.partition(".")[0]
    return _OUTCOMES[family] if family in _FAMILIES else None
