"""`aigc keys`: make, list and revoke the API keys that lie in a deployment's ledger.

A name is given once: it is part of the ids of its key's requests, and it stands in their records.
Another key of the same name, a later one too, would find and see what was never asked for with it.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from aigc.api.keys import (
    REMEMBERED_S,
    KeyRecord,
    Limits,
    digest_of,
    new_key,
    read_key,
    record_key,
)
from aigc.errors import AigcError
from aigc.jobs.job import utc_now
from ops import options
from ops.deployment import add_options, deployment
from ops.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from aigc.jobs.ports import ObjectStore
    from ops.deployment import Deployment

NAMES = "keys/names/"
"""Below it the name of each key that ever was, with the key's digest in it."""


class KeyNameError(AigcError):
    """A name cannot be used for what was asked: it says why."""


def main(arguments: Sequence[str]) -> int:
    """Make, list or revoke.

    Raises:
        KeyNameError: The name is taken, or nobody's.
        DeploymentError: The deployment cannot be reached.
        CloudError: COS refused, or did not answer.
    """
    given = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace, Deployment], None]] = {
        "new": _new,
        "list": _list,
        "revoke": _revoke,
    }
    commands[given.command](given, deployment(given))
    return 0


def create(name: str, limits: Limits, bucket: ObjectStore, now: datetime) -> str:
    """Make a key; the name is taken first, so that of two at once one gets it.

    Raises:
        KeyNameError: A key has, or had, the name.
    """
    key = new_key()
    digest = digest_of(key)
    if not bucket.create(f"{NAMES}{name}", digest.encode()):
        raise KeyNameError(f"there is, or was, a key {name}; allowed: a name that was never used")
    record = KeyRecord(name=name, created_at=now, limits=limits)
    # An older deployment refuses a key with a limit that it does not know, even one not set.
    bucket.put(record_key(digest), record.model_dump_json(exclude_defaults=True).encode())
    return key


def revoke(name: str, bucket: ObjectStore, now: datetime) -> KeyRecord:
    """End a key for ever; return what it was before.

    Raises:
        KeyNameError: The ledger has no such key.
    """
    digest = bucket.get(f"{NAMES}{name}")
    record = read_key(digest.decode(), bucket) if digest else None
    if digest is None or record is None:
        raise KeyNameError(f"there is no key {name}; `aigc keys list` names those there are")
    if record.revoked_at is None:
        revoked = record.model_copy(update={"revoked_at": now})
        bucket.put(record_key(digest.decode()), revoked.model_dump_json().encode())
    return record


def records(bucket: ObjectStore) -> Iterator[KeyRecord]:
    """Read all keys of the ledger, by name."""
    after = ""
    while page := bucket.list(NAMES, after):
        for listed in page:
            digest = bucket.get(listed.key)
            record = read_key(digest.decode(), bucket) if digest else None
            if record is not None:  # else who took the name never came to write the key
                yield record
        after = page[-1].key


def _new(given: argparse.Namespace, stack: Deployment) -> None:
    if given.name in stack.key_names:
        raise KeyNameError(f"the stack's configuration has a key {given.name}; allowed: another")
    limits = Limits(
        kinds=given.kinds,
        requests_per_minute=given.requests_per_minute,
        jobs_per_day=given.jobs_per_day,
        budget_per_month=given.budget,
        own_only=given.own_only,
        visible_label=given.visible_label,
    )
    key = create(given.name, limits, stack.open_ledger(), utc_now())
    _say(f"the key {given.name}, shown this once:")
    print(key)
    if not stack.knows_key_names:
        _say("if the stack's configuration has a key of this name, this one will be refused")
    if given.budget is not None:
        _say("a budget is held against prices.toml: what has no price there is refused")


def _list(_given: argparse.Namespace, stack: Deployment) -> None:
    rows = [("NAME", "MADE", "REVOKED", "LIMITS")]
    rows += [(name, "in the configuration", "", "none") for name in stack.key_names]
    rows += [
        (record.name, _day(record.created_at), _day(record.revoked_at), _told(record.limits))
        for record in records(stack.open_ledger())
    ]
    print_table(rows)
    if not stack.knows_key_names:
        _say("there may be more in the stack's configuration: --stack shows them")


def _revoke(given: argparse.Namespace, stack: Deployment) -> None:
    if given.name in stack.key_names:
        raise KeyNameError(
            f"the key {given.name} is in the stack's configuration: take it out of apiKeys with"
            " `pulumi config`, then `pulumi up`"
        )
    record = revoke(given.name, stack.open_ledger(), utc_now())
    if record.revoked_at is None:
        print(f"revoked {given.name}; within {REMEMBERED_S} seconds nobody takes it any more")
    else:
        print(f"{given.name} was revoked on {_day(record.revoked_at)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aigc keys", description="API keys with limits.")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make a key, and print it this once")
    new.add_argument("name", type=options.key_name, help="for logs, lists and records; for ever")
    new.add_argument("--kinds", type=options.kinds, help="only these: vod.image,mps.image")
    new.add_argument("--requests-per-minute", type=options.count, help="calls of any kind")
    new.add_argument("--jobs-per-day", type=options.count)
    new.add_argument("--budget", type=options.money, help="for a month, as prices.toml counts")
    new.add_argument("--own-only", action="store_true", help="sees only its own requests")
    new.add_argument("--visible-label", action="store_true", help="logo by default")
    listing = commands.add_parser("list", help="list keys and their limits, never the keys")
    end = commands.add_parser("revoke", help="end a key")
    end.add_argument("name")
    for command in (new, listing, end):
        add_options(command)
    return parser


def _told(limits: Limits) -> str:
    counted = {
        "requests a minute": limits.requests_per_minute,
        "jobs a day": limits.jobs_per_day,
        "a month": limits.budget_per_month,
    }
    told = [
        *([",".join(limits.kinds)] if limits.kinds else []),
        *(f"{number} {what}" for what, number in counted.items() if number is not None),
        *(["its own only"] if limits.own_only else []),
        *(["visible label"] if limits.visible_label else []),
    ]
    return "; ".join(told) or "none"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr)
