"""Classifies a failure of the vendor by its code, or else by its text."""

from __future__ import annotations

import re
from typing import Literal

from aigc.tasks.kind import UpstreamFault

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


def fault_of(code: str, message: str) -> UpstreamFault:
    """Classify a failed task; `code` is empty, or a number, where the vendor has nothing better.

    Scene tasks and MPS have no codes of their own, but their messages quote the model's:
    `… return rsp err:{RequestLimitExceeded GenerateImage task reached the maximum concurrency`.
    """
    quoted = _CODE.search(message)
    named = code if code and not code.isdigit() else quoted.group() if quoted else code
    return UpstreamFault(code=named, message=message, outcome=_outcome(named, message))


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
