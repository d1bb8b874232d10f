"""Where the pieces meet: the collaborators of an invocation, built from the environment."""

from __future__ import annotations

import functools
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.downloads import VendorDownloads
from aigc.cloud.parallel import in_threads
from aigc.cloud.webhooks import PublicSender
from aigc.jobs.job import utc_now
from aigc.jobs.ledger import Ledger
from aigc.jobs.runtime import Memory, QueryPacer, Runtime
from aigc.settings import Settings, SettingsError
from aigc.tasks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.job import Job

DEADLINE_MARGIN_S = 1.0
"""Kept free before the platform kills the process, to answer and to log."""

DEFAULT_LIMIT_MS = 3000
"""SCF's own default timeout."""


def build_runtime(context: Mapping[str, Any], *, checks_bucket: bool = False) -> Runtime:
    """Build what this invocation works with; what may live longer is kept for the next.

    The context has no remaining-time call: the deadline is counted from now. The sweep checks
    the ledger's bucket; a call has no time for that, and needs it only to be quick.

    Raises:
        SettingsError: The deployment is faulty.
        CloudError: The ledger bucket could not be looked at.
    """
    settings, bucket, upstream, downloads, sender, pacer, memory = _kept(
        checks_bucket=checks_bucket
    )
    limit = timedelta(milliseconds=context.get("time_limit_in_ms", DEFAULT_LIMIT_MS))
    opened = functools.partial(CosBucket, region=settings.region, protocol=settings.protocol)
    return Runtime(
        settings=settings,
        ledger=Ledger(
            bucket,
            lease=timedelta(seconds=settings.lease_s),
            now=utc_now,
            parallel=in_threads,
            sleep=time.sleep,
        ),
        bucket=bucket,
        kinds=KINDS,
        upstream=upstream,
        results=opened(settings.results_bucket, public_url=settings.results_url),
        inbox=opened(settings.inbox_bucket),
        inputs={name: opened(name) for name in (settings.results_bucket, *settings.input_buckets)},
        downloads=downloads,
        sender=sender,
        report_of=_report_of,
        now=utc_now,
        sleep=time.sleep,
        parallel=in_threads,
        deadline=utc_now() + limit - timedelta(seconds=DEADLINE_MARGIN_S),
        pacer=pacer,
        memory=memory,
    )


@functools.cache
def _kept(
    *, checks_bucket: bool
) -> tuple[Settings, CosBucket, CloudApi, VendorDownloads, PublicSender, QueryPacer, Memory]:
    settings = Settings.from_environment()
    return (
        settings,
        _ledger_bucket(settings, checks_bucket=checks_bucket),
        CloudApi(site=settings.site, protocol=settings.protocol),
        VendorDownloads(hosts=settings.result_hosts),
        PublicSender(plain_http=settings.webhook_http, networks=settings.webhook_networks),
        QueryPacer(settings.poll_interval_s),
        Memory(),
    )


def _report_of(job: Job, runtime: Runtime) -> Mapping[str, Any]:
    from aigc.api.reports import report_of  # noqa: PLC0415  only a webhook needs the API's words

    return report_of(job, runtime)


def _ledger_bucket(settings: Settings, *, checks_bucket: bool) -> CosBucket:
    """Open the ledger's bucket, once an instance."""
    bucket = CosBucket(settings.ledger_bucket, region=settings.region, protocol=settings.protocol)
    if checks_bucket and bucket.is_versioned():
        raise SettingsError(
            f"versioning is on in {settings.ledger_bucket}: COS then ignores"
            " x-cos-forbid-overwrite, so that jobs start late and lanes can be over their limits,"
            " and old versions cost money; use a bucket that never had it"
        )
    return bucket
