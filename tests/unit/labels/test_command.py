"""`aigc label` reads back what is in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aigc.labels.files import add_labels
from aigc.labels.label import complete
from aigc_cli import cli
from tests.unit.labels.builders import (
    PRODUCER,
    c2pa_samples,
    carriers,
    encoded,
    exif_comment,
    noise,
    packet,
)

if TYPE_CHECKING:
    from pathlib import Path

COMMENT = b'ASCII\0\0\0{"AIGC": {"Label": "1"}}'
BARE = encoded(noise(), "PNG")


def run(
    path: Path, command: str, data: bytes, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    file = path / "image"
    file.write_bytes(data)
    status = cli.main(["label", command, str(file)])
    return status, capsys.readouterr().out.replace(str(file), "image").rstrip("\n")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_a_labelled_file_is_shown_and_verified(
    tmp_path: Path, file_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = add_labels(encoded(noise(), file_format), PRODUCER).data

    status, shown = run(tmp_path, "show", data, capsys)

    assert status == 0
    assert json.loads(shown) == {
        "file": "image",
        "labels": ["tc260", "iptc"],
        "AIGC": complete({}, PRODUCER),
        "carrier": "XMP",
        "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    }
    assert run(tmp_path, "verify", data, capsys) == (0, "image: ok")


@pytest.mark.parametrize(
    ("data", "mapping"),
    [
        (BARE, "no TC260 label; the IPTC source type is missing"),
        (
            encoded(
                noise(), "JPEG", exif=exif_comment("<", b'ASCII\0\0\0{"AIGC": {"Label": "1"}}')
            ),
            ("the TC260 label is in EXIF UserComment, not in XMP; the IPTC source type is missing"),
        ),
        (
            carriers()["webp"](
                packet(
                    '<TC260:AIGC>{"Label":"4","ContentProducer":"","ProduceID":"1",'
                    '"ReservedCode1":"","ContentPropagator":"","PropagateID":""}</TC260:AIGC>',
                    'Iptc4xmpExt:DigitalSourceType="digitalCapture"',
                )
            ),
            (
                "ReservedCode2 is missing; ContentProducer is empty;"
                " Label is '4'; allowed: 1, 2, 3; the IPTC source type is digitalCapture"
            ),
        ),
        (
            c2pa_samples()["png"],
            (
                "no TC260 label; the IPTC source type is missing;"
                " it has a C2PA manifest, so labels are not added"
            ),
        ),
        (
            b"GIF89a  ",
            "unreadable: a file that begins with 47 49 46 38 39 61 20 20: not a JPEG, PNG or WebP",
        ),
        (BARE[:-20], f"unreadable: a file that is cut off or damaged after {len(BARE) - 20} bytes"),
    ],
)
def test_problems_of_a_file_are_named(
    tmp_path: Path, data: bytes, mapping: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "verify", data, capsys) == (1, f"image: {mapping}")


def test_a_file_that_cannot_be_read_is_shown_with_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, shown = run(tmp_path, "show", BARE[:-20], capsys)

    assert status == 1
    assert "cut off" in json.loads(shown)["error"]


def test_every_file_is_checked_and_one_bad_file_fails_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bare.png").write_bytes(BARE)
    (tmp_path / "good.png").write_bytes(add_labels(BARE, PRODUCER).data)

    status = cli.main(["label", "verify", *map(str, sorted(tmp_path.iterdir()))])

    assert status == 1
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines()][1] == "ok"


def test_a_file_beyond_the_limit_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(65 * 2**20)

    status = cli.main(["label", "verify", str(tmp_path / "huge.png")])

    assert status == 1
    assert "allowed: at most 67108864" in capsys.readouterr().out
