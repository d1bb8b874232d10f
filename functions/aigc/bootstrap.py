"""The composition root: here the collaborators of an invocation are put together."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.downloads import VendorDownloads
from aigc.cloud.parallel import in_threads
from aigc.cloud.webhooks import PublicSender
from aigc.jobs.buckets import Buckets
from aigc.jobs.job import utc_now
from aigc.jobs.ledger import Ledger
from aigc.jobs.ledger.lease import Lease
from aigc.jobs.ports import Inbox, ObjectStore
from aigc.jobs.runtime import Memory, Runtime
from aigc.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Clock, Downloads, Parallel, Sender, TaskService
    from aigc.prices import Prices

DEADLINE_MARGIN_S = 1.0
"""Kept free before the platform kills the process, to answer and to log."""

DEFAULT_LIMIT_MS = 3000
"""SCF's own default timeout."""


class Bucket(ObjectStore, Inbox, Protocol):
    """A bucket as an adapter opens it."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the present moment, aware of its zone."""
        return utc_now()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The implementations of the ports: what differs between the cloud, a laptop and a test."""

    open_bucket: Callable[[str], Bucket]
    """Returns the bucket with a name."""
    upstream: TaskService
    downloads: Downloads
    sender: Sender
    parallel: Parallel = in_threads
    clock: Clock = field(default_factory=SystemClock)


def assemble(
    settings: Settings,
    adapters: Adapters,
    *,
    deadline: datetime,
    memory: Memory,
    prices: Callable[[], Prices] | None = None,
) -> Runtime:
    """Put together the runtime of one invocation; without `prices` it reads the packaged table."""
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
        parallel=adapters.parallel,
        memory=memory,
        clock=adapters.clock,
        deadline=deadline,
    )


def build_runtime(context: Mapping[str, Any], *, checks_bucket: bool = False) -> Runtime:
    """Build the runtime of a function's invocation; what may live longer is kept for the next.

    The context has no remaining-time call: the deadline is counted from now. The sweep checks
    the ledger's bucket; a call has no time for that, and needs it only to be quick.

    Raises:
        SettingsError: The deployment is faulty.
        CloudError: The ledger bucket could not be read.
    """
    settings, adapters, memory = _instance()
    if checks_bucket:
        _check_ledger_bucket()
    limit = timedelta(milliseconds=context.get("time_limit_in_ms", DEFAULT_LIMIT_MS))
    deadline = utc_now() + limit - timedelta(seconds=DEADLINE_MARGIN_S)
    return assemble(settings, adapters, deadline=deadline, memory=memory)


def _open_buckets(settings: Settings, open_bucket: Callable[[str], Bucket]) -> Buckets:
    names = (settings.results_bucket, settings.inbox_bucket, *settings.input_buckets)
    opened = {name: open_bucket(name) for name in names}
    return Buckets(
        results=opened[settings.results_bucket],
        inbox=opened[settings.inbox_bucket],
        inputs=opened,
    )


@functools.cache
def _instance() -> tuple[Settings, Adapters, Memory]:
    """Return what an instance of a function keeps from one invocation to the next."""
    settings = Settings.from_environment()
    adapters = Adapters(
        open_bucket=functools.partial(_open_bucket, settings),
        upstream=CloudApi(site=settings.site, protocol=settings.protocol),
        downloads=VendorDownloads(hosts=settings.result_hosts),
        sender=PublicSender(plain_http=settings.webhook_http, networks=settings.webhook_networks),
    )
    return settings, adapters, Memory()


def _open_bucket(settings: Settings, name: str) -> CosBucket:
    public_url = settings.results_url if name == settings.results_bucket else ""
    return CosBucket(
        name, region=settings.region, protocol=settings.protocol, public_url=public_url
    )


@functools.cache
def _check_ledger_bucket() -> None:
    """Check the ledger's bucket, once an instance."""
    settings, _, _ = _instance()
    if _open_bucket(settings, settings.ledger_bucket).is_versioned():
        raise SettingsError(
            f"versioning is on in {settings.ledger_bucket}: COS then ignores"
            " x-cos-forbid-overwrite, so that jobs start late and lanes can be over their limits,"
            " and old versions cost money; use a bucket that never had it"
        )


def _report_of(job: Job, runtime: Runtime) -> Mapping[str, Any]:
    from aigc.api.reports import report_of  # noqa: PLC0415  only a webhook needs the API's words

    return report_of(job, runtime)


def _packaged_prices() -> Prices:
    from aigc.prices import packaged_prices  # noqa: PLC0415  few invocations need it

    return packaged_prices()
