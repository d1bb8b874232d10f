"""All checks, by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_cli.verify.checks import api, cam, cos, events, monitor, mps, scf, vod

if TYPE_CHECKING:
    from aigc_cli.verify.check import Check

GROUPS = (
    cos.group,
    scf.group,
    events.group,
    cam.group,
    api.group,
    vod.group,
    mps.group,
    monitor.group,
)

CHECKS: dict[str, Check] = {check.name: check for group in GROUPS for check in group.checks}
