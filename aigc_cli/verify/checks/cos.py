"""Checks of COS: what the ledger, the inbox and the results rest on."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from aigc.api.images import PREVIEW
from aigc.cloud.cos import CosBucket
from aigc.cloud.parallel import in_threads
from aigc.image_files import HEAD, content_type_of
from aigc.jobs.clock import LedgerClock
from aigc.jobs.job import utc_now
from aigc.jobs.ledger.contest import Contest
from aigc.jobs.ledger.lease import Lease
from aigc_cli.verify.check import Group, expect, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc_cli.account import Answer
    from aigc_cli.verify.world import World

group = Group("cos")

CREATE = {"x-cos-forbid-overwrite": "true"}
CROWDS = (2, 20, 200)
REPEATS = 20
LATEST_LISTING_S = 60
LONGEST_KEY = 850
SAMPLES = Path(__file__).parents[2] / "samples"


def _at_once(count: int, request: Callable[[int], Answer]) -> list[Answer]:
    """Send requests from as many threads, which start together."""
    barrier = threading.Barrier(count)

    def send(number: int) -> Answer:
        barrier.wait()
        return request(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(send, range(count)))


@group.check(
    "create-refuses-existing",
    assumption="A PUT with `x-cos-forbid-overwrite: true` on a key that exists is answered 409"
    " `FileAlreadyExists`, and the object stays.",
    document="436/7749",
    used_by="the ledger's contests: it keeps contenders from meeting",
    otherwise="Nothing is lost or paid twice: contests do not rest on it. They cost more requests.",
)
def create_refuses_existing(world: World) -> str:
    """Create a key twice."""
    cos, bucket, key = world.account.cos, world.bucket, "create/existing"
    first = cos("PUT", bucket, key, headers=CREATE, body=b"first")
    second = cos("PUT", bucket, key, headers=CREATE, body=b"second")
    body = cos("GET", bucket, key).body
    expect(first.status == 200, f"the first create was answered {first}")
    expect((second.status, second.code) == (409, "FileAlreadyExists"), f"answered {second}")
    expect(body == b"first", "the second create replaced the object")
    return "409 FileAlreadyExists"


def _race(world: World, kind: str, headers: dict[str, str]) -> str:
    """Let crowds create fresh keys; return how many of each crowd were answered 200."""
    counts: list[str] = []
    for crowd in CROWDS:
        key = f"create/{kind}-{crowd}"
        answers = _at_once(
            crowd,
            lambda number, key=key: world.account.cos(  # type: ignore[misc]
                "PUT",
                world.bucket,
                key,
                headers=headers,
                body=b"" if headers.get("x-cos-copy-source") else str(number).encode(),
            ),
        )
        winners = [number for number, answer in enumerate(answers) if answer.status == 200]
        expect(winners, f"none of {crowd} creators was answered 200")
        counts.append(f"{len(winners)} of {crowd}")
        if "x-cos-copy-source" not in headers:
            body = world.account.cos("GET", world.bucket, key).body.decode()
            expect(int(body) in winners, f"the body of {crowd} creators is of one that was refused")
    return f"answered 200: {', '.join(counts)}"


@group.check(
    "create-at-once",
    assumption="Of 2, 20 and 200 concurrent creators of a fresh key at least one is answered 200,"
    " and the body that stays is of one that was answered 200.",
    document="436/7749; evidence against atomicity in apache/opendal pull request 7526",
    used_by="nothing: the ledger does not assume that only one is answered 200",
    otherwise="A contest may then end without a winner; the next generation follows.",
)
def create_at_once(world: World) -> str:
    """Let crowds create a fresh key by PUT."""
    return _race(world, "put", dict(CREATE))


@group.check(
    "copy-at-once",
    assumption="Of 2, 20 and 200 concurrent copies to a fresh key with"
    " `x-cos-forbid-overwrite: true` at least one is answered 200.",
    document="436/10881; evidence against atomicity in apache/opendal pull request 7526",
    used_by="nothing: the program makes no such copies",
    otherwise="Nothing changes.",
)
def copy_at_once(world: World) -> str:
    """Let crowds create a fresh key by copying."""
    world.account.cos("PUT", world.bucket, "create/source", body=b"source")
    host = world.host
    return _race(world, "copy", {**CREATE, "x-cos-copy-source": f"{host}/create/source"})


@group.check(
    "contest-at-once",
    assumption="Of 2, 20 and 200 contenders for one key of the ledger at most one wins.",
    used_by="jobs, claims, slots, budgets: nothing is paid twice",
    otherwise="A read after a write is late (see cos-read-after-write): do not deploy, report it.",
)
def contest_at_once(world: World) -> str:
    """Let crowds contend for one key with the ledger's own protocol."""
    account = world.account
    credentials = (account.secret_id, account.secret_key, account.token or None)
    clock = LedgerClock(ask=lambda: store.get("contest/time"))
    store = CosBucket(
        world.bucket,
        region=account.region,
        protocol=account.protocol,
        credentials=lambda: credentials,
        proxies=account.proxies,
        clock=clock,
    )
    lease = Lease(timedelta(minutes=15), clock)
    won: list[str] = []
    for crowd in CROWDS:
        contests = [Contest(store, lease, in_threads) for _ in range(crowd)]
        barrier = threading.Barrier(crowd)

        def contend(contest: Contest, crowd: int = crowd) -> bool:
            barrier.wait()  # noqa: B023  the pool ends before the next crowd
            return contest.acquire(f"contest/{crowd}") is not None

        with ThreadPoolExecutor(crowd) as pool:
            winners = sum(pool.map(contend, contests))
        expect(winners <= 1, f"{winners} of {crowd} contenders won")
        won.append(f"{winners} of {crowd}")
    return f"won: {', '.join(won)}"


