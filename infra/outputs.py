"""The stack's outputs beside names: the console, links into the account, a command to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    if logs is not None:
        links["logs"] = pulumi.Output.format(
            "{0}/cls/search?region={1}&topic_id={2}", console, region, logs.topic_id
        )
    return links


def upload_command(rules: Rules, inbox: pulumi.Output[str], region: str) -> pulumi.Output[str]:
    """Return a command that uploads an image for the first rule, with COS's command line tool."""
    prefix = next((rule.listens_on for rule in rules.rule if not rule.is_batch), "")
    return pulumi.Output.format(
        "coscli cp cat.jpg cos://{0}/{1}cat.jpg -e cos.{2}.myqcloud.com", inbox, prefix, region
    )
