"""The tasks that most tests submit, by endpoint."""

from __future__ import annotations

from typing import Any

IMAGE = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}
SCENE = {
    "scene_info": {"type": "product_image", "product_image_config": {"prompt": "on a table"}},
    "file_infos": [{"type": "Url", "url": "https://example.com/bottle.png"}],
}
MPS = {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a paper boat"}

VOD_PATH = "tencent-vod/v1/aigc-image"
MPS_PATH = "tencent-mps/v1/aigc-image"
ENDPOINTS: dict[str, dict[str, Any]] = {
    VOD_PATH: IMAGE,
    "tencent-vod/v1/aigc-scene-image": SCENE,
    MPS_PATH: MPS,
}
