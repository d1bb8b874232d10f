"""Each line of a batch becomes one job, also if invocations die or repeat."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AmbiguousError
from aigc.jobs.job import Job
from aigc.jobs.runtime import Memory
from aigc.prices import Prices
from aigc.sweeping import sweep
from aigc.uploads.batches import intake, lines
from aigc.uploads.batches.lines import parse_line
from aigc.uploads.batches.records import OPEN, PART_LINES, Batch, Batches
from aigc.uploads.batches.work import begin_batch
from aigc.uploads.inbox_object import read_object
from aigc.uploads.intake import process_upload
from aigc.uploads.rules import Rules
from aigc.wire import with_fields
from tests.fakes import InMemoryStore, StoreFault, World, build_world, image_bytes
from tests.jobs import KilledError
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ports import Listed
    from aigc.uploads.entries import Entry

KEY = "batches/spring.jobs.jsonl"
FOLDER = "batches/spring.jobs.jsonl/"
BODY = {"model_name": "GG", "model_version": "3.0", "prompt": "a boat"}


def rules(**changes: Any) -> Rules:
    rule = {"name": "batches", "type": "batch", "prefix": "batches/"} | changes
    return Rules.parse({"rule": [rule]})


RULES = rules()


def jsonl(*entries: Any) -> bytes:
    texts = (entry if isinstance(entry, str) else json.dumps(entry) for entry in entries)
    return "".join(f"{text}\n" for text in texts).encode()


def a_line(number: int, **changes: Any) -> dict[str, Any]:
    body = BODY | {"prompt": f"boat {number}"}
    return {"custom_id": f"row-{number}", "kind": "vod.image", "body": body} | changes


def upload(world: World, data: bytes, key: str = KEY, wanted: Rules = RULES) -> Entry:
    """Put a file in the inbox and process its event."""
    world.inbox.put(key, data)
    return deliver(world, key, wanted)


def deliver(world: World, key: str = KEY, wanted: Rules = RULES, seconds: float = 60) -> Entry:
    """Process an event about a file, in an instance of its own."""
    world.memory = Memory()
    runtime = world.runtime(seconds)
    read = read_object(key, runtime)
    assert read is not None
    entry = process_upload(read, wanted, runtime).entry
    if entry.batch:
        begin_batch(entry.batch, runtime)
    return entry


def jobs(world: World) -> list[Job]:
    objects = world.store.objects
    keys = [key for key in objects if key.startswith("jobs/")]
    return [Job.model_validate_json(objects[key][0]) for key in keys]


def batch_of(world: World) -> Batch:
    [key] = [
        key for key in world.store.objects if key.startswith("batches/") and key.count("/") == 1
    ]
    batch = Batches(world.runtime().ledger).read(key[8:-5])
    assert batch is not None
    return batch


def report(world: World, name: str = "spring", folder: str = FOLDER) -> list[dict[str, Any]]:
    body = world.results.objects[f"{folder}{name}.report.jsonl"][0].decode()
    return [json.loads(line) for line in body.splitlines()]


def finish_all(world: World) -> None:
    """Let the vendor finish its tasks, and sweep, until no job is left."""
    for _ in range(200):
        for task in world.vendor.tasks:
            if task.state == "running":
                world.vendor.finish(task)
        world.clock.pass_time(61)
        sweep(world.runtime())
        if not world.ledger_keys(OPEN):
            return
    raise AssertionError("the batch does not end")


def test_each_line_becomes_a_job() -> None:
    world = build_world()

    entry = upload(world, jsonl(a_line(1), a_line(2, kind="mps.image"), a_line(3)))

    assert entry.detail == f"a batch by the rule batches; its report: {FOLDER}spring.report.jsonl"

    accepted = sorted(jobs(world), key=lambda job: job.source.line)
    assert [job.kind for job in accepted] == ["vod.image", "mps.image", "vod.image"]
    assert [job.source.custom_id for job in accepted] == ["row-1", "row-2", "row-3"]
    assert {job.source.batch for job in accepted} == {entry.batch}
    assert {job.source.key for job in accepted} == {KEY}
    assert [job.output_location.prefix for job in accepted] == [FOLDER] * 3
    assert [job.output_location.name for job in accepted][:2] == ["000001-row-1", "000002-row-2"]
    assert {job.priority for job in accepted} == {-5}


def test_batch_ends_with_a_report_a_sheet_and_no_leftovers() -> None:
    world = build_world()
    upload(world, jsonl(a_line(1), "{broken", a_line(3)))

    finish_all(world)

    lines_of_report = report(world)
    assert [line["state"] for line in lines_of_report] == ["succeeded", "refused", "succeeded"]
    assert lines_of_report[0]["custom_id"] == "row-1"
    [image] = lines_of_report[0]["images"]
    assert image["key"] == f"{FOLDER}000001-row-1-1.png"
    assert image["key"] in world.results.objects
    description = json.loads(world.results.objects[lines_of_report[0]["description"]][0])
    assert description["source"]["custom_id"] == "row-1"
    assert "is not JSON" in lines_of_report[1]["error"]["message"]
    page = world.results.objects[f"{FOLDER}spring.html"][0].decode()
    assert 'src="./000001-row-1-1.png"' in page
    assert batch_of(world).is_complete
    assert batch_of(world).states == {"succeeded": 2, "refused": 1}


def test_report_names_whole_keys_of_a_shared_bucket() -> None:
    world = build_world(results_prefix="site/")

    entry = upload(world, jsonl(a_line(1)))
    finish_all(world)

    [line] = report(world, folder=f"site/{FOLDER}")
    assert entry.detail.endswith(f"its report: site/{FOLDER}spring.report.jsonl")
    assert line["images"][0]["key"] in world.results.objects
    assert line["description"] in world.results.objects
    page = world.results.objects[f"site/{FOLDER}spring.html"][0].decode()
    assert 'src="./000001-row-1-1.png"' in page


def test_bad_line_is_reported_with_its_number_and_stops_no_other() -> None:
    world = build_world()
    upload(
        world,
        jsonl(
            "",
            {"custom_id": "a", "kind": "vod.movie", "body": BODY},
            {"custom_id": "b", "kind": "vod.image", "body": {"prompt": "x"}},
            {"custom_id": "c", "kind": "vod.image", "body": BODY | {"result": {"prefix": "x"}}},
            {"custom_id": "d", "kind": "vod.image", "body": BODY | {"sub_app_id": 7}},
            {"custom_id": "e", "kind": "vod.image", "body": 5},
            [1],
            a_line(8),
        ),
    )

    sweep(world.runtime())

    [job] = jobs(world)
    assert job.source.line == 8
    errors = {line["line"]: line["error"]["message"] for line in report(world) if "error" in line}
    assert list(errors) == [2, 3, 4, 5, 6, 7]
    expected = {
        2: "kind: 'vod.movie'",
        3: "model_name: is required",
        4: "result: is not possible in a batch",
        5: "sub_app_id",
        6: "body: 5 is not allowed",
        7: "one JSON object",
    }
    assert [number for number, part in expected.items() if part not in errors[number]] == []
    assert [line.get("custom_id") for line in report(world)][:5] == ["a", "b", "c", "d", "e"]


def test_error_of_this_program_with_a_line_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = build_world()

    def broken(raw: Any, *_: Any) -> Any:
        if raw.number == 1:
            raise TypeError("unhashable")
        return parse_line(raw, *_)

    monkeypatch.setattr(intake, "parse_line", broken)

    upload(world, jsonl(a_line(1), a_line(2)))
    sweep(world.runtime())

    assert [job.source.line for job in jobs(world)] == [2]
    assert report(world)[0]["error"]["type"] == "internal_error"


def test_csv_with_defaults_of_the_rule() -> None:
    world = build_world()
    task = {"model_name": "GG", "model_version": "3.0", "prompt": "a {parent} boat"}
    wanted = rules(kind="vod.image", task=task, priority=-2)
    csv = 'custom_id;prompt;output_config.aspect_ratio\r\n7;"red;\r\nblue";16:9\r\n8;;\r\n'

    upload(world, b"\xef\xbb\xbf" + csv.encode(), "batches/spring.jobs.csv", wanted)

    accepted = sorted(jobs(world), key=lambda job: job.source.line)
    assert [job.task["prompt"] for job in accepted] == ["red;\r\nblue", "a batches boat"]
    assert accepted[0].task["output_config"] == {"aspect_ratio": "16:9"}
    assert [job.source.line for job in accepted] == [2, 4]
    assert {job.priority for job in accepted} == {-2}


def test_lines_of_openais_batch_files() -> None:
    world = build_world()
    body = {"model": "GG-3.0", "prompt": "a boat", "n": 1}
    call = {"custom_id": "one", "method": "POST", "url": "/v1/images/generations", "body": body}
    own = {"custom_id": "two", "method": "POST", "url": "/tencent-mps/v1/aigc-image"}

    upload(world, jsonl(call, own | {"body": {"Prompt": "x"}}, call | {"url": "/v1/embeddings"}))
    sweep(world.runtime())

    accepted = {job.source.custom_id: job for job in jobs(world)}
    assert accepted["one"].task["model_name"] == "GG"
    assert accepted["two"].kind == "mps.image"
    assert "/v1/images/generations" in report(world)[2]["error"]["message"]


def test_input_may_lie_in_the_inbox() -> None:
    world = build_world()
    world.inbox.put("photos/cat.png", image_bytes())
    infos = [{"url": "cos://inbox-1250000000/photos/cat.png"}]
    missing = [{"url": "cos://inbox-1250000000/photos/none.png"}]
    foreign = [{"url": "cos://ledger-1250000000/jobs/x.json"}]

    upload(
        world, jsonl(*(a_line(1, body=BODY | {"file_infos": i}) for i in (infos, missing, foreign)))
    )
    sweep(world.runtime())

    assert len(jobs(world)) == 1
    assert "is not there" in report(world)[1]["error"]["message"]
    assert "not in a bucket or folder" in report(world)[2]["error"]["message"]


def test_same_file_twice_is_the_same_batch() -> None:
    world = build_world()
    first = upload(world, jsonl(a_line(1)))

    second = upload(world, jsonl(a_line(1)))

    assert first.batch == second.batch
    assert len(jobs(world)) == 1


def test_two_equal_lines_are_two_jobs() -> None:
    world = build_world()

    upload(world, jsonl(a_line(1), a_line(1)))

    assert len(jobs(world)) == 2


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        (KEY, b"", "it is empty"),
        ("batches/a.jobs.csv", b"a,a\n1,2\n", "the column 'a' is not allowed"),
        ("batches/a.jobs.csv", b"a b,c\n1,2\n", "the column 'a b' is not allowed"),
        (KEY, b"\n" * (lines.MAX_LINES + 1), f"a batch has at most {lines.MAX_LINES}"),
    ],
)
def test_file_that_is_no_batch_makes_no_job(key: str, data: bytes, reason: str) -> None:
    world = build_world()

    entry = upload(world, data, key)

    assert entry.reason == "not_a_batch"
    assert reason in entry.detail
    assert jobs(world) == []
    assert world.ledger_keys(OPEN) == []


def test_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_BYTES", 10)
    world = build_world()

    entry = upload(world, jsonl(a_line(1)))

    assert "a batch has at most 10" in entry.detail
    assert jobs(world) == []


def test_file_that_is_replaced_while_it_is_read_ends_there() -> None:
    world = build_world()
    world.inbox.put(KEY, jsonl(*map(a_line, range(1, 40))))
    deliver(world, seconds=0)
    world.inbox.put(KEY, jsonl(a_line(1)))

    sweep(world.runtime())

    assert batch_of(world).is_complete
    assert report(world)[-1] == {"problem": "the file was replaced while it was read"}


def test_line_that_is_too_long_is_reported() -> None:
    world = build_world()

    upload(world, jsonl({"prompt": "x" * lines.MAX_LINE}, a_line(2)))
    sweep(world.runtime())

    assert "the line: is too long" in report(world)[0]["error"]["message"]
    assert [job.source.line for job in jobs(world)] == [2]


def test_single_call_goes_before_the_lines_of_a_batch() -> None:
    world = build_world()
    upload(world, jsonl(*map(a_line, range(1, 30))))
    waiting = world.ledger_keys("lanes/vod.image/waiting/")
    first = min(waiting)

    upload(world, jsonl(a_line(1, body=BODY | {"tasks_priority": 0})), "batches/b.jobs.jsonl")

    [ahead] = [key for key in world.ledger_keys("lanes/vod.image/waiting/") if key < first]
    [job] = [job for job in jobs(world) if job.marker == ahead]
    assert job.priority == 0


def test_reports_are_few() -> None:
    world = build_world()
    upload(world, jsonl(*map(a_line, range(1, 4))))

    for _ in range(600):  # ten hours in which the vendor does nothing
        sweep(world.runtime())
        world.clock.pass_time(60)

    writes = [key for key in world.results.requests if key.endswith(".report.jsonl")]
    assert 20 < len(writes) < 60


def test_only_lines_that_may_have_changed_are_read() -> None:
    world = build_world(lanes={"vod.image": 3})
    upload(world, jsonl(*map(a_line, range(1, 1001))))
    sweep(world.runtime())
    world.clock.pass_time(61)
    before = len(world.store.requests)

    sweep(world.runtime())

    reads = [key for key in world.store.requests[before:] if key.startswith("get jobs/")]
    assert len(reads) < 100


def test_part_that_cannot_be_written_keeps_the_cursor_before_it() -> None:
    world = build_world()
    world.inbox.put(KEY, jsonl(*map(a_line, range(1, 6))))
    read = read_object(KEY, world.runtime())
    assert read is not None
    batch_id = process_upload(read, RULES, world.runtime()).entry.batch
    world.store.faults.append(StoreFault(f"put batches/{batch_id}/", AmbiguousError("put")))

    begin_batch(batch_id, world.runtime())

    assert batch_of(world).taken == 0
    begin_batch(batch_id, world.runtime())
    assert batch_of(world).taken == 5
    assert len(jobs(world)) == 5


def test_part_that_a_slower_reader_replaced_is_read_again() -> None:
    world = build_world()
    upload(world, jsonl(*map(a_line, range(1, 301))))
    batches, batch = Batches(world.runtime().ledger), batch_of(world)
    first = batches.part(batch, 0)
    batches.write_part(batch, 0, with_fields(first, lines=first.lines[:100]))

    for _ in range(3):
        sweep(world.runtime())
        world.clock.pass_time(61)

    assert [line["line"] for line in report(world)] == list(range(1, 301))
    assert len(jobs(world)) == 300


# Many lines


class MortalStore(InMemoryStore):
    """A ledger whose process is killed after a number of requests; each takes some time."""

    life = 10**9
    seconds = 0.0

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        self._live(lambda: super(MortalStore, self).put(key, body, content_type))

    def create(self, key: str, body: bytes) -> bool:
        return bool(self._live(lambda: super(MortalStore, self).create(key, body)))

    def get(self, key: str) -> bytes | None:
        body: bytes | None = self._live(lambda: super(MortalStore, self).get(key))
        return body

    def delete(self, *keys: str) -> None:
        self._live(lambda: super(MortalStore, self).delete(*keys))

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        page: Sequence[Listed] = self._live(
            lambda: super(MortalStore, self).list(prefix, after, limit)
        )
        return page

    def _live(self, request: Any) -> Any:
        self.life -= 1
        if self.life < 0:
            raise KilledError
        result = request()
        self._clock.pass_time(self.seconds)
        if self.life == 0:  # the request took effect, and its process did not live to see that
            raise KilledError
        return result


def test_line_whose_record_cannot_be_read_does_not_end_until_it_can() -> None:
    world = build_world()
    upload(world, jsonl(a_line(1), a_line(2)))
    _, waiting = sorted(jobs(world), key=lambda job: job.source.line)
    key = f"jobs/{waiting.id}.json"
    body = world.store.objects[key][0]
    world.store.put(key, b"{")
    for task in world.vendor.tasks:
        world.vendor.finish(task)
    for _ in range(5):
        sweep(world.runtime())
        world.clock.pass_time(300)

    assert [line["state"] for line in report(world)] == ["succeeded", "queued"]
    assert not batch_of(world).is_complete

    world.store.put(key, body)
    finish_all(world)
    assert [line["state"] for line in report(world)] == ["succeeded", "succeeded"]


def limit_uploads(world: World, images: int) -> None:
    """Set a ceiling for the images of all uploads in a month."""
    ceiling = {"scope": "uploads", "period": "month", "images": images}
    world.prices = Prices.parse({"ceiling": [ceiling]})


def sweep_through_kills(world: World, chance: random.Random, sweeps: int) -> None:
    """Let the vendor finish its tasks, and sweep; some sweeps are killed at a random request."""
    assert isinstance(world.store, MortalStore)
    kills = 0
    for _ in range(sweeps):
        for task in world.vendor.tasks:
            if task.state == "running":
                world.vendor.finish(task)
        world.memory = Memory()
        world.store.life = chance.choice([10**9, chance.randrange(1, 400)])
        try:
            sweep(world.runtime())
        except KilledError:
            kills += 1
        world.store.life = 10**9
        world.clock.pass_time(76)
    assert kills


def test_batch_under_a_ceiling_waits_until_the_ceiling_is_raised() -> None:
    lines_of_file, ceiling = 50, 7
    world = build_world()
    world.store = MortalStore(world.clock)
    chance = random.Random(3)  # noqa: S311  no secret
    limit_uploads(world, ceiling)
    upload(world, jsonl(*(a_line(number) for number in range(1, lines_of_file + 1))))

    sweep_through_kills(world, chance, 30)

    assert len(world.vendor.tasks) == ceiling
    states = Counter(job.state for job in jobs(world))
    assert states == {"succeeded": ceiling, "queued": lines_of_file - ceiling}
    assert Counter(line["state"] for line in report(world)) == states
    assert not batch_of(world).is_complete

    limit_uploads(world, lines_of_file - 1)
    sweep_through_kills(world, chance, 60)
    assert len(world.vendor.tasks) == lines_of_file - 1
    assert not batch_of(world).is_complete

    limit_uploads(world, lines_of_file)
    sweep_through_kills(world, chance, 30)
    assert [line["state"] for line in report(world)] == ["succeeded"] * lines_of_file
    assert len(world.vendor.tasks) == lines_of_file
    assert batch_of(world).is_complete


@pytest.mark.sized
def test_each_of_many_lines_is_one_job_through_kills_and_repeats() -> None:
    count = size(1000, full=10_000)
    life = count * 4 // 5
    world = build_world(lanes={"vod.image": 2, "mps.image": 2})
    world.store = MortalStore(world.clock)
    chance = random.Random(1)  # noqa: S311  no secret
    kinds = ("vod.image", "mps.image")
    data = jsonl(*(a_line(n, kind=kinds[n % 2]) for n in range(1, count + 1)))
    world.inbox.put(KEY, data)
    invocations = kills = 0

    while not invocations or not batch_of(world).is_read:
        invocations += 1
        world.store.seconds = 30 / count  # a minute is about a tenth of the lines
        world.store.life = chance.choice(
            [10**9, chance.randrange(life), chance.randrange(life * 3 // 2)]
        )
        try:
            if invocations % 3 == 1:
                deliver(world)
            else:
                world.memory = Memory()
                sweep(world.runtime())
        except KilledError:
            kills += 1
        world.store.life = 10**9
        world.clock.pass_time(76)
    deliver(world)

    accepted = jobs(world)
    batch = batch_of(world)
    assert kills > 5
    assert sorted(job.source.line for job in accepted) == list(range(1, count + 1))
    assert batch.taken == count
    parts = [Batches(world.runtime().ledger).part(batch, n) for n in range(batch.parts)]
    assert [line.line for part in parts for line in part.lines] == list(range(1, count + 1))
    assert {line.job for part in parts for line in part.lines} == {job.id for job in accepted}
    sessions = [task.session_id for task in world.vendor.tasks if task.session_id]
    assert len(sessions) == len(set(sessions))
    part_writes = sum(
        request.startswith(f"put batches/{batch.id}/") for request in world.store.requests
    )
    assert part_writes <= 2 * (count // PART_LINES + invocations)
