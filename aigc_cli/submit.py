"""`aigc submit`: makes images with a deployment, and waits for them."""

from __future__ import annotations

import json
import mimetypes
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import requests
import typer

from aigc.errors import AigcError
from aigc.tasks.kinds import KINDS
from aigc_cli import options
from aigc_cli.deployment import StackOption
from aigc_cli.exits import FAILED
from aigc_cli.follow import follow, save_images
from aigc_cli.output import JsonOption, print_json, print_text, status
from aigc_cli.service import (
    EndpointOption,
    KeyOption,
    Service,
    UnreachableError,
    find_service,
    reason_of,
)

IMAGE_FIELDS = {
    "vod.image": ("file_infos", "url"),
    "vod.scene_image": ("file_infos", "url"),
    "mps.image": ("image_infos", "image_url"),
}
"""Kind → the list of input images in the body, and the field of each with its URL."""

DEFAULT_MODEL = "GG:3.0"

UPLOAD_S = 300

app = typer.Typer(add_completion=False)


class InputError(AigcError):
    """The arguments are not valid; the message says which one."""


@app.command()
def main(
    prompt: Annotated[str | None, typer.Argument(help="What to draw.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|URL", help="An input image; may be given several times."),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            parser=options.kind, metavar="KIND", help=f"Kind of the task: {', '.join(KINDS)}."
        ),
    ] = "vod.image",
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:VERSION]",
            help=f"Model and version; {DEFAULT_MODEL} for vod.image. `aigc models` lists them.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A parameter of the task by its path: output_config.resolution=2K.",
        ),
    ] = None,
    body: Annotated[
        Path | None,
        typer.Option(
            parser=options.existing_file,
            metavar="FILE",
            help="A JSON file with parameters; the other options replace its values.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the images are there.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            parser=options.folder, metavar="DIR", help="Save the images here; includes --wait."
        ),
    ] = None,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> int:
    """Make an image from a prompt, from images, or from both.

    The status is 1 if the job fails. If the connection breaks, the call is repeated and returns the
    same job, so that nothing is paid twice.

    Example: aigc submit "a lighthouse in the fog" --wait --save images
    """
    service = find_service(endpoint, key, stack)
    parameters = _body(prompt, kind, model, settings or [], body)
    if image:
        field, url_field = IMAGE_FIELDS[kind]
        urls = [_input_url(service, name) for name in image]
        parameters[field] = [{url_field: url} for url in urls]
    path = f"/{_path_of(kind)}"
    submitted = service.post(path, parameters, **{"Idempotency-Key": secrets.token_hex(16)})
    for warning in submitted.get("warnings") or []:
        print_text(f"warning: {warning}", stderr=True)
    if not wait and save is None:
        _print_submitted(submitted, as_json=as_json)
        return 0
    job = follow(service, submitted["request_id"])
    paths = save_images(job, save) if save is not None else []
    if as_json:
        job["files"] = [str(path) for path in paths]
        print_json(job)
    return FAILED if job["state"] != "succeeded" else 0


def _print_submitted(submitted: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(submitted)
        return
    print(submitted["request_id"])
    print(f"`aigc jobs follow {submitted['request_id']}` shows its progress", file=sys.stderr)


def _path_of(kind: str) -> str:
    from aigc.api.call import ENDPOINTS  # noqa: PLC0415  only needed here

    return next(path for path, other in ENDPOINTS.items() if other == kind)


def _body(
    prompt: str | None, kind: str, model: str | None, settings: list[str], file: Path | None
) -> dict[str, Any]:
    """Return the parameters of the file, replaced by model, prompt and settings.

    Raises:
        InputError: The file is not a JSON object, or a setting is not `key=value`.
    """
    parameters = _read(file) if file is not None else {}
    if model is None and kind == "vod.image" and "model_name" not in parameters:
        model = DEFAULT_MODEL
    if model is not None:
        name, _, version = model.partition(":")
        parameters["model_name"] = name
        if version:
            parameters["model_version"] = version
    if prompt is not None:
        _put(parameters, _prompt_path(kind, settings), prompt)
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not path or not equals:
            raise InputError(
                f"--set {setting}: needed: key=value, like output_config.resolution=2K"
            )
        _put(parameters, path, _value(value))
    return parameters


def _prompt_path(kind: str, settings: list[str]) -> str:
    """Return the path of the prompt; scenes have it in their configuration."""
    if kind != "vod.scene_image":
        return "prompt"
    types = [text.partition("=")[2] for text in settings if text.startswith("scene_info.type=")]
    configs = {"ai_try_on": "ai_try_on_config", "product_image": "product_image_config"}
    config = configs.get(types[-1] if types else "")
    if config is None:
        raise InputError(
            "a prompt of vod.scene_image needs --set scene_info.type=ai_try_on, or product_image"
        )
    return f"scene_info.{config}.prompt"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"--body {file}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"--body {file}: needed: a JSON object")
    return content


def _value(text: str) -> Any:  # noqa: ANN401  JSON
    """Return a value parsed as JSON, or else as text: 2 is a number, 2K is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(parameters: dict[str, Any], path: str, value: object) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        inner = parameters.setdefault(folder, {})
        if not isinstance(inner, dict):
            raise InputError(f"{path}: {folder} is set to {inner!r} already")
        parameters = inner
    parameters[name] = value


def _input_url(service: Service, name: str) -> str:
    """Return the URL of an input image; a file is uploaded first.

    Raises:
        InputError: The file does not exist, or the storage refused it.
    """
    if "://" in name:
        return name
    path = Path(name)
    if not path.is_file():
        raise InputError(f"--image {name}: no such file; allowed: a file, or a URL")
    content_type = mimetypes.guess_type(path.name)[0] or "image/png"
    content = path.read_bytes()
    link = service.post(
        "/v1/uploads", {"file_name": path.name, "content_type": content_type, "size": len(content)}
    )
    with status(f"uploading {path.name} …"):
        answer = _store(link, content, name)
    if not answer.ok:
        raise InputError(f"--image {name}: the storage answered {answer.status_code}")
    return str(link["url"])


def _store(link: dict[str, Any], content: bytes, name: str) -> requests.Response:
    try:
        return requests.put(
            link["upload_url"], data=content, headers=link["headers"], timeout=UPLOAD_S
        )
    except requests.RequestException as error:
        problem = f"--image {name}: the storage did not accept the file: {reason_of(error)}"
        raise UnreachableError(f"{problem}; try again, nothing was submitted") from None
