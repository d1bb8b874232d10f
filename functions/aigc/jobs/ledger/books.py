"""Books: what the jobs of a month have used of each ceiling, and what they have reserved.

A book is immutable. Each change is a new revision, an object of its own:

| key | what it is |
|---|---|
| `budget/<month>/<revision>.json` | the book after so many changes |
| `budget/<month>/<revision>/<g>/…` | a contest: only its winner may write this revision |
| `budget/<month>/head` | the number of a revision that exists; the newest is at most a few later |

The contest is that of a creation (`Contest.create_once`), so a revision has one writer and follows
from the one before. All ceilings are in one book: a job that counts towards several is charged in
one step. The first book of a month is empty and is not stored.

No listing is read. Nothing of a month is removed while the month lasts: a reader with an old head
would otherwise take a removed revision for one that is free. A lifecycle rule removes it later.

A writer that dies before it has written its revision stops all changes for a lease; another
contender then writes it. A write without an answer that takes effect later is part of the book
all the same, so the next reader counts it.
"""

from __future__ import annotations

import functools
import itertools
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from aigc.errors import AmbiguousError, CloudError
from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.ledger.contest import Contest
    from aigc.jobs.ports import ObjectStore, Parallel

AHEAD = 8
"""Revisions that are read at once; the head is written once for this number of revisions."""


class Grant(Record):
    """What a job has reserved; the job may be submitted."""

    at: datetime
    images: int
    """The images that its task asks for."""
    amounts: dict[str, int]
    """Account (a ceiling in one period) → images, or units of money."""


class Book(Record):
    """One revision of a month's book."""

    month: str
    revision: int = 0
    used: dict[str, int] = Field(default_factory=dict)
    """Account → what ended jobs have used."""
    grants: dict[str, Grant] = Field(default_factory=dict)
    """Run of a job → what it has reserved; it has not been settled."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Ceiling → its limit when the book was written."""

    def reserved(self, account: str) -> int:
        """Return what jobs have reserved of an account and may yet use."""
        return sum(grant.amounts.get(account, 0) for grant in self.grants.values())

    def total(self, account: str) -> int:
        """Return what is used and reserved of an account."""
        return self.used.get(account, 0) + self.reserved(account)

    def with_grant(self, run: str, grant: Grant) -> Book:
        """Return the next revision, in which the run of a job has this grant and no other."""
        return with_fields(self, revision=self.revision + 1, grants={**self.grants, run: grant})

    def settled(self, used_images: Mapping[str, int]) -> Book:
        """Return the next revision, in which these runs have ended with so many images each.

        A run that used fewer images than it asked for gives the rest back.
        """
        used = dict(self.used)
        for run, images in used_images.items():
            grant = self.grants[run]
            for account, amount in grant.amounts.items():
                share = -(-amount * min(images, grant.images) // grant.images)
                used[account] = used.get(account, 0) + share
        grants = {run: grant for run, grant in self.grants.items() if run not in used_images}
        return with_fields(self, revision=self.revision + 1, used=used, grants=grants)

    def limited(self, limits: Mapping[str, int]) -> Book:
        """Return the next revision, with these limits; the book itself if it has them."""
        if self.limits == dict(limits):
            return self
        return with_fields(self, revision=self.revision + 1, limits=dict(limits))


class Books:
    """The books of all months."""

    def __init__(self, store: ObjectStore, contest: Contest, parallel: Parallel) -> None:
        self._store = store
        self._contest = contest
        self._parallel = parallel

    def newest(self, month: str, known: Book | None = None) -> Book:
        """Read the newest book of a month; one round trip if it is the known one."""
        if known is None or known.month != month:
            return self._from_head(month)
        following = self._read(month, known.revision + 1)
        return known if following is None else self._walk(following)

    def append(self, book: Book) -> Book | None:
        """Write the next revision; return None, or the newest book if another one was written.

        Raises:
            CloudError: Whether it was written, or will be, is not known.
        """
        key = _key(book.month, book.revision)
        existing = self._contest.create_once(key, lambda: self._read(book.month, book.revision))
        if existing is not None:
            return self._walk(existing)
        self._write(book)
        if book.revision % AHEAD == 0:
            self._write_head(book)
        return None

    def _write(self, book: Book) -> None:
        try:
            self._store.put(f"{_key(book.month, book.revision)}.json", _dump(book))
        except AmbiguousError:
            if self._read(book.month, book.revision) != book:
                raise

    def _write_head(self, book: Book) -> None:
        """Write the head; after an error readers read a few revisions more."""
        try:
            self._store.put(_head(book.month), str(book.revision).encode())
        except CloudError:
            return

    def _from_head(self, month: str) -> Book:
        head = self._store.get(_head(month))
        last = int(head) - 1 if head else 0
        book = self._walk(Book(month=month, revision=last))
        if last and book.revision == last:  # nothing is known of that revision but its number
            raise AmbiguousError(f"read the book of {month}: its head names no revision")
        return book

    def _walk(self, book: Book) -> Book:
        """Read the revisions after a book, and return the last of them."""
        while True:
            numbers = range(book.revision + 1, book.revision + 1 + AHEAD)
            reads = [functools.partial(self._read, book.month, number) for number in numbers]
            following = self._parallel(*reads)
            existing = list(itertools.takewhile(lambda next_book: next_book is not None, following))
            if existing:
                book = existing[-1]
            if len(existing) < AHEAD:
                return book

    def _read(self, month: str, revision: int) -> Book | None:
        body = self._store.get(f"{_key(month, revision)}.json")
        return None if body is None else Book.model_validate_json(body)


def _key(month: str, revision: int) -> str:
    return f"budget/{month}/{revision:08d}"


def _head(month: str) -> str:
    return f"budget/{month}/head"


def _dump(book: Book) -> bytes:
    return book.model_dump_json().encode()
