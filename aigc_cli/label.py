"""`aigc label`: read and check the labels inside images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from aigc.image_files import MAX_BYTES
from aigc.labels.files import IPTC, FileLabels, read_labels
from aigc.labels.label import LabelError, problems
from aigc_cli import options
from aigc_cli.exits import FAILED
from aigc_cli.output import JsonOption, print_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show or verify the labels inside images.\n\nExample: aigc label verify cat.png",
)
Files = Annotated[
    list[Path],
    typer.Argument(parser=options.existing_file, metavar="FILE", help="The images."),
]


@app.command()
def show(files: Files, as_json: JsonOption = False) -> int:
    """Print the labels of each file, one line of JSON for each; with --json one list of them.

    The status is 1 if a file cannot be read.

    Example: aigc label show results/cat-1.png
    """
    labels = [_show(path) for path in files]
    if as_json:
        print_json(labels)
    else:
        print(*(json.dumps(fields, ensure_ascii=False) for fields in labels), sep="\n")
    return FAILED if any("error" in fields for fields in labels) else 0


@app.command()
def verify(files: Files, as_json: JsonOption = False) -> int:
    """Check that each file has a complete label.

    The status is 1 if the label of a file is missing or not complete.

    Example: aigc label verify results/*.png
    """
    problem_of = {str(path): _verify(path) for path in files}
    if as_json:
        print_json([{"file": path, "problem": problem} for path, problem in problem_of.items()])
    else:
        print(*(f"{path}: {problem or 'ok'}" for path, problem in problem_of.items()), sep="\n")
    return FAILED if any(problem_of.values()) else 0


def label_problems(labels: FileLabels) -> list[str]:
    """Return the problems of a file's labels; none if they are complete."""
    if labels.label is None:
        missing = ["no TC260 label"]
    elif labels.carrier != "XMP":
        missing = [f"the TC260 label is in {labels.carrier}, not in XMP"]
    else:
        missing = problems(labels.label)
    if IPTC not in labels.names:
        missing.append(f"the IPTC source type is {labels.source_type or 'missing'}")
    return missing


def _show(path: Path) -> dict[str, object]:
    try:
        labels = _labels(path)
    except LabelError as error:
        return {"file": str(path), "error": str(error)}
    return {
        "file": str(path),
        "labels": labels.names,
        "AIGC": labels.label,
        "carrier": labels.carrier,
        "DigitalSourceType": labels.source_type,
    }


def _verify(path: Path) -> str:
    """Return the problems of the labels of a file as a text; empty if they are complete."""
    try:
        labels = _labels(path)
    except LabelError as error:
        return f"unreadable: {error}"
    text = "; ".join(label_problems(labels))
    note = "; it has a C2PA manifest, so labels are not added" if labels.has_c2pa else ""
    return text and text + note


def _labels(path: Path) -> FileLabels:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise LabelError(f"a file of {size} bytes; allowed: at most {MAX_BYTES}")
    return read_labels(path.read_bytes())