@group.check(
    "read-after-write",
    assumption="A GET that begins after a PUT of its key was answered sees that PUT, for a new key"
    " and for an overwritten one.",
    used_by="the ledger: every promise about money rests on it",
    otherwise="Do not deploy: two invocations could pay for one job. Report it.",
)
def read_after_write(world: World) -> str:
    """Write and read keys in turn."""
    for number in range(REPEATS):
        for text in (b"new", b"overwritten"):
            world.account.cos("PUT", world.bucket, f"read/{number}", body=text)
            answer = world.account.cos("GET", world.bucket, f"read/{number}")
            expect(answer.body == text, f"after {text.decode()!r} a GET saw {answer}")
    return f"{2 * REPEATS} reads were up to date"


@group.check(
    "read-after-delete",
    assumption="A GET that begins after a DELETE of its key was answered sees no object.",
    used_by="the ledger: slots that were given back",
    otherwise="A slot is free later than it could be; nothing is paid twice.",
)
def read_after_delete(world: World) -> str:
    """Delete and read keys in turn."""
    for number in range(REPEATS):
        world.account.cos("PUT", world.bucket, f"deleted/{number}", body=b"x")
        world.account.cos("DELETE", world.bucket, f"deleted/{number}")
        answer = world.account.cos("GET", world.bucket, f"deleted/{number}")
        expect((answer.status, answer.code) == (404, "NoSuchKey"), f"a GET answered {answer}")
    return f"{REPEATS} reads answered 404 NoSuchKey"


@group.check(
    "listing-shows-new",
    assumption="A listing shows a new key within a minute.",
    document="436/30614: eventually consistent, without a bound",
    used_by="queues, the sweep, reconciliation: a new key is found late, never lost",
    otherwise="Jobs start later by that time. Nothing else changes.",
)
def listing_shows_new(world: World) -> str:
    """Look for a new key in listings."""
    world.account.cos("PUT", world.bucket, "listing/new", body=b"x")
    started = time.monotonic()
    wait_for(
        lambda: "listing/new" in world.listed("listing/"), LATEST_LISTING_S, "the key is listed"
    )
    return f"after {time.monotonic() - started:.2f} s"


@group.check(
    "listing-drops-deleted",
    assumption="A listing does not show a deleted key after a minute.",
    document="436/30614: eventually consistent, without a bound",
    used_by="queues and the sweep: they read a listed record before they act",
    otherwise="Markers of started jobs cost a read more. Nothing else changes.",
)
def listing_drops_deleted(world: World) -> str:
    """Look for a deleted key in listings."""
    world.account.cos("PUT", world.bucket, "listing/deleted", body=b"x")
    world.account.cos("DELETE", world.bucket, "listing/deleted")
    started = time.monotonic()
    wait_for(
        lambda: "listing/deleted" not in world.listed("listing/"),
        LATEST_LISTING_S,
        "the deleted key is not listed",
    )
    return f"after {time.monotonic() - started:.2f} s"


