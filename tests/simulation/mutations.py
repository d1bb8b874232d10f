"""What the protocol depends on, taken away one piece at a time: the simulation must notice.

Each mutation is a change to a copy of the functions' source. One that does not apply any more
is an error: the list must follow the code. `make mutations` tries them all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- mutations: begin -->", "<!-- mutations: end -->"
SECONDS = 30


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing that the protocol does, and how it is left out."""

    title: str
    module: str
    edits: tuple[tuple[str, str], ...]
    harmless: str = ""
    """Why nothing goes wrong without it, where that is so."""
    look_in: str = ""
    """Part of the title of the case or the weather that is likely to notice."""


Result = tuple[Mutation, dict[str, str]]
"""A mutation, and by what it was noticed, after how many runs."""


class StaleMutationError(Exception):
    """A mutation does not fit the source any more."""


def _one(title: str, module: str, old: str, new: str, **more: str) -> Mutation:
    return Mutation(title, module, ((old, new),), **more)


MUTATIONS = (
    # Accepting
    _one(
        "the record is written before its queue marker",
        "ledger",
        """\
        self._store.create(job.marker, b"{}")
        self._store.create(_index_key(job), b"{}")
        if self._store.create(_job_key(job.id), _dump(job)):
            return job
""",
        """\
        self._store.create(_index_key(job), b"{}")
        if self._store.create(_job_key(job.id), _dump(job)):
            self._store.create(job.marker, b"{}")
            return job
""",
    ),
    _one(
        "the record is written before its entry in the index",
        "ledger",
        """\
        self._store.create(_index_key(job), b"{}")
        if self._store.create(_job_key(job.id), _dump(job)):
            return job
""",
        """\
        if self._store.create(_job_key(job.id), _dump(job)):
            self._store.create(_index_key(job), b"{}")
            return job
""",
    ),
    _one(
        "a repeated order writes over the record",
        "ledger",
        "if self._store.create(_job_key(job.id), _dump(job)):",
        "if not self._store.put(_job_key(job.id), _dump(job)):",
    ),
    _one(
        "a repeated order leaves its marker",
        "ledger",
        "        self._store.delete(job.marker)\n        existing",
        "        existing",
        harmless="the next pump removes it once it is a lease old",
    ),
    # Claims
    _one(
        "a claim is taken without being written",
        "ledger",
        """\
        if self._store.create(prefix + "000", _unique()):
            if job.owned_until is None:
                return job
""",
        """\
        if True:
            if job.owned_until is None:
                return job
""",
    ),
    _one(
        "a claim is inherited from somebody who may be alive",
        "ledger",
        "if not held or not self.is_old(held[-1].modified):",
        "if not held:",
    ),
    _one(
        "a claim is inherited without a claim of one's own",
        "ledger",
        'return self._store.create(f"{prefix}{len(held):03d}", _unique())',
        "return True",
        look_in="two sweeps go on",
    ),
    _one(
        "an inherited claim is used without reading again",
        "ledger",
        "return again if again is not None and again.revision == job.revision else None",
        "return job",
        look_in="a slow status call",
    ),
    _one(
        "an owner's time is not waited for",
        "ledger",
        """\
        if job.is_owned(self._now()):
            return None
""",
        "",
    ),
    _one(
        "claims are removed as soon as a job has ended",
        "ledger",
        "return job.has_ended and self.is_old(job.updated_at)",
        "return job.has_ended",
    ),
    # Writing
    _one(
        "a write whose reply was lost is made again blindly",
        "ledger",
        "if found is None or found.revision < job.revision:",
        "if True:",
    ),
    _one(
        "a write whose reply was lost is taken for made",
        "ledger",
        "self._write_unless_written(written)",
        "pass",
    ),
    # Slots
    _one(
        "a place is taken though it is taken",
        "ledger",
        "return slot if self._store.create(_slot_key(lane, number), body) else None",
        "self._store.put(_slot_key(lane, number), body)\n        return slot",
    ),
    _one(
        "a place is given back whoever has it now",
        "ledger",
        "if taken is not None and taken.token == slot.token:",
        "if taken is not None:",
        look_in="pictures cannot be fetched",
    ),
    _one(
        "a place is given back twice where the reply was lost",
        "ledger",
        "self._store.delete_once(_slot_key(lane, slot.number))",
        "self._store.delete(_slot_key(lane, slot.number))",
        look_in="no reply tells",
    ),
    _one(
        "the place of a dead function is freed before its job is settled",
        "recover",
        "if not is_settled or not ledger.is_old(taken_at):",
        "if False:",
        look_in="comes twice while",
    ),
    _one(
        "two sweeps free the place of a dead function",
        "ledger",
        "if self.hold(thing) and self.release_slot(lane, slot):",
        "if self.release_slot(lane, slot):",
        look_in="two sweeps free",
    ),
    _one(
        "a place is given back before the record says that the job has ended",
        "start",
        """\
    ended = runtime.ledger.write(owing)
    if ended.attempt.slot is not None:
        runtime.ledger.release_slot(ended.lane, ended.attempt.slot)
""",
        """\
    if owing.attempt.slot is not None:
        runtime.ledger.release_slot(owing.lane, owing.attempt.slot)
    ended = runtime.ledger.write(owing)
""",
        look_in="a task ends while",
    ),
    # Starting
    _one(
        "the call is made before the record says so",
        "start",
        "return send(runtime.ledger.write(submitting), runtime)",
        "return send(submitting, runtime)",
    ),
    _one(
        "a job is sent without being claimed",
        "start",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        passed_over.add""",
        """\
    claimed = job
    if claimed is None:
        passed_over.add""",
        look_in="two calls want",
    ),
    _one(
        "who sends a job does not own it while he does",
        "start",
        'update={"state": "submitting", "owned_until": runtime.ledger.owned_until()}',
        'update={"state": "submitting"}',
    ),
    _one(
        "the marker is removed before the record says that the task runs",
        "start",
        """\
    changed = job.with_attempt(task_id=task_id, request_id=request_id)
""",
        """\
    runtime.ledger.remove_marker(job.marker)
    changed = job.with_attempt(task_id=task_id, request_id=request_id)
""",
        harmless="the job holds its slot, which leads to it as well",
    ),
    _one(
        "a marker is taken for rubbish while its record is being written",
        "start",
        "if is_settled and runtime.ledger.is_old(marker.modified):",
        "if True:",
    ),
    _one(
        "a pump does not look again after giving a place back",
        "start",
        "if fresh is not None and _has_place(sent, fresh) and len(front) == 1:",
        "if sent is None or (fresh is not None and _has_place(sent, fresh) and len(front) == 1):",
        look_in="three calls",
    ),
    _one(
        "a pump starts one job and leaves the other places free",
        "start",
        "if fresh is not None and _has_place(sent, fresh) and len(front) == 1:",
        "if sent is not None:",
        look_in="left behind",
    ),
    _one(
        "a throttle after a lost reply counts as the vendor's word",
        "start",
        "is_ambiguous = is_ambiguous or isinstance(outcome, AmbiguousError)",
        "is_ambiguous = isinstance(outcome, AmbiguousError)",
    ),
    _one(
        "MPS is asked again after a lost reply",
        "start",
        "        return runtime.kind_of(job).deduplicates\n",
        "        return True\n",
    ),
    _one(
        "that a session is known is taken for a refusal",
        "start",
        """\
    if isinstance(outcome, DuplicateError):
        return _find(job, runtime)
    if is_ambiguous:
""",
        """\
    if is_ambiguous and not isinstance(outcome, DuplicateError):
""",
    ),
    _one(
        "a lost reply is not written down",
        "start",
        "changed = job.with_attempt(is_ambiguous=True)",
        "changed = job",
        harmless="a sweep that sends again notes it itself, before it does",
    ),
    _one(
        "a job is cancelled for its deadline without being claimed",
        "start",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    message = f"not started""",
        """\
    claimed = job
    message = f"not started""",
        look_in="time runs out",
    ),
    # Queued again
    _one(
        "a job is queued again before its new marker is written",
        "start",
        """\
    runtime.ledger.queue_again(waiting)
    queued = runtime.ledger.write(waiting)
""",
        """\
    queued = runtime.ledger.write(waiting)
    runtime.ledger.queue_again(waiting)
""",
        look_in="two calls want",
    ),
    _one(
        "a job that is queued again keeps its session",
        "start",
        "following = Attempt(number=number + 1, session_id=session_id(job.id, number + 1))",
        "following = Attempt(number=number + 1, session_id=job.attempt.session_id)",
        look_in="want of room",
    ),
    _one(
        "a job that is queued again keeps its place",
        "start",
        """\
    if job.attempt.slot is not None:
        runtime.ledger.release_slot(job.lane, job.attempt.slot)
    logger.warning("job_queued_again\"""",
        """\
    logger.warning("job_queued_again\"""",
        harmless="the sweep frees it a lease later: time is lost, no promise",
    ),
    # Settling
    _one(
        "a task's end is written without a claim",
        "settle",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    return _followed(_conclude(claimed, observed, runtime), runtime)
""",
        """\
    return _followed(_conclude(job, observed, runtime), runtime)
""",
    ),
    _one(
        "pictures of an unheard submission are taken without a claim",
        "settle",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    return _followed(_store(claimed.with""",
        """\
    claimed = job
    return _followed(_store(claimed.with""",
        look_in="an MPS task",
    ),
    _one(
        "storing goes on without a claim",
        "settle",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    return _followed(_store(claimed, runtime), runtime)
""",
        """\
    return _followed(_store(job, runtime), runtime)
""",
    ),
    _one(
        "a callback that comes too early is forgotten",
        "settle",
        "        runtime.ledger.note_task(job_id, session_id, task_id)\n",
        "",
        look_in="callback comes while",
    ),
    _one(
        "pictures to be stored later are not noted",
        "settle",
        "    runtime.ledger.note_unstored(job)\n",
        "",
    ),
    _one(
        "the place is given back after the job was left to others",
        "settle",
        """\
    slot = job.attempt.slot
    if slot is not None and runtime.ledger.release_slot(job.lane, slot):
        job = job.with_attempt(slot=None)
    return runtime.ledger.write(job.model_copy(update={"owned_until": None}))
""",
        """\
    slot = job.attempt.slot
    left = runtime.ledger.write(job.model_copy(update={"owned_until": None}))
    if slot is not None:
        runtime.ledger.release_slot(job.lane, slot)
    return left
""",
        look_in="given back while",
    ),
    _one(
        "a job succeeds without a picture",
        "results",
        "    if not pictures:",
        "    if False:",
        look_in="everything",
    ),
    # Cancelling
    _one(
        "a waiting job is cancelled without being claimed",
        "cancel",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return None
""",
        """\
    claimed = job
""",
        look_in="a waiting call is cancelled",
    ),
    # Recovering
    _one(
        "a call is repeated without being claimed",
        "recover",
        """\
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    noted = runtime.ledger.noted_task(claimed)
    if noted:
        return started(claimed, noted, runtime)
    again""",
        """\
    claimed = job
    noted = runtime.ledger.noted_task(claimed)
    if noted:
        return started(claimed, noted, runtime)
    again""",
        look_in="two sweeps go on",
    ),
    _one(
        "a call that is repeated is taken for the first",
        "recover",
        "again = claimed.with_attempt(is_ambiguous=True).model_copy(",
        "again = claimed.model_copy(",
        look_in="the vendor's replies",
    ),
    _one(
        "MPS is asked again after a death",
        "recover",
        """\
    if not runtime.kind_of(job).deduplicates:
        return job
    return _send_again(job, runtime)
""",
        """\
    return _send_again(job, runtime)
""",
    ),
    _one(
        "a job is given up without being claimed",
        "recover",
        """\
def _give_up(job: Job, runtime: Runtime) -> Job:
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
""",
        """\
def _give_up(job: Job, runtime: Runtime) -> Job:
    claimed = job
""",
        look_in="is given up",
    ),
    _one(
        "MPS's copies are looked for after what leads to them is gone",
        "recover",
        """\
    tidy_staging(job, runtime)  # before the claims, which are what leads here
    runtime.ledger.forget_claims(job)
""",
        """\
    runtime.ledger.forget_claims(job)
    tidy_staging(job, runtime)
""",
    ),
    # Webhooks
    _one(
        "a webhook is owed only after the record says that the job has ended",
        "start",
        """\
    owing = owe(job.model_copy(update={"owned_until": None}), runtime)
    ended = runtime.ledger.write(owing)
""",
        """\
    ended = runtime.ledger.write(job.model_copy(update={"owned_until": None}))
    ended = owe(ended, runtime)
""",
        look_in="is told by",
    ),
    _one(
        "a webhook's marker is removed before the try is made",
        "webhooks",
        """\
    reply = _post(job, known, runtime)
    _conclude""",
        """\
    runtime.bucket.delete(owed.key)
    reply = _post(job, known, runtime)
    _conclude""",
        look_in="is told by",
    ),
    _one(
        "the next try is not owed when one has failed",
        "webhooks",
        "        _mark(job, len(told.tries), runtime.now() + told.wait, runtime)\n",
        "",
        look_in="is told by",
    ),
    _one(
        "a marker is removed though its job is about to end",
        "webhooks",
        """\
        if runtime.ledger.is_old(owed.modified):
            runtime.bucket.delete(owed.key)
""",
        """\
        runtime.bucket.delete(owed.key)
""",
        look_in="sees what is owed",
    ),
)
QUICK = (
    "a claim is taken without being written",
    "the call is made before the record says so",
    "the record is written before its queue marker",
    "a throttle after a lost reply counts as the vendor's word",
)
"""Those that `make test` tries: one of each sort."""


