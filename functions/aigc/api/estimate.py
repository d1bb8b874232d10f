"""Estimates: what a task would cost, by the same table that budgets and ceilings use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.call import ENDPOINTS
from aigc.api.quotas import check_kind
from aigc.api.submit import json_body, read_order
from aigc.prices import decimal_text, requested_images, suggestion
from aigc.tasks.fields import snake
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.prices import Prices
    from aigc.tasks.kind import Task


def respond(call: Call) -> HttpResponse:
    """Check a task as a submit does, and estimate its cost; nothing is submitted or stored.

    Input images are not read, so a submit may still refuse one.
    """
    kind = ENDPOINTS[call.path["endpoint"]]
    check_kind(call.caller, kind)
    order = read_order(call, kind, snake(json_body(call.request)))
    body = estimate_of(kind, order.task, call.runtime.prices())
    return HttpResponse(status=200, body=body)


def estimate_of(kind: str, task: Task, prices: Prices) -> schemas.Estimate:
    """Return the cost of a task; null where the table has no price for it."""
    images = requested_images(task)
    per_image = prices.estimate(kind, task, 1)
    cost = prices.estimate(kind, task, images)
    return {
        "kind": kind,
        "model": task.model_label(),
        "images": images,
        "currency": prices.currency or None,
        "per_image": decimal_text(per_image),
        "cost": decimal_text(cost),
        "missing_price": suggestion(kind, task) if cost is None else None,
        "warnings": list(task.warnings()),
    }
