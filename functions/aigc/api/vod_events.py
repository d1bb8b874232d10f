"""VOD's callbacks: each reports that a task has ended; the result is then queried."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from aigc.api.errors import HttpError
from aigc.jobs.settle import on_callback
from aigc.logs import note
from aigc.triggers.http import HttpResponse
from aigc.triggers.vod_callback import VodCallback

if TYPE_CHECKING:
    from aigc.api.call import Call

_JOB_ID = re.compile("[0-9a-f]{32}")  # other tasks of the sub-application have other contexts


def receive(call: Call) -> HttpResponse:
    """Settle the job of a task that has ended; other events are ignored.

    The event must have the callback key in its path, or VOD's signature made with that key.

    Raises:
        HttpError: It has neither of them.
    """
    if not _has_key(call):
        raise HttpError(401, "unauthorized", "neither the callback key nor a valid signature")
    ended = VodCallback.parse(call.request.body).task
    if ended is None or not _JOB_ID.fullmatch(ended.session_context):
        note(callback="ignored")
    else:
        note(job=ended.session_context)
        on_callback(ended.session_context, ended.session_id, ended.task_id, call.runtime)
    return HttpResponse(status=200, body={"code": 0})


def _has_key(call: Call) -> bool:
    key = call.runtime.settings.callback_key.get_secret_value()
    path_key = call.path["key"]
    if path_key:
        return hmac.compare_digest(path_key.encode(), key.encode())
    signature = VodCallback.parse(call.request.body, call.request.query).signature
    return signature is not None and signature.is_valid(key, now=call.runtime.now().timestamp())
