"""Since when each rule exists: reconciliation processes no object that is older.

| key of the ledger | what it is |
|---|---|
| `inbox/since/<selection>/<milliseconds>` | when a sweep first saw a rule with this selection |

A rule is the same rule as long as it selects the same uploads and treats repeats alike; its name,
its task and its results may change. So a wider prefix counts as a new rule, and so does a rule that
was gone for a while. If two sweeps see a new rule at once, or a listing is late, there are several
dates, and the earliest is valid.
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
"""Fields of a rule that decide which uploads it concerns."""


def selection_of(rule: Rule) -> str:
    """Return a digest of what a rule selects."""
    selectors = rule.model_dump(mode="json", include=set(SELECTORS), exclude_defaults=True)
    return hashlib.sha256(json.dumps(selectors, sort_keys=True).encode()).hexdigest()[:32]


def rule_dates(rules: Rules, runtime: Runtime) -> Mapping[str, datetime]:
    """Return since when each rule exists, by its name; a rule that is new exists from now on.

    `inbox_since` of the settings replaces all dates.
    """
    fixed = runtime.settings.inbox_since
    if fixed is not None:
        return dict.fromkeys((rule.name for rule in rules.rule), fixed)
    selections = {rule.name: selection_of(rule) for rule in rules.rule}
    dates = _read_dates(runtime.ledger.bucket)
    _forget(dates.keys() - set(selections.values()), runtime)
    for selection in set(selections.values()) - dates.keys():
        now = runtime.now().replace(microsecond=0)  # COS knows an object's time to the second
        runtime.ledger.write_note(f"{SINCE}{selection}/{milliseconds(now):013d}")
        dates[selection] = now
    return {name: dates[selection] for name, selection in selections.items()}


def _forget(selections: Iterable[str], runtime: Runtime) -> None:
    """Forget the dates of rules that are gone: if one comes back, it is a new rule."""
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
    """Return since when the reconciliation exists in a stack; None if no sweep has run yet."""
    return min(_read_dates(bucket).values(), default=None)


def rules_at(moment: datetime, rules: Rules, dates: Mapping[str, datetime]) -> Rules:
    """Return the rules that existed when an object was written."""
    existing = tuple(rule for rule in rules.rule if dates[rule.name] <= moment)
    return Rules.model_construct(rule=existing)
