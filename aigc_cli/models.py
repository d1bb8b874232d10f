"""`aigc models`: the model catalogue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.tasks.catalogue import catalogue
from aigc_cli.exits import FAILED
from aigc_cli.output import JsonOption, print_json, print_table, print_text
from aigc_cli.sources import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aigc.tasks.catalogue import Model

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    help="List the models with their limits, show one, or compare the catalogue with the SDK."
    "\n\nExample: aigc models show GG",
)


@app.callback()
def main(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the models that this version knows, one line for each version."""
    if context.invoked_subcommand is not None:
        return
    if as_json:
        print_json(_as_json(catalogue().models))
        return
    rows = [("KIND", "MODEL", "VERSION", "IN", "OUT", "RESOLUTIONS")]
    rows += [
        (kind, model.name, model.version, *_short(model))
        for kind, model in _all(catalogue().models)
    ]
    print_table(rows)
    if sys.stdout.isatty():
        print_text(
            f"As of {catalogue().as_of}. IN and OUT: the most input and output images."
            " `aigc models show NAME` has all limits.",
            stderr=True,
        )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the model, in any case.")],
    as_json: JsonOption = False,
) -> int:
    """Show all documented limits of a model.

    Example: aigc models show GG
    """
    matching = {
        kind: tuple(model for model in models if model.name.lower() == name.lower())
        for kind, models in catalogue().models.items()
    }
    if not any(matching.values()):
        names = sorted({model.name for _, model in _all(catalogue().models)})
        print_text(f"there is no model {name}; known: {', '.join(names)}", stderr=True)
        return FAILED
    if as_json:
        print_json(_as_json(matching))
        return 0
    rows = [("KIND", "MODEL", "VERSION", "PARAMETER", "ALLOWED")]
    rows += [
        (kind, model.name, model.version, parameter, str(limit))
        for kind, model in _all(matching)
        for parameter, limit in model.limits.items()
    ]
    print_table(rows)
    return 0


@app.command()
def check(as_json: JsonOption = False) -> int:
    """Compare the catalogue with what the installed SDK documents; the status is 1 if they differ.

    Example: aigc models check
    """
    differences = load("aigc_cli.sdk_models").differences()  # the SDK's modules take seconds
    if as_json:
        print_json({"differences": differences})
    else:
        print(*differences or ["models.json agrees with the installed SDK"], sep="\n")
    return FAILED if differences else 0


def _all(models: Mapping[str, Sequence[Model]]) -> Iterator[tuple[str, Model]]:
    return ((kind, model) for kind, of_kind in models.items() for model in of_kind)


def _short(model: Model) -> tuple[str, str, str]:
    names = ("inputs", "output_image_count", "resolution")
    inputs, count, resolution = (
        str(model.limits.get(name, "")).removeprefix("at most ") for name in names
    )
    return inputs, count, _short_resolutions(resolution)


def _short_resolutions(text: str) -> str:
    """Shorten a list: 1K, 2K, 3 sizes."""
    if text.startswith("nothing"):
        return "none"
    names = text.split(", ")
    sizes = [name for name in names if "x" in name]
    words = [name for name in names if name not in sizes]
    return ", ".join([*words, *([f"{len(sizes)} sizes"] if sizes else [])])


def _as_json(models: Mapping[str, Sequence[Model]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "name": model.name,
            "version": model.version,
            "source": model.source,
            "limits": {parameter: str(limit) for parameter, limit in model.limits.items()},
        }
        for kind, model in _all(models)
    ]
