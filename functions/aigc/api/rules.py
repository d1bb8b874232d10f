"""The list of rules, and links by which a browser uploads into the folder of a rule."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from pydantic import WithJsonSchema, field_validator

from aigc.api.errors import HttpError
from aigc.api.estimate import estimate_of
from aigc.api.inbox import check_may_see_uploads
from aigc.api.quotas import charged_tasks
from aigc.api.uploads import LINK_S, UploadRequest, read_upload
from aigc.jobs.job import fresh_id
from aigc.object_keys import LONGEST_NAME, checked_key, checked_prefix
from aigc.tasks.fields import field_error, invalid_request, shown
from aigc.triggers.http import HttpResponse
from aigc.uploads.checks import sample_task
from aigc.uploads.conditions import UploadFacts
from aigc.uploads.parameters import texts_of
from aigc.uploads.rules import DeployedRules
from aigc.uploads.templates import META, OWN_METADATA, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.api.call import Call
    from aigc.api.keys import Caller
    from aigc.api.openapi import schemas
    from aigc.tasks.kind import Task
    from aigc.uploads.rule import Rule
    from aigc.uploads.rules import Rules

FORBID_OVERWRITE = "x-cos-forbid-overwrite"
"""Header by which COS refuses a PUT to a key that exists, on a bucket without versions."""

MOST_METADATA = 1500
"""Most bytes of own metadata, encoded; COS accepts 2 KB of metadata."""

_META_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_DIGEST = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
_MD5 = WithJsonSchema({"type": "string", "pattern": f"^{_DIGEST.pattern}$"})
_FOLDER = WithJsonSchema({"type": "string", "maxLength": LONGEST_NAME, "pattern": r"^[^/\\]"})


class InboxUploadRequest(UploadRequest):
    """An image to upload into the folder of a rule, which makes a task of it."""

    content_md5: Annotated[str, _MD5]
    """MD5 of the image in Base64, as in the header `Content-MD5`. COS accepts no other
    content, so a link makes no more jobs than were charged for it."""
    folder: Annotated[str, _FOLDER] | None = None
    """Folder below that of the rule; none by default."""
    metadata: dict[str, str] | None = None
    """The object's own metadata: each name becomes the header `x-cos-meta-aigc-<name>`. The rule
    may need some; `prompt` replaces its prompt."""

    @field_validator("content_md5")
    @classmethod
    def _is_a_digest(cls, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise field_error("", f"{shown(digest)} is not allowed", allowed="16 bytes in Base64")
        return digest

    @field_validator("folder")
    @classmethod
    def _is_a_prefix(cls, folder: str | None) -> str | None:
        try:
            return folder and checked_prefix(folder)
        except ValueError as error:
            raise field_error(
                "", f"{shown(folder)} is not allowed", allowed=f"it {error}"
            ) from None

    @field_validator("metadata")
    @classmethod
    def _fits_headers(cls, metadata: dict[str, str] | None) -> dict[str, str] | None:
        for name in metadata or {}:
            if not _META_NAME.fullmatch(name):
                raise field_error(name, "is no name of metadata", allowed="a-z, 0-9 and -")
        if len("".join(_headers(metadata).values()).encode()) > MOST_METADATA:
            allowed = f"values of at most {MOST_METADATA} bytes in all, percent-encoded"
            raise field_error("", "is too long", allowed=allowed)
        return metadata


def list_rules(call: Call) -> HttpResponse:
    """List the rules of the deployment in their order."""
    check_may_see_uploads(call)
    body: schemas.RuleList = {"rules": [_rule(rule, call) for rule in _rules(call).rule]}
    return HttpResponse(status=200, body=body)


def upload(call: Call) -> HttpResponse:
    """Return a link to PUT an image into the folder of a rule.

    The link is charged to the key like the jobs that the upload becomes. It replaces no object:
    COS refuses the PUT if the key exists.
    """
    check_may_see_uploads(call)
    request = read_upload(InboxUploadRequest, call)
    rules = _rules(call)
    facts = _facts(_find_rule(call.path["rule"], rules), request, call)
    tasks = [(rule.kind, _task(rule, facts, call)) for rule in _applied(rules, facts, call)]
    with charged_tasks(call, tasks):
        if call.runtime.buckets.inbox.peek(facts.key, 1) is not None:
            detail = (
                f"file_name: the inbox has an object {facts.key}; allowed: another name, so that"
                " nothing is replaced"
            )
            raise HttpError(409, "already_exists", detail, field="file_name")
        body = _link(facts, request, tasks, call)
    return HttpResponse(status=200, body=body)


def _rules(call: Call) -> Rules:
    return call.runtime.memory.of(DeployedRules).rules


def _find_rule(name: str, rules: Rules) -> Rule:
    for rule in rules.rule:
        if rule.name == name:
            return rule
    raise HttpError(404, "not_found", f"there is no rule {name}")


def _facts(rule: Rule, request: InboxUploadRequest, call: Call) -> UploadFacts:
    """Return the properties of the upload that the link allows."""
    key = f"{rule.listens_on}{request.folder or ''}{request.file_name}"
    try:
        checked_key(key)
    except ValueError as error:
        raise invalid_request("file_name", f"the key {error}", allowed="a shorter name") from None
    return UploadFacts(
        bucket=call.runtime.settings.inbox_bucket,
        key=key,
        size=request.size,
        content_type=request.content_type,
        metadata=request.metadata or {},
    )


def _applied(rules: Rules, facts: UploadFacts, call: Call) -> list[Rule]:
    """Return the rules by which an upload becomes jobs: the one of the path and, perhaps, others.

    Raises:
        InvalidRequestError: The rule of the path does not apply to the upload.
    """
    name, selection = call.path["rule"], rules.select(facts)
    reasons = {rule.name: reason for rule, reason in selection.skipped}
    if reason := reasons.get(name):
        raise invalid_request(
            _field_of(reason), reason, allowed=f"an upload that the rule {name} accepts"
        )
    for rule in selection.applied:
        if problem := _problem(rule, call.caller):
            raise invalid_request("rule", f"{rule.name} {problem}", allowed="another rule")
    return selection.applied


def _problem(rule: Rule, caller: Caller) -> str:
    """Return why a key gets no link for a rule, whatever its kinds; empty if it may get one."""
    if rule.is_batch:
        return "is for batches"
    limits = caller.limits
    is_limited = limits.jobs_per_day is not None or limits.budget_per_month is not None
    if rule.repeat and is_limited:
        return "makes a job of each PUT, so that a link could be used beyond the limits of the key"
    return ""


def _field_of(reason: str) -> str:
    """Name the field of the request that a rule's condition is about."""
    condition = reason.partition(":")[0]
    fields = {"min_bytes": "size", "max_bytes": "size"}
    other = condition if condition in {"content_type", "metadata"} else "file_name"
    return fields.get(condition, other)


