"""Requests as callers write them: the documents' examples, and tasks with every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aigc.tasks.fields import explain
from aigc.tasks.kind import Submission
from aigc.tasks.kinds import KINDS

if TYPE_CHECKING:
    from aigc.errors import InvalidRequestError
    from aigc.tasks.kind import Task

Body = dict[str, Any]

SUBMISSION = Submission(
    sub_app_id=1500000000,
    session_id="0123456789abcdef-1",
    session_context="0123456789abcdef",
    input_url=lambda url: url.replace("cos://inbox/", "https://inbox.example/signed/"),
    store_bucket="results-1250000000",
    store_region="ap-guangzhou",
    store_path="jobs/0123456789abcdef-1/",
)

SCENE_EXAMPLE: Body = {
    "SubAppId": 251440382,
    "SceneInfo": {
        "Type": "change_clothes",
        "ChangeClothesConfig": {"ClothesFileInfos": [{"FileId": "3704211***509819"}]},
    },
    "FileInfos": [{"FileId": "3704211***509820"}],
    "OutputConfig": {"StorageMode": "Temporary", "MediaName": "myfile", "ClassId": 0},
    "SessionId": "mysession",
    "SessionContext": "mySessionContext",
    "TasksPriority": 10,
    "ExtInfo": "myextinfo",
}
"""The same on the Chinese and on the international page."""

IMAGE_EXAMPLE: Body = {
    "SubAppId": 251007502,
    "ModelName": "GEM",
    "ModelVersion": "2.5",
    "FileInfos": [{"FileId": "3704211***509819"}],
    "Prompt": "generate a car",
    "NegativePrompt": "red",
    "EnhancePrompt": "Enabled",
    "OutputConfig": {
        "StorageMode": "Temporary",
        "AspectRatio": "16:9",
        "PersonGeneration": "AllowAdult",
        "InputComplianceCheck": "Enabled",
        "OutputComplianceCheck": "Enabled",
    },
    "SessionId": "mysession",
    "SessionContext": "mySessionContext",
    "TasksPriority": "10",
    "ExtInfo": "myextinfo",
}

GATEWAY_EXAMPLE: Body = {
    "model_name": "GEM",
    "model_version": "3.0",
    "file_infos": [
        {
            "type": "file",
            "file_id": "387702299774574677",
            "url": "",
            "text": "原始图片的描述信息",
        }
    ],
    "prompt": "convert this image to anime style",
    "negative_prompt": "blur, distorted",
    "enhance_prompt": "Enabled",
    "output_config": {
        "storage_mode": "Temporary",
        "resolution": "1080P",
        "aspect_ratio": "1:1",
        "person_generation": "AllowAdult",
        "input_compliance_check": "Enabled",
        "output_compliance_check": "Enabled",
    },
    "session_id": "image-task-67890",
    "session_context": '{"user_id": "123", "scene": "profile_picture"}',
    "tasks_priority": 10,
    "ext_info": "",
}

MPS_EXAMPLE: Body = {"Prompt": "draw a cat", "Operator": "admin"}

EXAMPLES: list[tuple[str, Body]] = [
    ("vod.scene_image", SCENE_EXAMPLE),
    ("vod.image", IMAGE_EXAMPLE),
    ("vod.image", GATEWAY_EXAMPLE),
    ("mps.image", MPS_EXAMPLE),
]

_VOD: Body = {
    "sub_app_id": 1500000000,
    "session_id": "mine",
    "session_context": "my context",
    "tasks_priority": -10,
    "ext_info": {"AdditionalParameters": {"size": "1024x1024"}},
}
_KEPT: Body = {
    "storage_mode": "Permanent",
    "media_name": "harbour",
    "class_id": 7,
    "expire_time": "2027-01-31T12:00:00Z",
}

FULL_IMAGE: Body = {
    **_VOD,
    "model_name": "Brand-new",
    "model_version": "1.0",
    "file_infos": [
        {"type": "File", "file_id": "387702299774574677", "text": "a house"},
        {"type": "Url", "url": "cos://inbox/house.png", "reference_type": "mask"},
        {"type": "Base64", "base64": "iVBORw0KGgo="},
    ],
    "prompt": "a harbour",
    "negative_prompt": "people",
    "enhance_prompt": "Enabled",
    "output_config": {
        **_KEPT,
        "resolution": "2K",
        "aspect_ratio": "1:1",
        "person_generation": "Disallowed",
        "input_compliance_check": "Enabled",
        "output_compliance_check": "Disabled",
        "output_image_count": 2,
        "output_format": "png",
        "logo_add": "Disabled",
    },
    "input_region": "Oversea",
    "scene_type": "image_expand",
    "seed": 42,
}

_FILE: Body = {"type": "File", "file_id": "387702299774574677"}
_URL: Body = {"type": "Url", "url": "cos://inbox/coat.png"}
_ENCODED: Body = {"encode_config": {"format": "JPEG", "quality": 90}}

FULL_SCENES: list[Body] = [
    {
        **_VOD,
        "scene_info": {
            "type": "ai_try_on",
            "ai_try_on_config": {
                "model": "WAND-tryon-1.0-pro",
                "clothes_file_infos": [_FILE, _URL],
                "prompt": "a coat, open",
            },
        },
        "file_infos": [_URL],
        "output_config": {**_KEPT, **_ENCODED, "resolution": "4K"},
    },
    {
        "scene_info": {
            "type": "change_clothes",
            "change_clothes_config": {"clothes_file_infos": [_FILE, _URL], "prompt": "a coat"},
        },
        "file_infos": [_FILE],
    },
    {
        "scene_info": {
            "type": "product_image",
            "product_image_config": {
                "prompt": "on a beach",
                "negative_prompt": "people",
                "product_desc": "sunglasses",
                "more_requirement": "evening light",
                "output_image_count": 10,
            },
        },
        "file_infos": [_FILE] * 10,
    },
    {
        "scene_info": {"type": "outpainting"},
        "file_infos": [_FILE],
        "output_config": {"aspect_ratio": "16:9", "image_width": 1920, "image_height": 1080},
    },
]

FULL_MPS: Body = {
    "model_name": "Brand-new",
    "model_version": "1.0",
    "scene_type": "3d_panorama",
    "prompt": "a harbour",
    "negative_prompt": "people",
    "enhance_prompt": True,
    "image_infos": [{"image_url": "cos://inbox/house.png", "reference_type": "style"}],
    "output_image_count": 1,
    "extra_parameters": {
        "aspect_ratio": "1:1",
        "resolution": "2K",
        "logo_add": 1,
        "output_format": "png",
    },
    "additional_parameters": {"size": "1024x1024"},
    "store_cos_param": {
        "cos_bucket_name": "elsewhere-1250000000",
        "cos_bucket_region": "ap-beijing",
        "cos_bucket_path": "mine/",
    },
    "operator": "admin",
    "session_id": "mine",
    "session_context": "my context",
    "tasks_priority": 10,
}

FULL: list[tuple[str, Body]] = [
    ("vod.image", FULL_IMAGE),
    *(("vod.scene_image", body) for body in FULL_SCENES),
    ("mps.image", FULL_MPS),
]


def image(**changes: object) -> Body:
    """Ask VOD for an image of a cat."""
    return {"model_name": "GG", "model_version": "3.0", "prompt": "a cat", **changes}


def scene(type_: str, *, config: Body | None = None, images: int = 1, **changes: object) -> Body:
    """Ask VOD for a scene, with the name of its config as the only key of `config`."""
    return {
        "scene_info": {"type": type_, **(config or {})},
        "file_infos": [{"file_id": "387702299774574677"}] * images,
        **changes,
    }


def clothes(name: str, count: int, **more: object) -> Body:
    """Name a config with this many pieces of clothing."""
    return {name: {"clothes_file_infos": [{"file_id": "387702299774574677"}] * count, **more}}


def task(kind: str, body: object) -> Task:
    """Check a request."""
    return KINDS[kind].model.model_validate(body)


def sent(kind: str, body: object) -> Body:
    """Check a request and build what the vendor gets."""
    return KINDS[kind].create(task(kind, body), SUBMISSION).params


def refusal(kind: str, body: object) -> InvalidRequestError:
    """Return the error message of a request that cannot be done.

    Raises:
        AssertionError: It was not refused.
    """
    try:
        task(kind, body)
    except ValidationError as error:
        return explain(error)
    raise AssertionError(f"{kind} took {body}")