@group.check(
    "listing-order",
    assumption="Keys are listed in the order of their UTF-8 bytes, behind `marker` only.",
    document="436/7734",
    used_by="queues: markers sort by priority and age; walks continue after the last key",
    otherwise="Jobs start in another order. Walks could miss keys: report it.",
)
def listing_order(world: World) -> str:
    """List odd keys."""
    names = ["!", "-", "0", "A", "_", "a", "~", "é", "猫"]
    for name in names:
        world.account.cos("PUT", world.bucket, f"order/{name}", body=b"x")
    expected = sorted((f"order/{name}" for name in names), key=str.encode)
    wait_for(lambda: len(world.listed("order/")) == len(names), LATEST_LISTING_S, "all are listed")
    listed = world.listed("order/")
    expect(listed == expected, f"listed as {listed}")
    params = {"prefix": "order/", "marker": expected[3]}
    page = world.account.cos("GET", world.bucket, params=params).body.decode()
    behind = [part.partition("</Key>")[0] for part in page.split("<Key>")[1:]]
    expect(behind == expected[4:], f"behind the marker: {behind}")
    return "in order of bytes"


@group.check(
    "clock",
    assumption="`Date` of successive answers never goes back.",
    used_by="leases, which are measured by COS's clock",
    otherwise="Leases carry a margin of seconds; more than that needs a longer `timeout`.",
)
def clock(world: World) -> str:
    """Compare the dates of successive answers with each other and with this machine."""
    dates = []
    for _ in range(REPEATS):
        answer = world.account.cos("HEAD", world.bucket)
        dates.append(parsedate_to_datetime(answer.headers["Date"]))
    skew = (utc_now() - dates[-1]).total_seconds()
    back = max((b - a).total_seconds() for a, b in zip(dates[1:], dates, strict=False))
    expect(back <= 0, f"`Date` went back by {back:g} s")
    return f"never back; this machine is {skew:+.0f} s from it"


@group.check(
    "etag",
    assumption="The ETag of a simple upload is the same in the answers of PUT and HEAD and in the"
    " listing, and it is the MD5 of the content.",
    document="436/7749",
    used_by="the identity of an upload, which a listing and a read must agree on",
    otherwise="An upload that is found by a listing could become a second job: report it.",
)
def etag(world: World) -> str:
    """Compare the ETags of one object."""
    content = b"the same everywhere"
    put = world.account.cos("PUT", world.bucket, "etag/object", body=content)
    head = world.account.cos("HEAD", world.bucket, "etag/object")
    wait_for(lambda: world.listed("etag/"), LATEST_LISTING_S, "the object is listed")
    page = world.account.cos("GET", world.bucket, params={"prefix": "etag/"})
    listed = next(ET.fromstring(page.body).iter("ETag")).text or ""
    tags = {put.headers["ETag"].strip('"'), head.headers["ETag"].strip('"'), listed.strip('"')}
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    expect(tags == {digest}, f"ETags {sorted(tags)}, MD5 {digest}")
    return "MD5 everywhere"


@group.check(
    "last-modified",
    assumption="`Last-Modified` of HEAD and LastModified of the listing are the same second.",
    used_by="reconciliation, which processes uploads after a date",
    otherwise="Uploads of that second may be processed later.",
)
def last_modified(world: World) -> str:
    """Compare the two times of one object."""
    world.account.cos("PUT", world.bucket, "modified/object", body=b"x")
    head = world.account.cos("HEAD", world.bucket, "modified/object")
    wait_for(lambda: world.listed("modified/"), LATEST_LISTING_S, "the object is listed")
    page = world.account.cos("GET", world.bucket, params={"prefix": "modified/"})
    listed = next(ET.fromstring(page.body).iter("LastModified")).text or ""
    read = parsedate_to_datetime(head.headers["Last-Modified"])
    expect(f"{read:%Y-%m-%dT%H:%M:%S}" == listed[:19], f"HEAD {read}, listing {listed}")
    return "the same second"