def source(mutation: Mutation, functions: Path) -> tuple[Path, str]:
    """Say which file a mutation changes, and to what.

    Raises:
        StaleMutationError: It does not fit the source.
    """
    path = functions / "aigc" / "jobs" / f"{mutation.module}.py"
    text = path.read_text(encoding="utf-8")
    for old, new in mutation.edits:
        if text.count(old) != 1:
            times = text.count(old)
            raise StaleMutationError(
                f"{mutation.title}: {path.name} has {times} times what is to change:\n{old}"
            )
        text = text.replace(old, new)
    return path, text


def try_out(mutation: Mutation, seconds: float = SECONDS) -> dict[str, str]:
    """Let the simulation look for what a mutation breaks; say what found it, if anything."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "functions"
        shutil.copytree(ROOT / "functions", copy, ignore=shutil.ignore_patterns("__pycache__"))
        path, text = source(mutation, copy)
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "tests.simulation", "--find", mutation.look_in]
        command += ["--seconds", f"{seconds:g}"]
        paths = os.pathsep.join((str(copy), str(ROOT)))
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if ran.returncode:
        raise RuntimeError(f"{mutation.title}: the simulation did not run:\n{ran.stderr}")
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def check(only: str, seconds: float, say: Callable[[str], object]) -> list[Result]:
    """Try all mutations, or some, and say what came of each.

    Raises:
        StaleMutationError: One does not fit the source.
        RuntimeError: The simulation finds a fault where nothing was changed.
    """
    unchanged = try_out(Mutation("nothing", "start", ()), seconds)
    if unchanged["by"]:
        raise RuntimeError(f"nothing was changed, yet {unchanged['by']}: {unchanged['problem']}")
    results = []
    for mutation in MUTATIONS:
        if only in mutation.title:
            found = try_out(mutation, seconds)
            by = (
                f"{found['by']}, {found['after']}: {found['problem']}" if found["by"] else "nothing"
            )
            say(f"{mutation.title}: {by}")
            results.append((mutation, found))
    return results


def unexpected(results: Sequence[Result]) -> list[str]:
    """Name what should have been noticed and was not, or the other way round."""
    return [one.title for one, found in results if bool(found["by"]) == bool(one.harmless)]


def write_table(results: Sequence[Result]) -> None:
    """Put what came of the mutations into the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    text = "\n".join(_table(results))
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield "| left out or changed | what noticed | after |"
    yield "|---|---|---|"
    for mutation, found in results:
        noticed = found["by"] or f"nothing: {mutation.harmless or '?'}"
        yield f"| {mutation.title} | {noticed} | {found['after']} |"
