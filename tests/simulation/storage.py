"""The model of COS: what the code may rely on, and how weak everything else is.

- A PUT of one key is all or nothing, and the last one stays.
- A GET that begins after a PUT or DELETE of its key was answered sees the result.
- A PUT with the header that forbids to overwrite first reads and writes later, in two steps.
  Other requests may run between them: several creators may be answered that they created the key.
  In addition the read may miss keys that are younger than the window.
- A listing is in order and late: it may show each key as it was at any moment of the last minute.
- A PUT or DELETE without an answer may take effect later, within seconds.

The scheduler chooses: the orders of the two steps are separate moves, and the weak effects of a
request (`Request.weak`) are outcomes of it. A storm sets the window and the lag for its bucket.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aigc.jobs.ports import Listed
from tests.fakes import InMemoryStore, ManualClock
from tests.simulation.workers import (
    NO_ANSWER,
    READ_FAULTS,
    SENT_AGAIN,
    WRITE_FAULTS,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableSequence, Sequence

    from aigc.jobs.ports import Peek
    from tests.simulation.workers import Worker

LONGEST_WINDOW_S = 2.0
"""Between the look and the write of a create, at most."""
LONGEST_LAG_S = 60.0
"""How late a listing may be."""
LANDS_WITHIN_S = 10.0
"""After it was sent, a request takes effect within this time or not at all."""
BLIND = "sees no young key"
ALL_LATE = "shows nothing new"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Storage:
    """How weak COS is in a storm."""

    window_s: float = 0
    """Most seconds between the look and the write of a create."""
    is_blind: bool = False
    """Whether the look misses keys that are younger than the window."""
    lag_s: float = 0
    """How late listings may be."""

    @property
    def blind_s(self) -> float:
        """The age from which on a create sees a key."""
        return self.window_s if self.is_blind else 0


STORAGES = (
    Storage(),
    Storage(window_s=0.02),
    Storage(window_s=2),
    Storage(window_s=2, is_blind=True),
    Storage(lag_s=5),
    Storage(window_s=0.02, is_blind=True, lag_s=5),
    Storage(window_s=2, is_blind=True, lag_s=60),
)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A state of a key that ended at a moment: its modification time, None where it was absent."""

    until: datetime
    modified: datetime | None


class Bucket(InMemoryStore):
    """A bucket that remembers what late listings may show, and has a digest of its content."""

    def __init__(self, clock: ManualClock, name: str) -> None:
        super().__init__(clock, name)
        self.digest = 0
        self.blind_s: float = 0
        self.lag_s: float = LONGEST_LAG_S
        self.choose: Callable[[int], int] | None = None
        """Chooses which of so many states of a key a listing shows; 0 is the present one."""
        self.missed: MutableSequence[str] = []
        """The keys that the look of a create missed."""
        self._earlier: dict[str, MutableSequence[_Earlier]] = {}

    def sees(self, key: str) -> bool:
        """Whether the look of a create sees the key; note where it misses it."""
        if key not in self.objects:
            return False
        return not self.is_young(key, self.blind_s) or self.miss(key)

    def is_young(self, key: str, seconds: float) -> bool:
        """Whether an object is younger than that."""
        age = self._clock.moment - self.objects[key][1]
        return age < timedelta(seconds=seconds)

    def miss(self, key: str) -> bool:
        """Note that a look missed a key; return what it saw."""
        self.missed.append(key)
        return False

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        if self.choose is None:
            return super().list(prefix, after, limit)
        return self.list_late(prefix, after, limit, lambda _, states: self._chosen(states))

    def list_late(
        self,
        prefix: str,
        after: str,
        limit: int,
        choose: Callable[[str, Sequence[datetime | None]], datetime | None],
    ) -> Sequence[Listed]:
        """List keys, each in one of the states that it had within the lag, the newest first."""
        present = {one.key: one for one in super().list(prefix, after, 10**9)}
        shown = {key: one.modified for key, one in present.items()}
        for key in self.young_keys(prefix):
            if key > after:
                modified = choose(key, self._states(key))
                shown.pop(key, None)
                if modified is not None:
                    shown[key] = modified
        absent = Listed("", self._clock.moment)
        return [
            present.get(key, absent)._replace(key=key, modified=shown[key])
            for key in sorted(shown)[:limit]
        ]

    def young_keys(self, prefix: str) -> Sequence[str]:
        """List the keys that changed within the lag."""
        self._forget_old_states()
        return sorted(key for key in self._earlier if key.startswith(prefix))

    def late_variants(
        self, prefix: str, after: str, limit: int
    ) -> dict[str, Callable[[], Sequence[Listed]]]:
        """Return the late listings that a small case tries.

        One shows no change of the last minute; the others miss a single change each.
        """
        list_late = functools.partial(self.list_late, prefix, after, limit)
        keys = [key for key in self.young_keys(prefix) if self._other_presence(key)]
        variants: dict[str, Callable[[], Sequence[Listed]]] = {
            f"late for {key}": functools.partial(list_late, functools.partial(_flip, key))
            for key in keys
        }
        if len(keys) > 1:
            variants[ALL_LATE] = functools.partial(list_late, lambda _, states: states[-1])
        return variants

    def digest_of_earlier(self) -> int:
        """Return a digest of what late listings may show."""
        self._forget_old_states()
        return hash(frozenset((key, tuple(found)) for key, found in self._earlier.items()))

    def _chosen(self, states: Sequence[datetime | None]) -> datetime | None:
        assert self.choose is not None
        return states[self.choose(len(states))]

    def _states(self, key: str) -> Sequence[datetime | None]:
        present = self.objects[key][1] if key in self.objects else None
        return [present, *(one.modified for one in reversed(self._earlier[key]))]

    def _other_presence(self, key: str) -> bool:
        """Whether the key was absent and is present, or the other way round."""
        present, *earlier = self._states(key)
        return any((one is None) != (present is None) for one in earlier)

    def _forget_old_states(self) -> None:
        oldest = self._clock.moment - timedelta(seconds=self.lag_s)
        for key, states in list(self._earlier.items()):
            if states[0].until < oldest:
                self._earlier[key] = [one for one in states if one.until >= oldest]
                if not self._earlier[key]:
                    del self._earlier[key]

    def _write(self, key: str, body: bytes) -> None:
        self._note_change(key)
        super()._write(key, body)
        self.digest ^= hash((key, *self.objects[key]))

    def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            if key in self.objects:
                self._note_change(key)
        super()._remove(keys)

    def _note_change(self, key: str) -> None:
        modified = None
        if key in self.objects:
            self.digest ^= hash((key, *self.objects[key]))
            modified = self.objects[key][1]
        if self.lag_s:
            change = _Earlier(self._clock.moment, modified)
            self._earlier.setdefault(key, []).append(change)


