"""An independent reader agrees: exiftool, from Debian's package libimage-exiftool-perl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from aigc.labels.files import add_labels
from aigc.labels.label import complete
from tests.unit.labels.builders import PRODUCER, carriers, corpus, packet

if TYPE_CHECKING:
    from pathlib import Path

EXIFTOOL = shutil.which("exiftool")

pytestmark = pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")

# Facts about the file, and where its parts lie: both change with its length.
_OF_THE_FILE = {
    *("System", "ExifTool", "File:FileSize", "PNG-pHYs"),
    *("XMP-x:XMPToolkit", "XMP-TC260:Aigc", "XMP-TC260:AIGC", "XMP-iptcExt:DigitalSourceType"),
    *("File:FileType", "RIFF:WebP_Flags"),  # a simple WebP becomes an extended one
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def reports(folder: Path) -> dict[str, dict[str, Any]]:
    """What exiftool says of each file before and after; one process reads them all."""
    files = corpus() | {
        f"{name} with a packet": make(packet()) for name, make in carriers().items()
    }
    for name, data in files.items():
        (folder / f"{name}.before").write_bytes(data)
        (folder / f"{name}.after").write_bytes(add_labels(data, PRODUCER).data)
    command = [str(EXIFTOOL), "-json", "-G1", "-struct", "-validate", "-warning", "-a", str(folder)]
    done = subprocess.run(
        [*command, "-all:all", "-ext", "*"], capture_output=True, check=False, text=True
    )
    return {
        entry["SourceFile"].rpartition("/")[2]: {
            name: value for name, value in entry.items() if name != "SourceFile"
        }
        for entry in json.loads(done.stdout)
    }


NAMES = [*corpus(), *(f"{name} with a packet" for name in carriers())]


@pytest.mark.parametrize("name", NAMES)
def test_exiftool_reads_both_labels_and_sees_nothing_else_change(
    reports: dict[str, dict[str, Any]], name: str
) -> None:
    before, after = reports[f"{name}.before"], reports[f"{name}.after"]

    [label] = [
        value for tag, value in after.items() if tag.lower() == "xmp-tc260:aigc"
    ]  # later versions know the tag and write it in capitals
    text = label if isinstance(label, str) else json.dumps(label)
    assert json.loads(text) == complete({}, PRODUCER)
    source = after["XMP-iptcExt:DigitalSourceType"]
    assert source.replace(" ", "").lower().endswith("trainedalgorithmicmedia")
    assert others(after) == others(before)
    assert warnings(after) == warnings(before)


def others(report: dict[str, Any]) -> dict[str, Any]:
    return {
        tag: value
        for tag, value in report.items()
        if tag not in _OF_THE_FILE and tag.partition(":")[0] not in _OF_THE_FILE
    }


def warnings(report: dict[str, Any]) -> list[str]:
    """List what exiftool finds wrong, without the segment in front of which it does."""
    tags = ("ExifTool:Validate", "ExifTool:Warning")
    return [re.sub(r"APP\d+", "APP", str(report.get(tag))) for tag in tags]
