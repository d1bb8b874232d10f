"""All kinds of task, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.tasks.mps_image import MpsImage
from aigc.tasks.vod_image import VodImage
from aigc.tasks.vod_scene_image import VodSceneImage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.tasks.kind import TaskKind

_ALL: tuple[TaskKind, ...] = (VodImage(), VodSceneImage(), MpsImage())

KINDS: Mapping[str, TaskKind] = {kind.name: kind for kind in _ALL}
"""`vod.image`, `vod.scene_image` and `mps.image`; each name is also its lane's."""
