"""Pauses of lanes, as answers describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc.api.openapi import schemas
    from aigc.jobs.ledger.pause import Pause


def described_pause(pause: Pause | None) -> schemas.Pause | None:
    """Describe why a lane is paused; None if it is not."""
    if pause is None or not pause.is_active:
        return None
    return {
        "action": pause.action,
        "code": pause.code,
        "message": pause.message,
        "request_id": pause.request_id,
        "since": pause.since.isoformat(),
        "next_probe": pause.next_probe.isoformat(),
    }
