"""`aigc rules`: check `rules.toml`, and show what an upload would become, before it is deployed."""

from __future__ import annotations

import json
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.errors import InvalidRequestError
from aigc.jobs.buckets import STAGING
from aigc.jobs.job import utc_now
from aigc.object_keys import checked_key
from aigc.tasks.kind import ApiCall, Submission
from aigc.tasks.kinds import KINDS
from aigc.uploads.conditions import UploadFacts
from aigc.uploads.rules import load_rules
from aigc.uploads.templates import OWN_METADATA
from aigc_cli import options
from aigc_cli.exits import FAILED
from aigc_cli.output import JsonOption, print_json
from aigc_cli.prices import check_ceilings, load_prices
from aigc_cli.sources import ROOT

if TYPE_CHECKING:
    from aigc.uploads.rule import Rule

RULES = ROOT / "rules.toml"
PRICES = ROOT / "prices.toml"

JOB, SUB_APP_ID, BUCKET, REGION = "<job>", "<sub-app-id>", "<results-bucket>", "<region>"
"""What only a deployment knows, in a request that is only shown."""

INBOX = "<inbox>"
LEDGER = "<ledger>"
"""The digest of the ledger's bucket in a session."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Check rules.toml, or show what an upload becomes.\n\nExample: aigc rules check",
)


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(
            parser=options.existing_file, help="The rules to check.", show_default="rules.toml"
        ),
    ] = RULES,
    as_json: JsonOption = False,
) -> None:
    """Check rules and the ceilings that count them, and print which uploads become which tasks.

    Example: aigc rules check rules.toml
    """
    rules = load_rules(file)
    check_ceilings(rules, load_prices(PRICES))
    if as_json:
        print_json([rule.model_dump(mode="json", exclude_defaults=True) for rule in rules.rule])
        return
    for rule in rules.rule:
        made = "a job of each line" if rule.is_batch else rule.kind
        print(f"{rule.name}: {_conditions(rule)} → {made}{_and_on(rule)}")


@app.command("test")
def show_request(
    key: Annotated[str, typer.Argument(help="Key of the upload: anime/cat.jpg.")],
    meta: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help=f"Metadata {OWN_METADATA}<name>; repeatable."),
    ] = None,
    size: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="BYTES", help="Size of the upload.")
    ] = 2**20,
    content_type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Its type; the key's extension by default."),
    ] = None,
    file: Annotated[
        Path,
        typer.Option(
            "--rules",
            parser=options.existing_file,
            metavar="FILE",
            help="The rules.",
            show_default="rules.toml",
        ),
    ] = RULES,
    as_json: JsonOption = False,
) -> None:
    """Show the request that an upload would become, and why other rules do not apply.

    Nothing is sent. The exit status is 1 if the upload would become no job.

    Example: aigc rules test anime/cat.jpg --meta style=ink
    """
    upload = UploadFacts(
        bucket=INBOX,
        key=_key(key),
        size=size,
        content_type=content_type or mimetypes.guess_type(key)[0] or "",
        metadata=dict(map(_pair, meta or [])),
    )
    selection = load_rules(file).select(upload)
    trial = Trial(upload, [_tried(rule, upload) for rule in selection.applied])
    trial.passed_over = {rule.name: reason for rule, reason in selection.passed_over}
    if as_json:
        print_json(trial.shown())
    else:
        print(trial.text())
    if not any(tried.request for tried in trial.applied):
        raise typer.Exit(FAILED)


@dataclass(slots=True)
class Tried:
    """What one rule makes of an upload."""

    rule: Rule
    reason: str = ""
    """Why the rule makes no job of it; empty if it does."""
    request: ApiCall | None = None
    results: str = ""
    priority: int = 0

    def shown(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        if self.request is None:
            return {"rule": self.rule.name, "refused": self.reason}
        return {
            "rule": self.rule.name,
            "kind": self.rule.kind,
            "results": self.results,
            "priority": self.priority,
            "request": {
                "service": self.request.service,
                "version": self.request.version,
                "action": self.request.action,
                "params": self.request.params,
            },
        }

    def text(self) -> str:
        """Return the lines for a person."""
        if self.request is None:
            return f"{self.rule.name}: matches, but makes no job: {self.reason}"
        params = json.dumps(self.request.params, ensure_ascii=False, indent=2)
        return (
            f"{self.rule.name}: becomes a job of {self.rule.kind}, priority {self.priority}\n"
            f"results: {self.results}-1.… and {self.results}.json\n"
            f"request: {self.request.service} {self.request.action} {self.request.version}\n"
            f"{params}"
        )


@dataclass(slots=True)
class Trial:
    """What all rules make of an upload."""

    upload: UploadFacts
    applied: list[Tried]
    passed_over: dict[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "key": self.upload.key,
            "size": self.upload.size,
            "content_type": self.upload.content_type,
            "metadata": self.upload.metadata,
            "jobs": [tried.shown() for tried in self.applied],
            "passed_over": self.passed_over,
        }

    def text(self) -> str:
        """Return the lines for a person."""
        jobs = [tried.text() for tried in self.applied]
        passed_over = [f"{name}: passed over: {why}" for name, why in self.passed_over.items()]
        verdict = [] if jobs else [f"no rule matches {self.upload.key}"]
        sample = [_PLACEHOLDERS] if any(tried.request for tried in self.applied) else []
        return "\n".join([*jobs, *verdict, *passed_over, *sample])


_PLACEHOLDERS = (
    f"({JOB}, {LEDGER}, {SUB_APP_ID}, {BUCKET}, {REGION} and {INBOX}\n"
    "are known when it is sent; cos:// links are then signed. Nothing was sent.)"
)


def _tried(rule: Rule, upload: UploadFacts) -> Tried:
    if rule.is_batch:
        return Tried(rule, "it is a batch: `aigc batch check FILE` checks its lines")
    try:
        task = rule.task_for(upload, job_id=JOB, today=utc_now())
        location = rule.output_location(upload, job_id=JOB, today=utc_now())
    except InvalidRequestError as error:
        return Tried(rule, str(error))
    request = KINDS[rule.kind].create(task, _SUBMISSION)
    if "SubAppId" in request.params:
        request.params["SubAppId"] = SUB_APP_ID
    results = f"{location.prefix}{location.name}"
    return Tried(rule, request=request, results=results, priority=task.tasks_priority or 0)


_SUBMISSION = Submission(
    sub_app_id=0,
    session_id=f"{LEDGER}-{JOB}-1",
    session_context=JOB,
    input_url=lambda url: url,
    store_bucket=BUCKET,
    store_region=REGION,
    store_path=f"{STAGING}{JOB}/1/",
)


def _key(text: str) -> str:
    try:
        return checked_key(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: it {error}", param_hint="'key'") from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r}; allowed: name=value", param_hint="'--meta'")
    return name.lower().removeprefix(OWN_METADATA), value


def _conditions(rule: Rule) -> str:
    key = " or ".join(rule.glob) or f"{rule.prefix}*{'|'.join(rule.suffix)}"
    others = [
        rule.min_bytes is not None and f"at least {rule.min_bytes} bytes",
        rule.max_bytes is not None and f"at most {rule.max_bytes} bytes",
        " or ".join(rule.content_type),
        *(f"{name} = {' or '.join(values)}" for name, values in rule.metadata.items()),
    ]
    return ", ".join([key, *(other for other in others if other)])


def _and_on(rule: Rule) -> str:
    return ", and later rules" if rule.continues else ""