def _flip(late: str, key: str, states: Sequence[datetime | None]) -> datetime | None:
    """Show one key as it was when it last was absent, if it is present, or the reverse."""
    present, *earlier = states
    if key != late:
        return present
    return next(one for one in earlier if (one is None) != (present is None))


class StorePort:
    """A bucket as a worker uses it: through the COS adapter, whose SDK repeats some requests."""

    def __init__(
        self,
        worker: Worker,
        bucket: Bucket,
        put: Callable[[str, bytes, str], None],
        *,
        label: str = "",
        also_reads: Callable[[str], str] | None = None,
    ) -> None:
        self._worker = worker
        self._bucket = bucket
        self._put = put
        self._label = label
        self._also_reads = also_reads

    def create(self, key: str, body: bytes) -> bool:
        """Look, then write; never sent twice."""
        is_taken = self._read(
            "create: look",
            key,
            lambda: self._bucket.sees(key),
            weak=lambda: self._blind_variants(key),
            is_continued=lambda seen: not seen,
        )
        return not is_taken and self._write(
            "create: write",
            (key,),
            lambda: self._put_created(key, body),
            faults=(NO_ANSWER,),
            body=body,
        )

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        self._write("put", (key,), lambda: self._put(key, body, content_type), body=body)

    def get(self, key: str) -> bytes | None:
        return self._read("get", key, lambda: self._bucket.get(key))

    def peek(self, key: str, size: int) -> Peek | None:
        return self._read("peek", key, lambda: self._bucket.peek(key, size))

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        bucket = self._bucket
        return self._read(
            "list",
            prefix,
            lambda: bucket.list(prefix, after, limit),
            lists=True,
            weak=lambda: bucket.late_variants(prefix, after, limit),
        )

    def delete(self, *keys: str) -> None:
        def effect() -> None:
            self._bucket.delete(*keys)

        def again() -> None:
            self._write("delete", keys, effect, faults=())

        if keys:
            self._write("delete", keys, effect, again=again)

    def delete_once(self, key: str) -> None:
        self._write("delete once", (key,), lambda: self._bucket.delete_once(key))

    def presigned_url(self, key: str, expires_s: int, process: str = "") -> str:
        return self._bucket.presigned_url(key, expires_s, process)

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        return self._bucket.presigned_upload(key, headers, expires_s)

    def _put_created(self, key: str, body: bytes) -> bool:
        self._put(key, body, "application/json")
        return True

    def _blind_variants(self, key: str) -> dict[str, Callable[[], bool]]:
        bucket = self._bucket
        if key not in bucket.objects or not bucket.is_young(key, LONGEST_WINDOW_S):
            return {}
        return {BLIND: lambda: bucket.miss(key)}

    def _read(self, verb: str, key: str, effect: Callable[[], T], **more: Any) -> T:
        keys = (self._label + key,)
        request: Request[T] = Request(verb, keys, effect, faults=READ_FAULTS, **more)
        return self._worker.ask_cos(request)

    def _write(
        self,
        verb: str,
        keys: tuple[str, ...],
        effect: Callable[[], T],
        *,
        again: Callable[[], T] | None = None,
        **more: Any,
    ) -> T:
        touched = tuple(self._label + key for key in keys)
        if self._also_reads:
            touched = (*touched, *map(self._also_reads, keys))
        faults = more.pop("faults", (*WRITE_FAULTS, SENT_AGAIN) if again else WRITE_FAULTS)
        request: Request[T] = Request(
            verb,
            touched,
            effect,
            faults=faults,
            changes=True,
            again=again,
            can_be_late=True,
            **more,
        )
        return self._worker.ask_cos(request)
