"""Makes images with LiteLLM and prints what it learned."""

import asyncio
import json
import os
from pathlib import Path

import litellm
import openai

GATEWAY = f"{os.environ['GATEWAY']}/openai/v1"
KEY = os.environ["API_KEY"]
PHOTO = Path(os.environ["PHOTO"])
options = {"model": "openai/gg-3.0", "api_base": GATEWAY, "api_key": KEY}

made = litellm.image_generation(prompt="litellm", size="1024x1024", **options)


async def generate() -> list[litellm.ImageResponse]:
    calls = (litellm.aimage_generation(prompt=f"litellm {n}", **options) for n in range(2))
    return await asyncio.gather(*calls)


made_async = asyncio.run(generate())

# Through a proxy that brings binary bodies unharmed, and without it.
unharmed = {**options, "api_base": f"{os.environ['PROXY']}/openai/v1"}
with PHOTO.open("rb") as photo:
    edited = litellm.image_edit(image=photo, prompt="litellm edits", **unharmed)

errors = []
for call, changes in (
    (litellm.image_generation, {"model": "openai/gpt-image-1"}),
    (litellm.image_generation, {"size": "256x256"}),
    (litellm.image_generation, {"api_key": "nobodys"}),
    (litellm.image_edit, {"image": PHOTO.read_bytes()}),
):
    try:
        call(prompt="litellm fails", **{**options, **changes})
    except openai.APIError as error:  # the base of its own
        errors.append(type(error).__name__)

answers = [made, *made_async, edited]
print(
    json.dumps(
        {
            "urls": [answer.data[0].url for answer in answers],
            "base64": made.data[0].b64_json[:6],
            "errors": errors,
        }
    )
)