@group.check(
    "copy-onto-itself",
    assumption="A copy of an object onto itself with new metadata keeps its ETag.",
    document="436/10881",
    used_by="the identity of an upload: a change of metadata that is not ours costs nothing",
    otherwise="Such a copy counts as a new upload and is paid for.",
)
def copy_onto_itself(world: World) -> str:
    """Change an object's metadata by a copy."""
    key = "copy/object"
    put = world.account.cos("PUT", world.bucket, key, body=b"content")
    host = world.host
    headers = {
        "x-cos-copy-source": f"{host}/{key}",
        "x-cos-metadata-directive": "Replaced",
        "x-cos-meta-note": "changed",
    }
    copied = world.account.cos("PUT", world.bucket, key, headers=headers)
    head = world.account.cos("HEAD", world.bucket, key)
    expect(copied.status == 200, f"the copy was answered {copied}")
    expect(head.headers.get("x-cos-meta-note") == "changed", "the metadata did not change")
    expect(head.headers["ETag"] == put.headers["ETag"], "the ETag changed")
    return "the same ETag"


@group.check(
    "versioned-ignores-create",
    assumption="A bucket with versioning ignores `x-cos-forbid-overwrite`.",
    document="436/7749",
    used_by="the sweep, which refuses to work with a versioned ledger",
    otherwise="The refusal is stricter than necessary. Nothing else changes.",
)
def versioned_ignores_create(world: World) -> str:
    """Create a key twice in a versioned bucket."""
    bucket = world.new_bucket("versioned")
    document = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    switched = world.account.cos("PUT", bucket, params={"versioning": ""}, body=document.encode())
    expect(switched.status == 200, f"versioning was answered {switched}")
    world.account.cos("PUT", bucket, "key", headers=CREATE, body=b"first")
    second = world.account.cos("PUT", bucket, "key", headers=CREATE, body=b"second")
    document = document.replace("Enabled", "Suspended")
    world.account.cos("PUT", bucket, params={"versioning": ""}, body=document.encode())
    expect(second.status == 200, f"the second create was answered {second}")
    return "overwritten"


@group.check(
    "delete-missing",
    assumption="DELETE of a missing key is answered 204.",
    document="436/7743",
    used_by="every removal in the ledger: it may be repeated",
    otherwise="The sweep logs errors and repeats; report it.",
)
def delete_missing(world: World) -> str:
    """Delete what does not exist."""
    answer = world.account.cos("DELETE", world.bucket, "missing/key")
    expect(answer.status == 204, f"answered {answer}")
    return "204"


@group.check(
    "range-of-empty",
    assumption="A ranged GET of an empty object is answered 416 `InvalidRange`.",
    used_by="uploads: an empty file is refused with a plain reason",
    otherwise="An empty file is refused as unreadable instead of empty.",
)
def range_of_empty(world: World) -> str:
    """Read the first bytes of an empty object."""
    world.account.cos("PUT", world.bucket, "empty/object")
    answer = world.account.cos("GET", world.bucket, "empty/object", headers={"Range": "bytes=0-99"})
    expect((answer.status, answer.code) == (416, "InvalidRange"), f"answered {answer}")
    return "416 InvalidRange"


@group.check(
    "longest-key",
    assumption=f"A key may have {LONGEST_KEY} bytes and no more.",
    document="436/13324",
    used_by="the check of keys before anything is paid for",
    otherwise="Longer keys fail when they are written; the job then ends as failed.",
)
def longest_key(world: World) -> str:
    """Write the longest key and one that is longer by a byte."""
    fits = world.account.cos("PUT", world.bucket, "k" * LONGEST_KEY, body=b"x")
    longer = world.account.cos("PUT", world.bucket, "k" * (LONGEST_KEY + 1), body=b"x")
    expect(fits.status == 200, f"{LONGEST_KEY} bytes were answered {fits}")
    expect(longer.status == 400, f"{LONGEST_KEY + 1} bytes were answered {longer}")
    return f"{LONGEST_KEY} accepted, {LONGEST_KEY + 1} refused with {longer.code}"


