"""The log events of the functions, and what each means: the table in docs/logs.md.

A test compares the names and levels with the calls of the loggers.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_cli.reference.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.reference.translation import Translate

FUNCTIONS = Path(__file__).resolve().parent.parent / "functions"

LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}
LEVELS["exception"] = "error"

EVENTS: dict[str, str] = {
    "batch_complete": "all lines of a batch have ended, and its last report is written",
    "batch_read": "lines of a batch were read: how many in all, and whether any are left",
    "batch_read_again": "outcomes of a batch are missing; its file is read again",
    "batch_reading_stopped": "COS failed while a batch was read; the next sweep continues",
    "batch_stopped": "an error of this program stopped a batch; the next sweep tries again",
    "batch_taken": "a file of the inbox became a batch",
    "batch_unreadable": "a batch's record is damaged; the list of batches leaves it out",
    "budget_not_reserved": "the month's book could not be changed; the next pump tries again",
    "call_crashed": "a call failed by an unexpected error; it was answered 500",
    "call_failed": "a call was answered with a status of 500 or more",
    "call_refused_unclearly": "the vendor refused with an unknown code; the job waits",
    "callback_not_matched": "VOD's callback names a task that its job does not have",
    "ceiling_used": "`percent` of a ceiling is used or reserved",
    "invocation_ended": "an invocation ended: `outcome`, `duration_ms`, and what it did",
    "job_deferred": "a job waits for a share of a ceiling, or for a price: `reason`, `ceiling`",
    "job_ended": "a job ended: `state`, and `error` if it failed",
    "job_held": "the vendor refused the account; the job waits and keeps its attempt",
    "job_queued_again": "an attempt was throttled, or the vendor had no capacity; the job waits",
    "job_released": "a ceiling has a share left for a job that waited; it waits in its lane again",
    "job_unreadable": "a job's record cannot be read",
    "key_name_taken": "an API key of the ledger is refused: the configuration has its name, too",
    "key_unreadable": "an API key's record cannot be read; the key is refused",
    "lane_not_listed": "a lane's queue could not be listed; the sweep tries again",
    "lane_not_resumed": "the end of a lane's pause could not be written; the next probe ends it",
    "lane_not_slowed_down": "the reduction of a lane could not be written",
    "lane_paused": "the vendor refuses the account: the lane starts nothing until a probe succeeds",
    "lane_recovered": "a lane that was slowed down has all its slots again",
    "lane_resumed": "the account is accepted again; the lane continues",
    "lane_slowed_down": "the vendor had no capacity: the lane has only `at_once` slots for a while",
    "launch_failed": "a new job could not be sent at once by an unexpected error; it waits",
    "launch_slowed_down": "a new job waits, since its lane could not be read in time",
    "launch_stopped": "a new job could not be sent at once; the sweep continues with it",
    "line_failed": "a line of a batch is refused by an error of this program",
    "look_failed": "a call that waits for its job could not read it; it reads again",
    "notice_failed": "a chat robot refused a message; the next sweep sends it again",
    "notice_given_up": "a chat robot accepted no message for two hours; its notices are removed",
    "notice_lost": "a chat robot will not report a job, since its marker could not be written",
    "notice_sent": "a chat robot accepted a message about `jobs` jobs",
    "pause_not_read": "an answer does not say whether a lane is paused, since COS failed",
    "pause_not_written": "a lane's pause could not be written; the next refusal writes it",
    "pause_unreadable": "a lane's pause is damaged; it is ignored",
    "image_not_labelled": "an image was stored without a label, since its format is not known",
    "images_not_matched": "MPS stored images under an attempt that its job does not have",
    "probe_failed": "the account is still refused; the next probe waits longer",
    "pump_failed": "waiting jobs could not be started by an unexpected error",
    "pump_stopped": "waiting jobs could not be started; the sweep tries again",
    "query_failed": "the state of an overdue task could not be queried",
    "query_refused": "the vendor refuses the query of a task",
    "record_failed": "an upload could not be processed; SCF repeats the event",
    "record_ignored": "a record of an event is not an upload",
    "record_set_aside": "this version cannot read a job's record; the job waits for a newer one",
    "records_unreadable": "at the end of a sweep: how many records this version cannot read",
    "result_not_stored_yet": "an image could not be stored; the sweep tries again",
    "slot_left_to_sweep": "a slot could not be released; the sweep releases it",
    "submission_ambiguous": "no answer shows whether the vendor accepted a task",
    "sweep_finished": "a sweep ended; the line says what each part did",
    "sweep_item_failed": "the sweep could not handle one item; it continues with the others",
    "sweep_part_failed": "a part of the sweep failed; the other parts continue",
    "sweep_state_not_written": "the progress of the sweep could not be saved; only time is lost",
    "sweep_state_unreadable": "the saved progress of the sweep is damaged; only time is lost",
    "task_overdue": "a task runs far longer than usual, or the outcome of a submission is unknown;"
    " its slot is free",
    "task_started": "the vendor accepted a task",
    "upload_not_found": "an event names an object that exists under no known form of its key",
    "upload_not_wanted": "an upload cannot be the input of a task: `reason`",
    "upload_reconciled": "an upload that no event reported became a job",
    "upload_taken": "an upload became a job",
    "webhook_dead": "a webhook was not delivered and is not sent again",
    "webhook_delivered": "a receiver accepted a webhook",
    "webhook_failed": "a receiver did not accept a webhook; it is sent again",
    "webhook_left": "a webhook could not be handled; the sweep tries again",
}


def event_table(translate: Translate) -> str:
    """Return the table of all events, with the levels at which the functions log them."""
    levels = logged()
    rows = (
        (f"`{event}`", ", ".join(sorted(levels.get(event, ()))), translate(meaning))
        for event, meaning in EVENTS.items()
    )
    return table(("event", "level", "meaning"), rows, translate)


def logged() -> dict[str, set[str]]:
    """Read the functions' sources: event → the levels at which it is logged."""
    events: dict[str, set[str]] = {}
    for path in FUNCTIONS.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for scope in ast.walk(tree):
            if isinstance(scope, ast.FunctionDef):
                for event, level in _logged_in(scope):
                    events.setdefault(event, set()).add(level)
    return events


def _logged_in(scope: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for node in ast.walk(scope):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "logger":
            continue
        if node.func.attr in LEVELS:
            yield _text(node.args[0]), LEVELS[node.func.attr]
        elif node.func.attr == "log":  # the level depends on the outcome, and the event may
            levels = [name for name in LEVELS if f"logging.{name.upper()}" in _source(node.args[0])]
            for event in _values_of(node.args[1], scope):
                yield from ((event, level) for level in levels)


def _values_of(node: ast.expr, scope: ast.FunctionDef) -> Iterator[str]:
    """Yield the texts that an argument may have: itself, or what a local variable is set to."""
    if isinstance(node, ast.Constant):
        yield _text(node)
    for other in ast.walk(scope):
        if isinstance(other, ast.Assign) and _source(other.targets[0]) == _source(node):
            yield _text(other.value)


def _source(node: ast.expr) -> str:
    return ast.unparse(node)


def _text(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""
