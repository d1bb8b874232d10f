"""The composition root: it creates the collaborators of an invocation."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.downloads import VendorDownloads
from aigc.cloud.folder import folder_of
from aigc.cloud.parallel import in_threads
from aigc.cloud.signing_time import sign_by
from aigc.cloud.webhooks import PublicSender
from aigc.jobs.buckets import Buckets
from aigc.jobs.clock import LedgerClock
from aigc.jobs.ledger import Ledger
from aigc.jobs.ledger.lease import Lease
from aigc.jobs.ports import Inbox, ObjectStore
from aigc.jobs.runtime import Memory, Runtime
from aigc.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aigc.ceilings import Ceiling
    from aigc.jobs.job import Job
    from aigc.jobs.ports import Clock, Downloads, Parallel, Sender, TaskService
    from aigc.prices import Prices

HAS_CEILINGS = Path(__file__).parents[1] / "has-ceilings"
"""An empty file that is in the zip if `prices.toml` has ceilings."""

DEADLINE_MARGIN_S = 1.0
"""Kept free before the platform kills the process, to answer and to log."""

DEFAULT_LIMIT_MS = 3000
"""SCF's own default timeout."""


class Bucket(ObjectStore, Inbox, Protocol):
    """A bucket as an adapter opens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The implementations of the ports; the cloud, a laptop and the tests have different ones."""

    open_bucket: Callable[[str], Bucket]
    """Returns the bucket with this name."""
    upstream: TaskService
    downloads: Downloads
    sender: Sender
    clock: Clock
    parallel: Parallel = in_threads


def assemble(
    settings: Settings,
    adapters: Adapters,
    *,
    seconds: float,
    memory: Memory,
    prices: Callable[[], Prices] | None = None,
) -> Runtime:
    """Build the runtime of an invocation that may run for this number of seconds.

    Without `prices` the packaged table is used.
    """
    bucket = adapters.open_bucket(settings.ledger_bucket)
    lease = Lease(timedelta(seconds=settings.lease_s), adapters.clock)
    return Runtime(
        settings=settings,
        ledger=Ledger(bucket, lease, adapters.parallel),
        buckets=_open_buckets(settings, adapters.open_bucket),
        upstream=adapters.upstream,
        downloads=adapters.downloads,
        sender=adapters.sender,
        report_of=_report_of,
        prices=prices or _packaged_prices,
        ceilings=(lambda: prices().ceiling) if prices else _packaged_ceilings,
        parallel=adapters.parallel,
        memory=memory,
        clock=adapters.clock,
        ends_at=adapters.clock.own_seconds() + seconds,
    )


def build_runtime(context: Mapping[str, Any], *, checks_bucket: bool = False) -> Runtime:
    """Build the runtime of a function's invocation.

    The context does not tell the remaining time, so it is counted from now. Only the sweep checks
    the ledger's bucket, since the check costs time.

    Raises:
        SettingsError: A setting or the ledger bucket is wrong.
        CloudError: The ledger bucket could not be read.
    """
    settings, adapters, memory = _instance()
    if checks_bucket:
        _check_ledger_bucket()
    limit_ms: float = context.get("time_limit_in_ms", DEFAULT_LIMIT_MS)
    seconds = limit_ms / 1000 - DEADLINE_MARGIN_S
    return assemble(settings, adapters, seconds=seconds, memory=memory)


def _open_buckets(settings: Settings, open_bucket: Callable[[str], Bucket]) -> Buckets:
    names = (settings.results_bucket, settings.inbox_bucket, *settings.input_buckets)
    opened = {name: open_bucket(name) for name in names}
    return Buckets(
        results=folder_of(opened[settings.results_bucket], settings.results_prefix),
        inbox=opened[settings.inbox_bucket],
        inputs=opened,
    )


@functools.cache
def _instance() -> tuple[Settings, Adapters, Memory]:
    """Return the objects that an instance of a function keeps between invocations."""
    settings = Settings.from_environment()
    clock = ledger_clock(lambda: _open_bucket(settings, clock, settings.ledger_bucket))
    adapters = Adapters(
        open_bucket=functools.partial(_open_bucket, settings, clock),
        upstream=CloudApi(site=settings.site, protocol=settings.protocol),
        downloads=VendorDownloads(hosts=settings.result_hosts),
        sender=PublicSender(plain_http=settings.webhook_http, networks=settings.webhook_networks),
        clock=clock,
    )
    return settings, adapters, Memory()


def ledger_clock(open_ledger: Callable[[], Bucket]) -> LedgerClock:
    """Return the clock of this instance, and make the SDKs sign with its time."""
    # Each answer of COS has a date, also if the object does not exist.
    clock = LedgerClock(ask=lambda: open_ledger().get("sweep/state.json"))
    sign_by(clock.unix_seconds)
    return clock


def _open_bucket(settings: Settings, clock: LedgerClock | None, name: str) -> CosBucket:
    return CosBucket(
        name,
        region=settings.region,
        protocol=settings.protocol,
        public_url=_public_url(settings, name),
        clock=clock,
    )


def _public_url(settings: Settings, bucket: str) -> str:
    """Return the base URL of links to a bucket; empty for the domain of COS."""
    if bucket == settings.results_bucket:
        return settings.results_url
    return settings.inbox_url if bucket == settings.inbox_bucket else ""


@functools.cache
def _check_ledger_bucket() -> None:
    """Check once in each instance that the ledger's bucket has no versioning."""
    settings, _, _ = _instance()
    if _open_bucket(settings, None, settings.ledger_bucket).is_versioned():
        raise SettingsError(
            f"versioning is on in {settings.ledger_bucket}: COS then ignores"
            " x-cos-forbid-overwrite, so that jobs start late and lanes can be over their limits,"
            " and old versions cost money; use a bucket that never had versioning"
        )


def _report_of(job: Job, runtime: Runtime) -> Mapping[str, Any]:
    from aigc.api.reports import report_of  # noqa: PLC0415  only a webhook needs the API's form of a job

    return report_of(job, runtime)


@functools.cache
def _packaged_ceilings() -> tuple[Ceiling, ...]:
    """Return the ceilings; without the file `has-ceilings` no prices are read or imported."""
    return _packaged_prices().ceiling if HAS_CEILINGS.exists() else ()


def _packaged_prices() -> Prices:
    from aigc.prices import packaged_prices  # noqa: PLC0415  few invocations need it

    return packaged_prices()
