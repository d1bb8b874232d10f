"""`aigc batch`: run the lines of a file through the API, check them, or list batches.

Each line is a call with an `Idempotency-Key` that follows from the file and the line. So the same
command again, after Ctrl-C or a crash, finds its earlier requests, and nothing is paid twice.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import requests
import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from aigc.api.call import ENDPOINTS
from aigc.errors import AigcError, InvalidRequestError
from aigc.jobs.job import utc_now
from aigc.tasks.fields import explain
from aigc.tasks.kinds import KINDS
from aigc.uploads.batches import BatchFileError, lines, report
from aigc.uploads.batches.records import Batch, Image, LineOutcome, name_of
from aigc.uploads.batches.sheet import Sheet
from aigc.wire import with_fields
from aigc_cli import options
from aigc_cli.deployment import StackOption
from aigc_cli.exits import FAILED
from aigc_cli.output import JsonOption, print_json, print_table, print_text, progress_bar
from aigc_cli.service import EndpointOption, KeyOption, Repeats, find_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aigc.uploads.batches.lines import Line
    from aigc_cli.service import Service

AT_ONCE = 8
"""Number of calls at the same time."""

POLLED = 64
"""Number of requests whose status one round queries: the first that have not ended."""

ROUND_S = 2.0
"""Seconds between two rounds."""

BATCH_REPEATS = Repeats(tries=8, statuses=frozenset({429, 502, 503, 504}))
"""A batch also waits if its key has reached a limit (429)."""

SHOWN_ERRORS = 50
REPORT_S = 10.0
"""Seconds between two writes of the report."""

_PATHS = {kind: path for path, kind in ENDPOINTS.items()}
_STATES = {"IN_QUEUE": "queued", "IN_PROGRESS": "running"}
_SHOWN_PROMPT = 300

FileArgument = Annotated[
    Path, typer.Argument(parser=options.existing_file, help="A .jsonl or .csv file.")
]
KindOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND", help="Kind of lines that do not name one: vod.image, for example."
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Run the lines of a file, check them, or list batches."
    "\n\nExample: aigc batch run spring.jobs.jsonl",
)


@dataclass(slots=True)
class Work:
    """A line of the file and its outcome."""

    number: int
    idempotency_key: str
    line: Line | None
    outcome: LineOutcome
    links: dict[str, str] = field(default_factory=dict)


class BatchStoppedError(AigcError):
    """The service refuses all calls; the rest of the file is not sent."""


@app.command()
def check(file: FileArgument, kind: KindOption = None, as_json: JsonOption = False) -> None:
    """Check the lines of a file, and send nothing.

    Example: aigc batch check spring.jobs.jsonl --kind vod.image
    """
    works = read_file(file, kind or "")
    refused = [work.outcome for work in works if work.outcome.has_ended]
    kinds = Counter(work.outcome.kind for work in works if not work.outcome.has_ended)
    if as_json:
        print_json({"lines": len(works), "kinds": dict(kinds), "errors": _errors(works)})
    else:
        _print_errors(works)
        counts = "".join(f", {count} of {name}" for name, count in sorted(kinds.items()))
        print(f"{len(works)} lines: {len(refused)} wrong{counts}")
    if refused:
        raise typer.Exit(FAILED)


@app.command("list")
def list_batches(
    limit: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="At most this many batches.")
    ] = 20,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """List the batches of the inbox and their progress, newest first.

    Example: aigc batch list --limit 5
    """
    service = find_service(endpoint, key, stack)
    batches = service.entries("/v1/batches", "batches", limit)
    if as_json:
        print_json(batches)
        return
    rows = [("FILE", "SINCE", "LINES", "STATE", "LINES BY STATE")]
    rows += [
        (
            batch["object_key"],
            f"{batch['created_at']:.19}",
            str(batch["lines"]),
            _batch_state(batch),
            ", ".join(f"{count} {state}" for state, count in batch["states"].items()),
        )
        for batch in batches
    ]
    print_table(rows)


def _batch_state(batch: dict[str, Any]) -> str:
    if batch["problem"]:
        return str(batch["problem"])
    if not batch["is_read"]:
        return "is being read"
    return "complete" if batch["is_complete"] else "runs"


@app.command()
def run(
    file: FileArgument,
    kind: KindOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=options.folder, metavar="FOLDER", help="Save images and a contact sheet here."
        ),
    ] = None,
    priority: Annotated[
        str,
        typer.Option(metavar="low|normal", help="With low, jobs wait for those of single calls."),
    ] = "low",
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Make a request of each line, and wait until all have ended.

    The report, one line of JSON for each line, is written beside the file. The same command
    continues an interrupted run. The exit status is 1 if a line did not succeed.

    Example: aigc batch run spring.jobs.jsonl --stack prod --out spring
    """
    if priority not in {"low", "normal"}:
        raise typer.BadParameter(f"{priority!r}; allowed: low, normal", param_hint="'--priority'")
    works = read_file(file, kind or "")
    runner = Runner(find_service(endpoint, key, stack), priority, works, Output(file, out))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with progress_bar(*columns, TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=len(works))
        runner.run(lambda counts: bar.update(task, completed=counts[0], description=counts[1]))
    counts = Counter(work.outcome.state for work in works)
    if as_json:
        report = str(runner.output.report)
        print_json({"states": dict(counts), "errors": _errors(works), "report": report})
    else:
        _print_errors(works)
        print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        print(runner.output.report)
    if counts["succeeded"] < len(works):
        raise typer.Exit(FAILED)


