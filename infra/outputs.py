"""Outputs of the stack: its console, links into the account, and a command that uploads."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pulumi

if TYPE_CHECKING:
    from aigc.uploads.rules import Rules
    from infra.components.logs import FunctionLogs
    from infra.components.storage import Storage
    from infra.config import StackConfig

CONSOLES = {"cn": "https://console.cloud.tencent.com", "intl": "https://console.tencentcloud.com"}


def console_url(
    config: StackConfig, endpoint: pulumi.Output[str | None]
) -> pulumi.Output[str | None]:
    """Return the address of our own console; None while SCF does not report the endpoint."""
    base = pulumi.Output.from_input(config.public_url or endpoint)
    return base.apply(lambda url: f"{url.rstrip('/')}/console" if url else None)


QUERIES = {
    "errors": "level:error",
    "jobs": "event:job_ended | select state, kind, count(*) as jobs group by state, kind",
    "failures": "event:job_ended AND state:failed"
    " | select error, code, count(*) as jobs group by error, code order by jobs desc",
    "lanes": "event:lane_slowed_down OR event:lane_paused OR event:task_overdue",
    "waiting": "event:sweep_finished"
    " | select max(waiting) as jobs, max(oldest_waiting_s) as seconds",
    "uploads": "event:upload_not_wanted"
    " | select reason, count(*) as uploads group by reason order by uploads desc",
    "durations": "event:invocation_ended | select function, count(*) as invocations,"
    " approx_percentile(duration_ms, 0.5) as p50, approx_percentile(duration_ms, 0.99) as p99"
    " group by function",
}
"""Name → a query of the functions' logs. They replace a dashboard, for which the provider
has no resource (docs/logs.md)."""


def console_links(
    config: StackConfig, storage: Storage, logs: FunctionLogs | None
) -> dict[str, pulumi.Output[str]]:
    """Return links into Tencent Cloud's console, of the account's site."""
    console, region = CONSOLES[config.site], config.region
    bucket = console + "/cos/bucket?bucket={0}&region=" + region
    links = {
        "functions": pulumi.Output.format("{0}/scf/list?ns=default", console),
        "inbox": pulumi.Output.format(bucket, storage.inbox),
        "results": pulumi.Output.format(bucket, storage.results),
        "vod": pulumi.Output.format("{0}/vod/overview", console),
    }
    if config.alarm_receivers or config.alarm_robots:
        links["alarms"] = pulumi.Output.format("{0}/monitor/alarm2/policy", console)
    if logs is not None:
        links["logs"] = pulumi.Output.format(
            "{0}/cls/search?region={1}&topic_id={2}", console, region, logs.topic_id
        )
    return links


def query_links(config: StackConfig, logs: FunctionLogs | None) -> dict[str, pulumi.Output[str]]:
    """Return links to the console's search page, each with a query for the last day."""
    if logs is None:
        return {}
    page = (
        f"{CONSOLES[config.site]}/cls/search?region={config.region}&topic_id={{0}}"
        "&time=now-1d,now&queryBase64={1}"
    )
    return {
        name: pulumi.Output.format(page, logs.topic_id, quote(base64.b64encode(query.encode())))
        for name, query in QUERIES.items()
    }


def upload_command(rules: Rules, inbox: pulumi.Output[str], region: str) -> pulumi.Output[str]:
    """Return a command that uploads an image for the first rule, with COS's command line tool."""
    prefix = next((rule.listens_on for rule in rules.rule if not rule.is_batch), "")
    return pulumi.Output.format(
        "coscli cp cat.jpg cos://{0}/{1}cat.jpg -e cos.{2}.myqcloud.com", inbox, prefix, region
    )
