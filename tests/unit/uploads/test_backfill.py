"""Old objects of the inbox become jobs on request, once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aigc.jobs.job import id_from
from aigc.sweeping import sweep
from aigc.uploads.rules import DeployedRules
from aigc.uploads.statuses import jobs_of, status_of
from aigc.wire import with_fields
from aigc_cli import backfill, cli, uploads
from tests.fakes import START, World, build_world, image_bytes
from tests.unit.uploads.test_reconcile import LATER_S, RULES, reconcile

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

PRICES = 'currency = "CNY"\n\n[[price]]\nkind = "vod.image"\nper_image = 0.25\n'


class FakeDeployment:
    """A deployment whose runtime has no time to start jobs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def runtime(self) -> Runtime:
        return self._world.runtime(seconds=0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> World:
    """Return a world with three old objects; the rules exist since then."""
    world = build_world()
    world.memory.of(DeployedRules).rules = RULES
    for name in ("a", "b", "c"):
        world.inbox.put(f"photos/{name}.png", image_bytes(), "image/png")
    world.inbox.put("other/a.png", image_bytes(), "image/png")
    world.clock.pass_time(LATER_S)
    sweep(world.runtime())
    (tmp_path / "prices.toml").write_text(PRICES)
    monkeypatch.setattr(backfill, "ROOT", tmp_path)
    for module in (backfill, uploads):
        monkeypatch.setattr(module, "deployment", lambda *_: FakeDeployment(world))
    return world


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.main(line.split())
    return status, capsys.readouterr().out


def jobs(world: World) -> list[Job]:
    records = world.runtime().ledger.records
    read_records = [records.read(key[5:-5]) for key in world.ledger_keys("jobs/")]
    return [job for job in read_records if job is not None]


def jobs_of_upload(world: World, key: str) -> list[str]:
    runtime = world.runtime()
    account = status_of(key, RULES, runtime)
    assert account is not None
    return [job.id for job in jobs_of(account.entries(runtime))]


def test_dry_run_counts_and_estimates_and_makes_no_job(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output = run("backfill --dry-run", capsys)

    rows = [line.split() for line in output.splitlines()]
    assert status == 0
    assert rows[1:] == [
        ["any", "3", "vod.image", "0.75", "CNY"],
        ["all", "3", "0.75", "CNY"],
    ]
    assert jobs(world) == []


def test_old_objects_become_jobs_that_wait_for_the_sweep(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output = run("backfill --yes", capsys)

    assert (status, output.splitlines()[-1]) == (0, "3 new jobs")
    assert [job.state for job in jobs(world)] == ["queued"] * 3
    assert world.vendor.tasks == []


def test_backfill_continues_where_it_stopped(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run("backfill --yes --limit 2", capsys)

    _, output = run("backfill --yes", capsys)
    _, nothing_left = run("backfill --yes", capsys)

    assert output.splitlines()[-1] == "1 new jobs"
    assert "each of these objects has a job" in nothing_left
    assert len(jobs(world)) == 3


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ("--prefix photos/b", 1),
        ("--prefix other/", 0),
        ("--rule any", 3),
        ("--since 2026-11-21", 0),
        ("--since 2026-11-20T12:00:00+00:00", 3),
    ],
)
def test_backfill_is_limited_to_its_scope(
    world: World, capsys: pytest.CaptureFixture[str], options: str, count: int
) -> None:
    run(f"backfill --yes {options}", capsys)

    assert len(jobs(world)) == count


@pytest.mark.parametrize("options", ["--rule none", "--since soon", "--limit 0"])
def test_wrong_option_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], options: str
) -> None:
    with pytest.raises(SystemExit):
        run(f"backfill --yes {options}", capsys)

    assert jobs(world) == []


def test_backfilled_objects_are_known_to_the_sweep(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run("backfill --yes", capsys)

    assert reconcile(world) == 0
    assert len(jobs(world)) == 3


def test_objects_with_a_job_of_an_earlier_version_get_no_other(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run("backfill --yes --limit 1", capsys)
    [job] = jobs(world)
    earlier = with_fields(
        job,
        id=id_from("upload", "by its request id"),
        created_at=START + timedelta(seconds=10),
        source=with_fields(job.source, key="photos/b.png"),
    )
    records = world.runtime().ledger.records
    records.announce(earlier)
    records.write_new(earlier)

    _, output = run("backfill --yes", capsys)

    assert output.splitlines()[-2:] == ["1 jobs that existed", "1 new jobs"]
    assert earlier.id in jobs_of_upload(world, "photos/b.png")


def test_upload_that_is_not_there_is_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(jobs(world)) == 0
    assert cli.main(["uploads", "redo", "photos/z.png"]) == 1
    assert "there is no photos/z.png in the inbox" in capsys.readouterr().err


def test_redo_makes_another_job_each_time(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        run("uploads redo photos/a.png", capsys)

    ids = {job.id for job in jobs(world)}
    assert len(ids) == 2
    assert set(jobs_of_upload(world, "photos/a.png")) == ids