def _errors(works: list[Work]) -> list[dict[str, Any]]:
    outcomes = (work.outcome for work in works)
    return [{"line": outcome.line, "error": outcome.error} for outcome in outcomes if outcome.error]


def _print_errors(works: list[Work]) -> None:
    errors = _errors(works)
    for error in errors[:SHOWN_ERRORS]:
        # An error of the whole line names the line itself.
        print_text(f"line {error['line']}: {error['error'].removeprefix('the line: ')}")
    if len(errors) > SHOWN_ERRORS:
        print(f"and {len(errors) - SHOWN_ERRORS} more")


def read_file(file: Path, kind: str) -> list[Work]:
    """Read and check all lines of a file.

    Raises:
        BatchFileError: The file is too large or has no valid header.
    """
    data = file.read_bytes()
    if len(data) > lines.MAX_BYTES:
        raise BatchFileError(f"{file} has {len(data)} bytes; at most {lines.MAX_BYTES} are read")
    if kind and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r}; allowed: {', '.join(KINDS)}", param_hint="'--kind'")
    is_csv = file.suffix.lower() == ".csv"
    raw_lines = list(lines.raw_lines([data], is_csv=is_csv))
    if len(raw_lines) > lines.MAX_LINES:
        raise BatchFileError(f"{file} has {len(raw_lines)} lines; at most {lines.MAX_LINES}")
    form = lines.Form()
    if is_csv:
        header = raw_lines.pop(0) if raw_lines else None
        if header is None or header.text is None:
            raise BatchFileError(f"{file} has no header")
        form = lines.parse_header(header.text)
    digest = hashlib.sha256(data).hexdigest()[:32]
    return [_work(raw, form, kind, digest) for raw in raw_lines if not raw.is_blank]


def _work(raw: lines.RawLine, form: lines.Form, kind: str, digest: str) -> Work:
    idempotency_key = f"batch-{digest}-{raw.number}"
    try:
        line = lines.parse_line(raw, form, kind)
        prompt = _checked_prompt(line)
    except InvalidRequestError as error:
        outcome = LineOutcome(
            line=raw.number,
            custom_id=lines.custom_id_of(raw, form),
            state="refused",
            error=str(error),
            error_type="invalid_request",
        )
        return Work(raw.number, idempotency_key, None, outcome)
    outcome = LineOutcome(
        line=raw.number, custom_id=line.custom_id, kind=line.kind, prompt=prompt[:_SHOWN_PROMPT]
    )
    return Work(raw.number, idempotency_key, line, outcome)


def _checked_prompt(line: Line) -> str:
    """Check the parameters of a line as the service does; return its prompt."""
    parameters = {
        name: value for name, value in line.body.items() if name not in {"result", "webhook_url"}
    }
    try:
        return KINDS[line.kind].model.model_validate(parameters).prompt_text()
    except ValidationError as error:
        raise explain(error) from None


