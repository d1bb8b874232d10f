"""`aigc label`: read and check the labels inside pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from aigc.labels.files import IPTC, FileLabels, read_labels
from aigc.labels.label import LabelError, problems
from aigc.pictures import MAX_BYTES
from ops import options

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show or verify the labels inside pictures.\n\nExample: aigc label verify cat.png",
)
Files = Annotated[
    list[Path],
    typer.Argument(parser=options.existing_file, metavar="FILE...", help="The pictures."),
]


@app.command()
def show(files: Files) -> int:
    """Print the labels of each file, one line of JSON for each.

    The status is 1 if a file cannot be read.

    Example: aigc label show results/cat-1.png
    """
    succeeded = [_show(path) for path in files]
    return 0 if all(succeeded) else 1


@app.command()
def verify(files: Files) -> int:
    """Check that each file has a complete label.

    The status is 1 if a file lacks anything.

    Example: aigc label verify results/*.png
    """
    succeeded = [_verify(path) for path in files]
    return 0 if all(succeeded) else 1


def faults(labels: FileLabels) -> list[str]:
    """List what a file's labels lack; the list is empty if the labels are complete."""
    if labels.label is None:
        missing = ["no TC260 label"]
    elif labels.carrier != "XMP":
        missing = [f"the TC260 label is in {labels.carrier}, not in XMP"]
    else:
        missing = problems(labels.label)
    if IPTC not in labels.names:
        missing.append(f"the IPTC digital source type is {labels.source_type or 'missing'}")
    return missing


def _show(path: Path) -> bool:
    shown: dict[str, object] = {"file": str(path)}
    try:
        labels = _labels(path)
    except LabelError as error:
        print(json.dumps({**shown, "error": str(error)}, ensure_ascii=False))
        return False
    shown["labels"] = labels.names
    shown["AIGC"] = labels.label
    shown["carrier"] = labels.carrier
    shown["DigitalSourceType"] = labels.source_type
    print(json.dumps(shown, ensure_ascii=False))
    return True


def _verify(path: Path) -> bool:
    try:
        labels = _labels(path)
    except LabelError as error:
        print(f"{path}: unreadable: {error}")
        return False
    lacking = faults(labels)
    note = "; it has a C2PA manifest, so labels are not added" if labels.has_c2pa else ""
    print(f"{path}: {'; '.join(lacking) + note if lacking else 'ok'}")
    return not lacking


def _labels(path: Path) -> FileLabels:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise LabelError(f"a file of {size} bytes; allowed: at most {MAX_BYTES}")
    return read_labels(path.read_bytes())
