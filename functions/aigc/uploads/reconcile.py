"""Reconciliation: process the uploads that no event reported.

The sweep walks the inbox in order of keys and compares each page with the entries of the same
keys: two listings for 1,000 objects. An object whose content has an entry is settled. An event
only makes that an upload is processed earlier.

Listings are late, so an entry that seems to be missing is read by its key before the object is
processed. An object that is processed twice finds its jobs: their ids follow from its content.

An object that was written again with the same content has an older entry. It is read once, and
processed only if its own metadata changed; otherwise the entry is written again for the new time.
An object that was in the inbox before a rule matched it gets an entry that says so. With that
entry it is not processed later either, for example when it is copied onto itself.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from aigc.jobs.ports import PAGE
from aigc.uploads.deployed import publish
from aigc.uploads.entries import Entries, Entry, content_of, name_of, seconds, stem_of
from aigc.uploads.inbox_object import UnwantedError, read_object
from aigc.uploads.intake import process_upload
from aigc.uploads.rules import DeployedRules
from aigc.uploads.since import rule_dates, rules_at
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.turns import Turn
    from aigc.uploads.entries import EntryName, Kind, Reason
    from aigc.uploads.inbox_object import InboxObject
    from aigc.uploads.intake import ProcessedUpload
    from aigc.uploads.rules import Rules

logger = logging.getLogger("aigc.uploads")

PAGES = 5
"""Pages of 1,000 objects that a sweep compares; 100,000 objects take 20 sweeps."""

AT_ONCE = 16
"""Entries that are written at the same time."""


def reconcile_inbox(turn: Turn) -> None:
    """Process the uploads of some pages of the inbox that no event reported."""
    runtime = turn.runtime
    rules = runtime.memory.of(DeployedRules).rules
    walk = Reconciliation(rules, runtime)
    if not rules.rule:
        return
    publish(runtime)

    def check(listed: Listed) -> None:
        turn.report.uploads += walk.check(listed)

    turn.each(turn.walk(walk.page, pages=PAGES), check)


class Reconciliation:
    """A comparison of the inbox with the entries, a page at a time."""

    def __init__(self, rules: Rules, runtime: Runtime) -> None:
        self._rules = rules
        self._runtime = runtime
        self._entries = Entries(runtime.ledger.bucket)
        self._dates: Mapping[str, datetime] = rule_dates(rules, runtime)
        self._unsettled: dict[str, list[EntryName]] = {}

    def page(self, after: str) -> Sequence[Listed]:
        """List at most `PAGE` objects after a key and compare them with their entries.

        For objects that are older than their rules, entries are written.
        """
        page = self._runtime.buckets.inbox.list("", after, PAGE)
        old = [listed for listed, names in self._open(page) if not self._keep(listed, names)]
        writes = [partial(self._entries.write, self._before(listed)) for listed in old]
        self._runtime.parallel_in_groups(writes, AT_ONCE)
        return page

    def check(self, listed: Listed) -> bool:
        """Process an object of the last page if it is not settled; return whether a job is new."""
        names = self._unsettled.pop(listed.key, None)
        if names is None or self._is_settled_by_key(listed):
            return False
        try:
            upload = read_object(listed.key, self._runtime)
        except UnwantedError as error:
            self._entries.write(self._refusal(listed, error.reason, str(error)))
            return False
        if upload is None or self._is_unchanged(listed, upload, names):
            return False
        rules = rules_at(upload.modified, self._rules, self._dates)
        processed = process_upload(upload, rules, self._runtime)
        _log(processed)
        return processed.is_new

    def _open(self, page: Sequence[Listed]) -> list[tuple[Listed, list[EntryName]]]:
        """Return the objects of a page that a rule may match and that are not settled."""
        candidates = [
            listed
            for listed in page
            if self._rules.may_match(listed.key) and not listed.key.endswith("/")
        ]
        if not candidates:
            return []
        names_of: dict[str, list[EntryName]] = {}
        for name in self._entries.between(candidates[0].key, candidates[-1].key):
            names_of.setdefault(name.stem, []).append(name)
        by_object = ((listed, names_of.get(stem_of(listed.key), [])) for listed in candidates)
        return [(listed, names) for listed, names in by_object if not _settles(names, listed)]

    def _keep(self, listed: Listed, names: list[EntryName]) -> bool:
        """Keep an object for `check` unless it is very new; return False if it is too old."""
        # No protocol depends on this time: a later event finds the same job.
        after = timedelta(seconds=self._runtime.settings.reconcile_after_s)
        latest = self._runtime.now() - after
        if listed.modified > latest:
            return True
        if not rules_at(listed.modified, self._rules, self._dates).may_match(listed.key):
            return False
        self._unsettled[listed.key] = names
        return True

    def _is_settled_by_key(self, listed: Listed) -> bool:
        name = name_of(listed.key, listed.etag, listed.modified, "job")
        return self._entries.read(name) is not None

    def _is_unchanged(self, listed: Listed, upload: InboxObject, names: list[EntryName]) -> bool:
        """Whether the object was only written again and has an entry for the same content.

        Then the entry is written again with the new time.
        """
        older = [name for name in _same_content(names, listed) if name.kind != "redo"]
        if not older or upload.peek.etag != listed.etag or self._rules.repeats(listed.key):
            return False
        entry = self._entries.read(max(older, key=lambda name: name.time))
        if entry is None or (entry.kind != "before" and entry.metadata != upload.metadata_digest):
            return False
        self._entries.write(
            with_fields(entry, modified=listed.modified, noted_at=self._runtime.now())
        )
        return True

    def _before(self, listed: Listed) -> Entry:
        detail = "it was in the inbox before a rule matched it"
        return self._refusal(listed, "before_rule", detail, "before")

    def _refusal(self, listed: Listed, reason: Reason, detail: str, kind: Kind = "none") -> Entry:
        return Entry(
            key=listed.key,
            etag=listed.etag,
            size=listed.size,
            modified=listed.modified,
            kind=kind,
            noted_at=self._runtime.now(),
            reason=reason,
            detail=detail,
        )


def _same_content(names: list[EntryName], listed: Listed) -> list[EntryName]:
    content = content_of(listed.etag)
    return [name for name in names if name.content == content]


def _settles(names: list[EntryName], listed: Listed) -> bool:
    """Whether one of the entries is for this content and not older than the object."""
    return any(
        name.kind != "redo" and name.time >= seconds(listed.modified)
        for name in _same_content(names, listed)
    )


def _log(processed: ProcessedUpload) -> None:
    entry = processed.entry
    fields = {"key": entry.key, "size": entry.size}
    if entry.reason is not None:
        logger.info("upload_not_wanted", extra={**fields, "reason": entry.detail})
    for job in entry.jobs:
        outcome = "accepted" if processed.is_new else "known"
        ids = {"job": job.id, "rule": job.rule}
        logger.info("upload_reconciled", extra={**fields, **ids, "outcome": outcome})
