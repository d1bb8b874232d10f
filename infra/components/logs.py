"""The log topic of the functions, and its indexed fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import cls

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = (
    # Fields of the functions' log lines: of each line, of invocations and of jobs.
    *("time", "level", "event", "logger", "function", "request_id", "outcome", "exception"),
    *("method", "route", "caller", "callback", "trigger", "error", "detail", "reason", "rule"),
    *("job", "kind", "lane", "ceiling", "batch", "state", "code", "task_id"),
    *("bucket", "key", "host", "tool"),
    *("action", "since", "vendor_request", "jobs"),
    *("part", "item", "parts", "unfinished"),
    # Fields of the platform's lines (https://cloud.tencent.com/document/product/583/60336).
    *("SCF_FunctionName", "SCF_RequestId", "SCF_Message", "SCF_Level", "SCF_Type"),
)
NUMBERS = (
    *("duration_ms", "status", "attempt", "slot", "limit", "percent", "size", "faults", "line"),
    *(
        "slots",
        "moved",
        "failed",
        "forgotten",
        "waiting",
        "oldest_waiting_s",
        "at_once",
        "webhooks",
        "turns",
        "turns_missed",
    ),
    *("refusals", "count", "accepted", "known", "stored", "not_wanted", "ignored", "rpc_error"),
    *("SCF_StatusCode", "SCF_RetryNum", "SCF_Duration", "SCF_MemUsage"),
)
TOKENIZER = "@&?|#()='\",;:<>[]{}/ \n\t\r\\"


@dataclass(frozen=True, kw_only=True)
class FunctionLogsArgs:
    """Name and retention of the logs."""

    name: str
    retention_days: int
    tags: Mapping[str, str]


class FunctionLogs(pulumi.ComponentResource):
    """One CLS topic for all functions of a stack, in its own logset.

    SCF parses the first level of a JSON line, so that its fields can be indexed
    (https://cloud.tencent.com/document/product/583/12217).
    Storage class and partitions cannot be changed later, and are left to CLS.
    """

    logset_id: pulumi.Output[str]
    topic_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: FunctionLogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:logs:FunctionLogs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        logset = cls.Logset(f"{name}-logset", logset_name=args.name, tags=args.tags, opts=child)
        topic = cls.Topic(
            f"{name}-topic",
            logset_id=logset.id,
            topic_name=args.name,
            period=args.retention_days,
            tags=args.tags,
            opts=child,
        )
        cls.Index(f"{name}-index", topic_id=topic.id, rule=_rule(), status=True, opts=child)
        self.logset_id, self.topic_id = logset.id, topic.id
        self.register_outputs({"logset_id": self.logset_id, "topic_id": self.topic_id})


def _rule() -> cls.IndexRuleArgs:
    texts = [_field(key, "text", TOKENIZER) for key in TEXTS]
    numbers = [_field(key, "long", "") for key in NUMBERS]
    return cls.IndexRuleArgs(
        full_text=cls.IndexRuleFullTextArgs(
            case_sensitive=False, contain_zh=True, tokenizer=TOKENIZER
        ),
        key_value=cls.IndexRuleKeyValueArgs(case_sensitive=False, key_values=[*texts, *numbers]),
    )


def _field(key: str, kind: str, tokenizer: str) -> cls.IndexRuleKeyValueKeyValueArgs:
    # A key without `value` crashes the provider when it updates the index.
    return cls.IndexRuleKeyValueKeyValueArgs(
        key=key,
        value=cls.IndexRuleKeyValueKeyValueValueArgs(
            type=kind, tokenizer=tokenizer, sql_flag=True, contain_zh=kind == "text"
        ),
    )