@group.check(
    "unknown-sub-resource",
    assumption="A PUT with an unknown sub-resource is refused and writes nothing.",
    used_by="nothing: it tells whether the local cloud refuses rightly",
    otherwise="The local cloud is stricter than COS.",
)
def unknown_sub_resource(world: World) -> str:
    """Write to a sub-resource that does not exist."""
    answer = world.account.cos(
        "PUT", world.bucket, "sub/object", params={"aigcunknown": ""}, body=b"x"
    )
    after = world.account.cos("GET", world.bucket, "sub/object")
    expect(answer.status >= 400, f"answered {answer}")
    expect(after.status == 404, "an object was written")
    return str(answer)


@group.check(
    "preview",
    assumption="A new bucket has image processing: a GET with the preview's `imageMogr2` in its"
    " signature is answered with a WebP.",
    document="436/36366",
    used_by="previews of images in lists",
    otherwise="The console shows whole images. Bind Cloud Infinite to the bucket, or set"
    " `previews` to `none`.",
)
def preview(world: World) -> str:
    """Read the preview of an image by its signed link."""
    key, photo = "preview/object.jpg", (SAMPLES / "coffee.jpg").read_bytes()
    world.account.cos("PUT", world.bucket, key, headers={"Content-Type": "image/jpeg"}, body=photo)
    answer = world.account.cos("GET", world.bucket, key, params={PREVIEW: ""})
    content_type = content_type_of(answer.body[:HEAD])
    expect(answer.status == HTTPStatus.OK, f"answered {answer}")
    expect(content_type == "image/webp", f"the answer is {content_type}")
    return f"a WebP of {len(answer.body)} bytes"


@group.check(
    "checksum",
    assumption="The answers of PUT and GET carry `x-cos-hash-crc64ecma`.",
    document="436/40334",
    used_by="clients that check what they upload",
    otherwise="Nothing changes.",
)
def checksum(world: World) -> str:
    """Read the checksum of an object."""
    put = world.account.cos("PUT", world.bucket, "crc/object", body=b"content")
    get = world.account.cos("GET", world.bucket, "crc/object")
    name = "x-cos-hash-crc64ecma"
    expect(put.headers.get(name), "PUT has none")
    expect(put.headers[name] == get.headers.get(name), f"GET has {get.headers.get(name)}")
    return "the same in both"


@group.check(
    "lifecycle",
    assumption="Lifecycle rules are read back as they were written.",
    used_by="`pulumi preview`, which compares them",
    otherwise="`pulumi up` writes them again each time, which is harmless.",
)
def lifecycle(world: World) -> str:
    """Write a rule and read it."""
    rule = (
        "<LifecycleConfiguration><Rule><ID>claims</ID><Filter><Prefix>claims/</Prefix></Filter>"
        "<Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule>"
        "</LifecycleConfiguration>"
    )
    bucket = world.new_bucket("lifecycle")
    digest = hashlib.md5(rule.encode(), usedforsecurity=False).digest()
    put = world.account.cos(
        "PUT",
        bucket,
        params={"lifecycle": ""},
        headers={"Content-MD5": base64.b64encode(digest).decode()},
        body=rule.encode(),
    )
    read = ET.fromstring(world.account.cos("GET", bucket, params={"lifecycle": ""}).body)
    seen = (read.findtext(".//ID"), read.findtext(".//Prefix"), read.findtext(".//Days"))
    expect(put.status == 200, f"answered {put}")
    expect(seen == ("claims", "claims/", "7"), f"read back as {seen}")
    return "unchanged"


@group.check(
    "multipart-etag",
    assumption="The ETag of an upload in parts is not the MD5 of its content, and ends in `-` and"
    " the number of parts.",
    document="436/7742",
    used_by="the identity of an upload: the same bytes in one part or in several are two uploads",
    otherwise="They are then one upload, which costs less.",
)
def multipart_etag(world: World) -> str:
    """Upload an object in one part."""
    key = "multipart/object"
    world.upload_in_one_part(key)
    tag = world.account.cos("HEAD", world.bucket, key).headers["ETag"].strip('"')
    expect(tag.endswith("-1"), f"the ETag is {tag}")
    return tag[-2:]