class Output:
    """The report beside the file, and the folder for images and contact sheet, if one is set."""

    def __init__(self, file: Path, folder: Path | None) -> None:
        self.report = file.with_name(f"{file.name}.report.jsonl")
        self._file = file
        self._folder = folder

    def write(self, works: Iterable[Work]) -> None:
        """Write report and contact sheet; after a crash the older ones remain."""
        text, sheet = report.Report(), Sheet("")
        for work in works:
            text.add(work.outcome)
            sheet.add(work.outcome)
        name = name_of(self._file.name)
        batch = Batch(
            id="",
            rule="",
            key=self._file.name,
            etag="",
            size=0,
            created_at=utc_now(),
            folder="",
            priority=0,
            is_read=True,
        )
        _replace(self.report, text.body(batch))
        if self._folder is not None:
            _replace(self._folder / f"{name}.html", sheet.body(batch, name))

    def save(self, work: Work, images: list[dict[str, Any]]) -> tuple[Image, ...]:
        """Save the images of a line; return their entries for report and contact sheet."""
        return tuple(self._save_image(work, image) for image in images)

    def _save_image(self, work: Work, image: dict[str, Any]) -> Image:
        name = str(image["file_name"])
        if self._folder is not None:
            name = f"{work.number:06d}-{Path(name).name}"
            target = self._folder / name
            if not target.exists():
                answer = requests.get(image["url"], timeout=60)
                answer.raise_for_status()
                _replace(target, answer.content)
        return Image(key=name, width=int(image["width"]), height=int(image["height"]))


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)


@dataclass(slots=True)
class Runner:
    """Sends lines and follows their requests."""

    service: Service
    priority: str
    works: list[Work]
    output: Output
    _written_at: float = 0.0

    def run(self, show: Callable[[tuple[int, str]], None]) -> None:
        """Send all lines, then wait until all have ended; the report is written regularly.

        Raises:
            BatchStoppedError: The service refuses all calls.
        """
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                valid = [work for work in self.works if work.line is not None]
                for _ in pool.map(self._submit, valid):
                    self._show(show, "sending")
                while waiting := [work for work in self.works if not work.outcome.has_ended]:
                    time.sleep(ROUND_S)
                    for _ in pool.map(self._poll, waiting[:POLLED]):
                        self._show(show, "waiting")
        finally:
            self.output.write(self.works)

    def _show(self, show: Callable[[tuple[int, str]], None], phase: str) -> None:
        ended = sum(work.outcome.has_ended for work in self.works)
        show((ended, phase))
        if time.monotonic() - self._written_at > REPORT_S:
            self.output.write(self.works)
            self._written_at = time.monotonic()

    def _submit(self, work: Work) -> None:
        line = work.line
        assert line is not None  # noqa: S101  the caller checks it
        body = {**line.body, **({"custom_id": line.custom_id} if line.custom_id else {})}
        headers = {"Idempotency-Key": work.idempotency_key, "X-Fal-Queue-Priority": self.priority}
        answer = self._call("POST", f"/{_PATHS[line.kind]}", json=body, headers=headers)
        if answer.status_code in {401, 403}:
            raise BatchStoppedError(f"{self.service.endpoint} answers {_detail(answer)}")
        if not answer.ok:
            self._end(work, "refused", _detail(answer), _type(answer))
            return
        submitted = answer.json()
        work.links = {name: submitted[name] for name in ("status_url", "response_url")}
        work.outcome = with_fields(work.outcome, job=submitted["request_id"])

    def _poll(self, work: Work) -> None:
        status = self._call("GET", work.links["status_url"])
        state = status.json().get("status") if status.ok else "COMPLETED"
        if state != "COMPLETED":
            work.outcome = with_fields(work.outcome, state=_STATES.get(state, "running"))
            return
        result = self._call("GET", work.links["response_url"])
        if result.ok:
            images = self.output.save(work, result.json()["images"])
            work.outcome = with_fields(work.outcome, state="succeeded", images=images)
        else:
            state = "cancelled" if _type(result) == "cancelled" else "failed"
            self._end(work, state, _detail(result), _type(result))

    def _end(self, work: Work, state: str, error: str, error_type: str) -> None:
        work.outcome = with_fields(work.outcome, state=state, error=error, error_type=error_type)

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:  # noqa: ANN401
        return self.service.send(method, path, repeats=BATCH_REPEATS, **options)


def _detail(answer: requests.Response) -> str:
    return str(_problem(answer).get("detail") or f"{answer.status_code} {answer.reason}")


def _type(answer: requests.Response) -> str:
    return str(_problem(answer).get("error_type") or answer.status_code)


def _problem(answer: requests.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except requests.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}
