"""`aigc label`: read and check the labels inside pictures."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from aigc.labels.files import IPTC, FileLabels, read_labels
from aigc.labels.label import LabelError, problems
from aigc.pictures import MAX_BYTES
from ops import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Print one line of JSON, or one verdict, for each file; 1 if a file fails."""
    parser = argparse.ArgumentParser(prog="aigc label", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("show", "print what each file says of itself, as JSON"),
        ("verify", "check that each file has a complete label"),
    ):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("file", nargs="+", type=options.existing_file, metavar="FILE")
    given = parser.parse_args(arguments)
    command_of: dict[str, Callable[[Path], bool]] = {"show": _show, "verify": _verify}
    succeeded = [command_of[given.command](path) for path in given.file]
    return 0 if all(succeeded) else 1


def faults(labels: FileLabels) -> list[str]:
    """Say what the labels of a file lack; nothing for a file that is completely labelled."""
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
