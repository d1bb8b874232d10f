"""Since when each rule exists: reconciliation processes no object that is older.

| key of the ledger | content |
|---|---|
| `inbox/since/<selection>/<milliseconds>` | when a sweep first saw a rule with this selection |

A rule is identified by its selection: the fields that select uploads, and `repeat`. Its name, its
task and its results may change. A rule with a wider prefix is a new rule, and so is a rule that was
removed and added again. If two sweeps see a new rule at the same time, or a listing is late, there
are several dates, and the earliest is valid.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aigc.jobs.job import from_milliseconds, milliseconds
from aigc.uploads.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from aigc.jobs.ports import ObjectStore
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.rule import Rule

SINCE = "inbox/since/"

SELECTORS = (
    *("prefix", "suffix", "glob", "min_bytes", "max_bytes", "content_type", "metadata"),
    "repeat",
)
"""The fields of a rule that are its selection."""


def selection_of(rule: Rule) -> str:
    """Return the digest of the selection of a rule."""
    selectors = rule.model_dump(mode="json", include=set(SELECTORS), exclude_defaults=True)
    return hashlib.sha256(json.dumps(selectors, sort_keys=True).encode()).hexdigest()[:32]


def rule_dates(rules: Rules, runtime: Runtime) -> Mapping[str, datetime]:
    """Return since when each rule exists, by its name; for a new rule this is now.

    The setting `inbox_since` replaces all dates.
    """
    fixed = runtime.settings.inbox_since
    if fixed is not None:
        return dict.fromkeys((rule.name for rule in rules.rule), fixed)
    selections = {rule.name: selection_of(rule) for rule in rules.rule}
    dates = _read_dates(runtime.ledger.bucket)
    _forget(dates.keys() - set(selections.values()), runtime)
    for selection in set(selections.values()) - dates.keys():
        now = runtime.now().replace(microsecond=0)  # COS stores the time of an object in seconds
        runtime.ledger.write_note(f"{SINCE}{selection}/{milliseconds(now):013d}")
        dates[selection] = now
    return {name: dates[selection] for name, selection in selections.items()}


def _forget(selections: Iterable[str], runtime: Runtime) -> None:
    """Remove the dates of rules that were removed; such a rule is new if it is added again."""
    bucket = runtime.ledger.bucket
    for selection in selections:
        bucket.delete(*(listed.key for listed in bucket.list(f"{SINCE}{selection}/")))


def _read_dates(bucket: ObjectStore) -> dict[str, datetime]:
    dates: dict[str, datetime] = {}
    for listed in bucket.list(SINCE):
        selection, _, time = listed.key.removeprefix(SINCE).partition("/")
        moment = from_milliseconds(time)
        dates[selection] = min(moment, dates.get(selection, moment))
    return dates


def first_date(bucket: ObjectStore) -> datetime | None:
    """Return when the first sweep of a stack has seen a rule; None if no sweep has run yet."""
    return min(_read_dates(bucket).values(), default=None)


def rules_at(moment: datetime, rules: Rules, dates: Mapping[str, datetime]) -> Rules:
    """Return the rules that existed when an object was written."""
    existing = tuple(rule for rule in rules.rule if dates[rule.name] <= moment)
    return Rules.model_construct(rule=existing)
