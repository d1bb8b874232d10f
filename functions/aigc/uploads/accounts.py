"""Accounts: the outcome of each object of the inbox, for the API and the commands."""

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

NO_RULE = "no rule concerns its key"


@dataclass(frozen=True, slots=True)
class Account:
    """An object of the inbox beside the names of the entries for its present content."""

    listed: Listed
    names: tuple[EntryName, ...]
    outcome: Outcome

    def explain(self, entries: Sequence[Entry]) -> tuple[Reason | None, str]:
        """Return why there is no job, and the same in words, by the entries that were read.

        The words about an object with jobs name its batch, and the rules that made no job of it.
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


def accounts(
    rules: Rules, runtime: Runtime, *, prefix: str = "", after: str = ""
) -> Iterator[Account]:
    """List the objects of the inbox behind a key, each with its account; folders are left out."""
    while page := runtime.buckets.inbox.list(prefix, after, PAGE):
        yield from accounts_of(page, rules, runtime)
        if len(page) < PAGE:
            return
        after = page[-1].key


def account_of(key: str, rules: Rules, runtime: Runtime) -> Account | None:
    """Return the account of one object; None if it is not in the inbox."""
    page = runtime.buckets.inbox.list(key, "", 1)
    if not page or page[0].key != key:
        return None
    return next(iter(accounts_of(page, rules, runtime)), None)


def accounts_of(page: Sequence[Listed], rules: Rules, runtime: Runtime) -> list[Account]:
    """Return the accounts of a page of the inbox."""
    files = [listed for listed in page if not listed.key.endswith("/")]
    if not files:
        return []
    names_of: dict[str, list[EntryName]] = {}
    for name in Entries(runtime.ledger.bucket).between(files[0].key, files[-1].key):
        names_of.setdefault(name.stem, []).append(name)
    return [_account(listed, names_of.get(stem_of(listed.key), []), rules) for listed in files]


def _account(listed: Listed, names: list[EntryName], rules: Rules) -> Account:
    content = content_of(listed.etag)
    own = tuple(name for name in names if name.content == content)
    return Account(listed, own, _outcome(listed, own, rules))


def _outcome(listed: Listed, names: tuple[EntryName, ...], rules: Rules) -> Outcome:
    if any(name.kind in {"job", "redo"} for name in names):
        return "job"
    if names or not rules.may_concern(listed.key):
        return "none"
    return "pending"
