"""The catalogue is whole, names its sources, and says what the installed SDK says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aigc.tasks import catalogue as catalogue_module
from aigc.tasks.catalogue import MODELS, catalogue
from aigc.tasks.mps_image import MpsImageTask
from aigc.tasks.vod_image import VodImageTask
from aigc_cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = {"vod.image": VodImageTask, "mps.image": MpsImageTask}


def test_every_entry_has_a_source_with_a_date() -> None:
    data = json.loads(MODELS.read_text(encoding="utf-8"))

    used = {entry["source"] for entries in data["kinds"].values() for entry in entries}

    assert used == set(data["sources"])
    assert all(source["date"] <= data["as_of"] for source in data["sources"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_limit_is_one_that_the_kind_checks(kind: str) -> None:
    limits = {name for model in catalogue().models[kind] for name in model.limits}

    assert limits <= set(KINDS[kind].limited)


@pytest.mark.parametrize("kind", KINDS)
def test_no_version_is_there_twice(kind: str) -> None:
    versions = [str(model).casefold() for model in catalogue().models[kind]]

    assert len(versions) == len(set(versions))


def test_the_catalogue_agrees_with_the_installed_sdk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = cli.main(["models", "check"])

    assert (status, capsys.readouterr().out) == (
        0,
        "models.json agrees with the installed SDK\n",
    )


@pytest.fixture
def other_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in for models.json with a copy that a test may spoil."""
    path = tmp_path / "models.json"
    path.write_bytes(MODELS.read_bytes())
    monkeypatch.setattr(catalogue_module, "MODELS", path)
    catalogue.cache_clear()
    yield path
    catalogue.cache_clear()


def test_each_difference_from_the_sdk_is_printed(
    other_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(other_models.read_text(encoding="utf-8"))
    vidu = next(entry for entry in data["kinds"]["vod.image"] if entry["name"] == "Vidu")
    vidu["limits"]["inputs"] = 8
    vidu["versions"].append("q9")
    data["kinds"]["mps.image"] = [
        entry for entry in data["kinds"]["mps.image"] if entry["name"] != "Qwen"
    ]
    other_models.write_text(json.dumps(data), encoding="utf-8")

    status = cli.main(["models", "check"])

    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    assert "only in the SDK: vod.image: Vidu q2: inputs 7" in lines
    assert "only in models.json: vod.image: Vidu q2: inputs 8" in lines
    assert "only in models.json: vod.image: Vidu q9: version" in lines
    assert "only in the SDK: mps.image: Qwen 0925: version" in lines


def test_the_models_are_printed_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["models"])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert status == 0
    assert ["vod.image", "GEM", "2.5", "3"] in [line[:4] for line in lines]
    assert ["mps.image", "Vidu", "q2", "7"] in [line[:4] for line in lines]


def test_one_model_is_shown_with_all_its_limits(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["models", "show", "gg", "--json"])

    shown = json.loads(capsys.readouterr().out)
    assert status == 0
    assert {model["name"] for model in shown} == {"GG"}
    assert "at most 14" in {model["limits"].get("inputs") for model in shown}


def test_a_model_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "show", "nothing"]) == 1
    assert "there is no model nothing; known: " in capsys.readouterr().err
