"""A bucket that was versioned is removed, with every version that COS keeps of its objects."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from aigc_cli.account import Answer
from aigc_cli.verify.resources import remove_all

if TYPE_CHECKING:
    from aigc_cli.account import Account
    from aigc_cli.verify.scratch import Scratch

PAGE = 2


@dataclass
class VersionedBucket:
    """A bucket as COS documents it after versioning was enabled, and perhaps suspended."""

    is_suspended: bool = False
    versions: list[tuple[str, str, str]] = field(default_factory=list)
    """Key, version and kind: `Version` or `DeleteMarker`. The newest first."""
    is_removed: bool = False
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def put(self, key: str, version: str = "") -> None:
        self._write(key, "Version", version)

    def cos(
        self, method: str, bucket: str, key: str = "", *, params: dict[str, str] | None = None
    ) -> Answer:
        """Answer a request as COS does."""
        assert bucket == "b-1250000000"
        params = params or {}
        if method == "DELETE":
            return self._delete(key, params.get("versionId", ""))
        if "versions" in params:
            return _answer(200, "".join(map(_entry, self.versions[:PAGE])))
        if "uploads" in params:
            return _answer(200, "")
        keys = [key for key, kind in self._latest().items() if kind == "Version"]
        listed = [key for key in sorted(keys) if key > params.get("marker", "")]
        contents = (f"<Contents><Key>{key}</Key></Contents>" for key in listed[:PAGE])
        return _answer(200, "".join(contents))

    def _delete(self, key: str, version: str) -> Answer:
        if not key:
            self.is_removed = not self.versions
            return _answer(204 if self.is_removed else 409, "")
        if version:
            self.versions = [kept for kept in self.versions if kept[:2] != (key, version)]
        else:
            self._write(key, "DeleteMarker")
        return _answer(204, "")

    def _latest(self) -> dict[str, str]:
        return {key: kind for key, _, kind in reversed(self.versions)}

    def _write(self, key: str, kind: str, version: str = "") -> None:
        version = version or ("null" if self.is_suspended else f"v{next(self._numbers)}")
        kept = [entry for entry in self.versions if entry[:2] != (key, version)]
        self.versions = [(key, version, kind), *kept]


@dataclass
class OneBucket:
    """The notes of a run that has created one bucket."""

    resources: list[tuple[str, str]]

    def forget(self, kind: str, name: str) -> None:
        self.resources.remove((kind, name))


def _entry(entry: tuple[str, str, str]) -> str:
    key, version, kind = entry
    return f"<{kind}><Key>{key}</Key><VersionId>{version}</VersionId></{kind}>"


def _answer(status: int, content: str) -> Answer:
    return Answer(status, {}, f"<Result>{content}</Result>".encode())


def removed(bucket: VersionedBucket) -> list[str]:
    """Remove the bucket as a run does at its end; return what is left."""
    scratch = OneBucket([("bucket", "b-1250000000")])
    return remove_all(cast("Account", bucket), cast("Scratch", scratch))


def test_every_version_of_every_object_is_removed() -> None:
    bucket = VersionedBucket()
    bucket.put("old", "null")
    for key in ("a", "b", "a", "c", "old"):
        bucket.put(key)

    assert removed(bucket) == []
    assert bucket.is_removed


def test_marks_of_deletions_while_versioning_was_suspended_are_removed() -> None:
    bucket = VersionedBucket()
    bucket.put("a")
    bucket.is_suspended = True
    bucket.put("b")

    assert removed(bucket) == []
    assert bucket.is_removed
