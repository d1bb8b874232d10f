"""`aigc keys`: make, list and revoke the API keys in a deployment's ledger.

A name is used once: the ids and the records of a key's requests contain it. A second key of the
same name, even a later one, would have access to the requests of the first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from aigc_cli import options
from aigc_cli.deployment import BucketOption, RegionOption, StackOption, deployment
from aigc_cli.output import JsonOption, print_json, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from aigc.jobs.ports import ObjectStore

NAMES = "keys/names/"
"""Prefix of an object for each name that was used; its content is the digest of the key."""


class KeyNameError(AigcError):
    """The name of a key cannot be used; the message has the reason."""


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make, list and revoke API keys with limits.\n\nExample: aigc keys new shop",
)


def create(name: str, limits: Limits, bucket: ObjectStore, now: datetime) -> str:
    """Create a key. The name is reserved first, so that only one of two callers can use it.

    Raises:
        KeyNameError: A key has or had this name.
    """
    key = new_key()
    digest = digest_of(key)
    if not bucket.create(f"{NAMES}{name}", digest.encode()):
        raise KeyNameError(f"a key has or had the name {name}; allowed: a name that was never used")
    record = KeyRecord(name=name, created_at=now, limits=limits)
    # Defaults are left out: an older version refuses a key with an unknown limit, even if unset.
    bucket.put(record_key(digest), record.model_dump_json(exclude_defaults=True).encode())
    return key


def revoke(name: str, bucket: ObjectStore, now: datetime) -> KeyRecord:
    """Revoke a key permanently; return its record from before.

    Raises:
        KeyNameError: The ledger has no such key.
    """
    digest = bucket.get(f"{NAMES}{name}")
    record = read_key(digest.decode(), bucket) if digest else None
    if digest is None or record is None:
        raise KeyNameError(f"there is no key {name}; `aigc keys list` shows all keys")
    if record.revoked_at is None:
        revoked = record.model_copy(update={"revoked_at": now})
        bucket.put(record_key(digest.decode()), revoked.model_dump_json().encode())
    return record


def records(bucket: ObjectStore) -> Iterator[KeyRecord]:
    """Yield the records of all keys of the ledger, by name."""
    after = ""
    while page := bucket.list(NAMES, after):
        for listed in page:
            digest = bucket.get(listed.key)
            record = read_key(digest.decode(), bucket) if digest else None
            if record is not None:  # otherwise only the name was reserved
                yield record
        after = page[-1].key


@app.command()
def new(
    name: Annotated[
        str,
        typer.Argument(
            parser=options.key_name, help="Its name in logs, lists and records; never used again."
        ),
    ],
    kinds: Annotated[  # noqa: ANN401  typer would read a tuple's type as several values
        Any,
        typer.Option(
            parser=options.kinds, metavar="KIND,…", help="Only these kinds: vod.image,mps.image."
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            parser=options.whole(1), metavar="N", help="Highest number of calls in a minute."
        ),
    ] = None,
    jobs_per_day: Annotated[
        int | None,
        typer.Option(parser=options.whole(1), metavar="N", help="Highest number of jobs in a day."),
    ] = None,
    budget: Annotated[
        Decimal | None,
        typer.Option(
            parser=options.money, metavar="AMOUNT", help="Budget of a month, by prices.toml."
        ),
    ] = None,
    own_only: Annotated[
        bool, typer.Option("--own-only", help="The key sees only its own requests.")
    ] = False,
    visible_label: Annotated[
        bool,
        typer.Option("--visible-label", help="The vendor draws its logo into this key's images."),
    ] = False,
    operate: Annotated[
        bool, typer.Option("--operate", help="The key may replay and restore jobs that it sees.")
    ] = False,
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """Make a key and print it, only this once.

    Example: aigc keys new shop --kinds vod.image --jobs-per-day 100 --stack prod
    """
    target = deployment(stack, bucket, region)
    if name in target.key_names:
        raise KeyNameError(f"the stack's configuration has a key {name}; allowed: another")
    limits = Limits(
        kinds=kinds,
        requests_per_minute=requests_per_minute,
        jobs_per_day=jobs_per_day,
        budget_per_month=budget,
        own_only=own_only,
        visible_label=visible_label,
        operate=operate,
    )
    key = create(name, limits, target.open_ledger(), utc_now())
    if as_json:
        print_json({"name": name, "key": key})
    else:
        _note(f"the key {name}, shown only this once:")
        print(key)
    if not target.knows_key_names:
        _note("if the stack's configuration has a key of this name, the new key will be refused")
    if budget is not None:
        _note("the budget uses prices.toml: tasks without a price are refused")


@app.command("list")
def list_keys(
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """List the keys and their limits; the keys themselves are stored nowhere.

    Example: aigc keys list --stack prod
    """
    target = deployment(stack, bucket, region)
    in_ledger = list(records(target.open_ledger()))
    if as_json:
        configured: list[dict[str, Any]] = [
            {"name": name, "created_at": None, "revoked_at": None, "limits": {}}
            for name in target.key_names
        ]
        print_json([*configured, *map(_describe, in_ledger)])
    else:
        rows = [("NAME", "MADE", "REVOKED", "LIMITS")]
        rows += [(name, "in the configuration", "", "none") for name in target.key_names]
        print_table([*rows, *map(_row, in_ledger)])
    if not target.knows_key_names:
        _note("the stack's configuration may have more keys: --stack shows them")


@app.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """Revoke a key permanently.

    Example: aigc keys revoke shop --stack prod
    """
    target = deployment(stack, bucket, region)
    if name in target.key_names:
        raise KeyNameError(
            f"the key {name} is in the stack's configuration: take it out of apiKeys with"
            " `pulumi config`, then `pulumi up`"
        )
    record = revoke(name, target.open_ledger(), utc_now())
    if as_json:
        print_json({"name": name, "was_revoked_before": record.revoked_at is not None})
    elif record.revoked_at is None:
        print(f"revoked {name}; the functions refuse it within {REMEMBERED_S} seconds")
    else:
        print(f"{name} was revoked on {_day(record.revoked_at)}")


def _describe(record: KeyRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "created_at": record.created_at.isoformat(),
        "revoked_at": record.revoked_at.isoformat() if record.revoked_at else None,
        "limits": record.limits.model_dump(mode="json", exclude_defaults=True),
    }


def _row(record: KeyRecord) -> tuple[str, ...]:
    made, revoked = _day(record.created_at), _day(record.revoked_at)
    return record.name, made, revoked, _limits_text(record.limits)


def _limits_text(limits: Limits) -> str:
    number_limits = {
        "requests a minute": limits.requests_per_minute,
        "jobs a day": limits.jobs_per_day,
        "a month": limits.budget_per_month,
    }
    parts = [
        *([",".join(limits.kinds)] if limits.kinds else []),
        *(f"{number} {unit}" for unit, number in number_limits.items() if number is not None),
        *(["its own only"] if limits.own_only else []),
        *(["visible label"] if limits.visible_label else []),
        *(["may operate"] if limits.operate else []),
    ]
    return "; ".join(parts) or "none"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""


def _note(text: str) -> None:
    print_text(text, stderr=True)
