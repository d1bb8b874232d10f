"""The status of each object of the inbox, for the API and the commands."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aigc.jobs.ports import PAGE
from aigc.uploads.entries import Entries, Entry, EntryJob, content_of, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.entries import EntryName, Reason
    from aigc.uploads.rules import Rules

Outcome = Literal["job", "none", "pending"]
"""`job`: it became one or more jobs. `none`: it has no job, for a reason. `pending`: neither its
event nor the reconciliation has processed it yet."""

NO_RULE = "no rule matches its key"


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """An object of the inbox, and the names of the entries for its present content."""

    listed: Listed
    names: tuple[EntryName, ...]
    outcome: Outcome

    def explain(self, entries: Sequence[Entry]) -> tuple[Reason | None, str]:
        """Return the reason why there is no job, and a text, from the entries that were read.

        The text for an object with jobs names its batch, and the rules that made no job.
        """
        if self.outcome == "job":
            return None, "; ".join(dict.fromkeys(entry.detail for entry in entries if entry.detail))
        if self.outcome != "none":
            return None, ""
        refusals = [entry for entry in entries if entry.reason is not None]
        return (refusals[-1].reason, refusals[-1].detail) if refusals else ("no_rule", NO_RULE)

    def entries(self, runtime: Runtime) -> list[Entry]:
        """Read the entries, the oldest first."""
        store = Entries(runtime.ledger.bucket)
        reads = [functools.partial(store.read, name) for name in self.names]
        entries = [entry for entry in runtime.parallel(*reads) if entry is not None]
        return sorted(entries, key=lambda entry: entry.noted_at)


def jobs_of(entries: Sequence[Entry]) -> list[EntryJob]:
    """Return the jobs that entries name, the oldest first, each once."""
    return list({job.id: job for entry in entries for job in entry.jobs}.values())


def statuses(
    rules: Rules, runtime: Runtime, *, prefix: str = "", after: str = ""
) -> Iterator[UploadStatus]:
    """Yield the statuses of the objects of the inbox after a key; folders are left out."""
    while page := runtime.buckets.inbox.list(prefix, after, PAGE):
        yield from statuses_of(page, rules, runtime)
        if len(page) < PAGE:
            return
        after = page[-1].key


def status_of(key: str, rules: Rules, runtime: Runtime) -> UploadStatus | None:
    """Return the status of an object; None if it is not in the inbox."""
    page = runtime.buckets.inbox.list(key, "", 1)
    if not page or page[0].key != key:
        return None
    return next(iter(statuses_of(page, rules, runtime)), None)


def statuses_of(page: Sequence[Listed], rules: Rules, runtime: Runtime) -> list[UploadStatus]:
    """Return the statuses of the objects of a page of the inbox."""
    files = [listed for listed in page if not listed.key.endswith("/")]
    if not files:
        return []
    names_of: dict[str, list[EntryName]] = {}
    for name in Entries(runtime.ledger.bucket).between(files[0].key, files[-1].key):
        names_of.setdefault(name.stem, []).append(name)
    return [_status(listed, names_of.get(stem_of(listed.key), []), rules) for listed in files]


def _status(listed: Listed, names: list[EntryName], rules: Rules) -> UploadStatus:
    content = content_of(listed.etag)
    own = tuple(name for name in names if name.content == content)
    return UploadStatus(listed, own, _outcome(listed, own, rules))


def _outcome(listed: Listed, names: tuple[EntryName, ...], rules: Rules) -> Outcome:
    if any(name.kind in {"job", "redo"} for name in names):
        return "job"
    if names or not rules.may_match(listed.key):
        return "none"
    return "pending"