def _task(rule: Rule, facts: UploadFacts, call: Call) -> Task:
    now = call.runtime.now()
    return rule.task_for(facts, job_id=fresh_id(now), today=now)


def _link(
    facts: UploadFacts, request: InboxUploadRequest, tasks: list[tuple[str, Task]], call: Call
) -> schemas.InboxUpload:
    headers = {
        "Content-Type": request.content_type,
        "Content-Length": str(request.size),
        "Content-MD5": request.content_md5,
        FORBID_OVERWRITE: "true",
        **_headers(request.metadata),
    }
    runtime = call.runtime
    link = runtime.buckets.inbox.presigned_upload(facts.key, headers, LINK_S)
    prices = runtime.prices()
    return {
        "upload_url": link,
        "method": "PUT",
        "headers": headers,
        "expires_at": (runtime.now() + timedelta(seconds=LINK_S)).isoformat(),
        "key": facts.key,
        "account_url": f"{call.base_url}/v1/uploads?object_key={quote(facts.key, safe='')}",
        "estimates": [estimate_of(kind, task, prices) for kind, task in tasks],
    }


def _headers(metadata: dict[str, str] | None) -> dict[str, str]:
    """Encode own metadata as headers, which are ASCII."""
    return {OWN_METADATA + name: quote(value) for name, value in (metadata or {}).items()}


def _rule(rule: Rule, call: Call) -> schemas.Rule:
    is_allowed = not _problem(rule, call.caller) and call.caller.may_submit(rule.kind)
    estimate = None
    if not rule.is_batch:
        estimate = estimate_of(rule.kind, sample_task(rule), call.runtime.prices())
    return {
        "name": rule.name,
        "type": rule.type,
        "kind": rule.kind or None,
        "model": estimate["model"] if estimate else None,
        "folder": rule.listens_on,
        "suffix": list(rule.suffix),
        "glob": list(rule.glob),
        "content_type": list(rule.content_type),
        "min_bytes": rule.min_bytes,
        "max_bytes": rule.max_bytes,
        "metadata": {name: list(values) for name, values in rule.metadata.items()},
        "needs": sorted({*rule.metadata, *_needed(rule)}),
        "continues": rule.continues,
        "may_upload": is_allowed,
        "estimate": estimate,
    }


def _needed(rule: Rule) -> Iterator[str]:
    """Yield the metadata that the templates of a rule need of each upload."""
    for text in (*texts_of(rule.task), rule.results or "", rule.results_name or ""):
        for name, default in placeholders(text):
            if name.startswith(META) and default is None:
                yield name.removeprefix(META)
