"""The pages name everything that exists, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigc.api.errors import CANCELLED, EXCEPTION_STATUS, JOB_ERROR_STATUS
from aigc.api.operate import REPLAY_REFUSALS, RESTORE_REFUSALS
from aigc.api.routes import ROUTES
from aigc.api.submit import ResultPlace
from aigc.tasks.catalogue import catalogue
from aigc.uploads.rule import fields_of_a_rule
from aigc.uploads.templates import PLACEHOLDERS
from aigc_cli import log_events
from aigc_cli.doctor import before_deploy
from aigc_cli.doctor.examinations import EXAMINATIONS
from aigc_cli.reference.headings import anchors
from aigc_cli.reference.pages import PAGES as GENERATED
from aigc_cli.reference.pages import rewritten
from aigc_cli.reference.translation import ENGLISH, LANGUAGES, Language
from tests.pages import local_links
from tests.pages import page as page_text

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
RULES = page_text("rules.md")
TASKS = page_text("tasks.md")
API = page_text("api.md")


# Reading pages and models


def section(page: str, heading: str) -> str:
    """Cut out what stands below a heading, up to the next of its level."""
    level = heading.index(" ")
    below = page.partition(f"\n{heading}\n")[2]
    return re.split(rf"^#{{2,{level}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def rows(page: str) -> dict[str, str]:
    """Find the rows of tables whose first cell is code: that code → the row."""
    return dict(re.findall(r"^\| `([^`]+)` (\|.*\|)$", page, re.MULTILINE))


def first_cells(page: str) -> list[str]:
    """List all code in the first cells of tables."""
    cell_texts = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    return [name for text in cell_texts for name in re.findall(r"`([^`]+)`", text)]


# docs/tasks.md


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
@pytest.mark.parametrize("page", GENERATED)
def test_generated_tables_are_up_to_date(page: str, language: Language) -> None:
    if language is not ENGLISH and not language.path(page).exists():
        return  # tests/unit/test_translation.py says which pages must exist
    text = language.path(page).read_text(encoding="utf-8")

    assert rewritten(text, page, language) == text, "write them: python -m aigc_cli.reference"


def test_every_log_event_is_explained() -> None:
    assert log_events.EVENTS.keys() == log_events.logged().keys()


def test_every_alarm_has_advice() -> None:
    alarms = page_text("alarms.md")
    advised = first_cells(section(alarms, "## What to do when an alarm is raised"))

    assert set(advised) == rows(section(alarms, "## When each alarm is raised")).keys()


def test_every_examination_of_the_doctor_is_described() -> None:
    page = section(page_text("operations.md"), "## Check a deployment")

    assert first_cells(page) == [examination.name for examination in EXAMINATIONS]


def test_every_examination_before_a_deployment_is_described() -> None:
    page = section(page_text("deploy.md"), "## The first image")

    assert first_cells(page) == [examination.name for examination in before_deploy.EXAMINATIONS]


def test_the_limits_of_sizes_are_documented() -> None:
    models_section = section(TASKS, "## Models")

    numbers = {
        number
        for models in catalogue().models.values()
        for model in models
        for name in ("size", "expansion", "prompt")
        for number in re.findall(r"\d+", str(model.limits.get(name, "")))
    }

    assert numbers <= set(re.findall(r"\d+", models_section))
    assert f"As of {catalogue().as_of}," in models_section


def test_the_page_names_every_field_of_a_rule() -> None:
    tables = section(RULES, "## Conditions") + section(RULES, "## What a rule makes")

    first_cells = "".join(re.findall(r"^\| (`[^|]+) \|", tables, re.MULTILINE))

    assert set(fields_of_a_rule()) <= set(re.findall(r"`([a-z_]+)`", first_cells))


def test_the_page_names_every_placeholder_of_a_rule() -> None:
    table = section(RULES, "## Templates")

    assert [name for name in PLACEHOLDERS if f"| `{{{name}}}` |" not in table] == []


# docs/api.md


def test_every_route_is_on_the_page_and_the_page_names_no_other() -> None:
    named = re.findall(r"^\| `([A-Z]+) (\S+)` \|", API, re.MULTILINE)

    routes = {
        (method, path): [
            route.name
            for route in ROUTES
            if route.method == method and route.path.fullmatch(re.sub(r"[{}]", "", path))
        ]
        for method, path in named
    }

    assert all(len(matching) == 1 for matching in routes.values()), routes
    assert {matching[0] for matching in routes.values()} == {route.name for route in ROUTES}


def test_refused_calls_are_all_in_the_table() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "functions/aigc/api").glob("*.py"))
    http = re.findall(r'HttpError\(\s*(\d+),\s*"(\w+)"', sources)

    known = {(mapping.status, mapping.error_type) for mapping in EXCEPTION_STATUS.values()}
    known |= {(409, word) for word in (*REPLAY_REFUSALS, *RESTORE_REFUSALS)}

    rows_of_errors = error_rows("### When a call is refused")
    assert rows_of_errors == known | {(int(status), error_type) for status, error_type in http}


def test_ways_to_fail_are_all_in_the_table() -> None:
    known = {
        (mapping.status, mapping.error_type) for mapping in (*JOB_ERROR_STATUS.values(), CANCELLED)
    }

    assert error_rows("### When a request has failed") == known


def error_rows(heading: str) -> set[tuple[int, str]]:
    statuses = re.findall(r"^\| (\d+) \| `(\w+)` \|", section(API, heading), re.MULTILINE)
    return {(int(status), error_type) for status, error_type in statuses}


def test_our_own_parameter_is_documented() -> None:
    documented = rows(section(API, "## Submit")).keys()

    assert documented == {f"result.{name}" for name in ResultPlace.model_fields}


# docs/comparison.md


def test_measured_figures_of_the_comparison_are_those_of_the_benchmarks() -> None:
    table = section(page_text("comparison.md"), "## A script around the SDK")
    figures = re.findall(r"(\d+) (ms|MB)\b", table)
    measured = re.findall(r"([\d.]+) (ms|MB)\b", page_text("benchmarks.md"))

    assert len(figures) == 6
    assert set(figures) <= {(f"{float(number):.0f}", unit) for number, unit in measured}


def test_counted_requests_of_the_comparison_are_those_of_the_protocol() -> None:
    table = section(page_text("comparison.md"), "## What an image costs")
    counted = section(page_text("reliability.md"), "## What the protocol costs")

    def numbers(row: str) -> list[float]:
        line = counted.partition(f"\n| {row} |")[2].partition("\n")[0]
        return [float(cell) for cell in re.findall(r"[\d.]+", line)]

    *_, to_ledger, _before, _to_vendor, by_sweeps, _ = numbers("call, VOD, its lane free")
    assert f"| {to_ledger + by_sweeps:.0f} requests to COS |" in table
    assert f"with {numbers('a sweep with nothing to do')[0]:.0f} requests each" in table


# CONTRIBUTING.md


def test_every_command_of_make_is_explained() -> None:
    [targets] = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    named = first_cells(section(table, "## The commands of make"))

    assert sorted(named) == sorted(f"make {target}" for target in targets.split())


# All pages


def test_links_have_a_target() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {path}#{anchor}"
        for page in PAGES
        for path, anchor in local_links(page.read_text(encoding="utf-8"))
        if not has_target((page.parent / path) if path else page, anchor)
    ]

    assert missing == []


def has_target(target: Path, anchor: str) -> bool:
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


def test_make_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        made = set(" ".join(re.findall(r"(?:^|`)make ([a-z -]+)", text, re.MULTILINE)).split())
        assert made <= targets, page
