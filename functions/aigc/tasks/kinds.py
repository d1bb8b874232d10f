"""All kinds of task, by name."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc.tasks.kind import TaskKind

_CLASSES = {
    "vod.image": "vod_image:VodImage",
    "vod.scene_image": "vod_scene_image:VodSceneImage",
    "mps.image": "mps_image:MpsImage",
}


class _Kinds(Mapping[str, "TaskKind"]):
    """Imports the module of a kind at its first use: each takes 2 % of a cold start."""

    def __getitem__(self, name: str) -> TaskKind:
        return _kind(_CLASSES[name])

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


@functools.cache
def _kind(class_name: str) -> TaskKind:
    module, _, name = class_name.partition(":")
    kind: TaskKind = getattr(importlib.import_module(f"aigc.tasks.{module}"), name)()
    return kind


KINDS: Mapping[str, TaskKind] = _Kinds()
"""`vod.image`, `vod.scene_image` and `mps.image`; its lane has the same name."""
