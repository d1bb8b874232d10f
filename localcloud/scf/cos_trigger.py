"""The COS trigger: an asynchronous event for each new object that matches a rule."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from localcloud.core import ApiError

if TYPE_CHECKING:
    from localcloud.core import Account
    from localcloud.cos.events import ObjectCreated

_HOST = re.compile(r"(?P<bucket>[a-z0-9-]+-\d+)\.cos\.(?P<region>[a-z0-9-]+)\.myqcloud\.com")
_EVENTS = ("*", "Put", "Post", "Copy", "CompleteMultipartUpload", "Origin", "Replication")

# The event contains a short code. No document lists all codes; these are from samples.
_SHORT_REGIONS = {
    "ap-guangzhou": "gz",
    "ap-shanghai": "sh",
    "ap-beijing": "bj",
    "ap-chengdu": "cd",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CosRule:
    """A trigger's rule: new objects of this bucket that invoke the function."""

    bucket: str
    region: str
    event: str
    prefix: str = ""
    suffix: str = ""

    @classmethod
    def parse(cls, name: str, desc: str) -> CosRule:
        """Return the rule in a trigger's name, which is the bucket's domain, and its TriggerDesc.

        Raises:
            ApiError: The name or the TriggerDesc is invalid.
        """
        host = _HOST.fullmatch(name)
        if host is None:
            raise ApiError(
                "InvalidParameterValue.TriggerName",
                f"TriggerName is {name}; allowed: <bucket>-<appid>.cos.<region>.myqcloud.com",
            )
        fields = _parse_desc(desc)
        filters = fields.get("filter") or {}
        return cls(
            bucket=host["bucket"],
            region=host["region"],
            event=fields["event"],
            prefix=filters.get("Prefix", ""),
            suffix=filters.get("Suffix", ""),
        )

    def matches(self, object_event: ObjectCreated) -> bool:
        """Whether this event invokes the function."""
        return (
            (self.bucket, self.region) == (object_event.bucket, object_event.region)
            and _covers(self.event, object_event.event)
            and object_event.key.startswith(self.prefix)
            and object_event.key.endswith(self.suffix)
        )

    def overlaps(self, other: CosRule) -> bool:
        """Whether an object can match both rules; the service refuses the second rule."""
        return (
            (self.bucket, self.region) == (other.bucket, other.region)
            and (_covers(self.event, other.event) or _covers(other.event, self.event))
            and (self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix))
            and (self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix))
        )


def cos_event(object_event: ObjectCreated, account: Account, function: str) -> dict[str, Any]:
    """Build the event that the function receives.

    https://cloud.tencent.com/document/product/583/9707
    """
    region = _SHORT_REGIONS.get(object_event.region, object_event.region)
    appid = str(object_event.app_id)
    name = object_event.bucket.removesuffix(f"-{appid}")
    host = f"{object_event.bucket}.cos.{object_event.region}.myqcloud.com"
    return {
        "Records": [
            {
                "cos": {
                    "cosSchemaVersion": "1.0",
                    "cosObject": {
                        "url": f"http://{host}/{quote(object_event.key)}",
                        "meta": {"x-cos-request-id": object_event.request_id, **object_event.meta},
                        "vid": "",
                        "key": f"/{appid}/{name}/{object_event.key}",
                        "size": object_event.size,
                    },
                    "cosBucket": {
                        "region": region,
                        "name": name,
                        "appid": appid,
                        "cosRegion": region,
                        "s3Region": object_event.region,
                    },
                    "cosNotificationId": "unkown",  # the cloud's own spelling
                },
                "event": {
                    "eventName": object_event.event,
                    "eventVersion": "1.0",
                    "eventTime": int(object_event.time),
                    "eventSource": "qcs::cos",
                    "requestParameters": {
                        "requestSourceIP": object_event.source_ip,
                        "requestHeaders": {"Authorization": ""},
                    },
                    "eventQueue": (
                        f"qcs:0:scf:{account.region}:appid/{appid}:default.{function}.$DEFAULT"
                    ),
                    "reservedInfo": "",
                    "reqid": 0,
                },
            }
        ]
    }


def _parse_desc(desc: str) -> dict[str, Any]:
    try:
        fields = json.loads(desc)
        service, _, operation = fields["event"].partition(":ObjectCreated:")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError(
            "InvalidParameterValue.TriggerDesc",
            'TriggerDesc of a cos trigger is JSON: {"event": …, "filter": {"Prefix", "Suffix"}}',
        ) from None
    if service != "cos" or operation not in _EVENTS:
        raise ApiError(
            "InvalidParameterValue.TriggerDesc",
            f"event is {fields['event']}; the local cloud supports cos:ObjectCreated:"
            + "|".join(_EVENTS),
        )
    unknown = fields.keys() - {"event", "filter", "bucketUrl"}
    unknown |= (fields.get("filter") or {}).keys() - {"Prefix", "Suffix"}
    if unknown:
        raise ApiError(
            "InvalidParameterValue.TriggerDesc",
            f"TriggerDesc has unknown fields: {', '.join(unknown)}",
        )
    return dict(fields)


def _covers(pattern: str, event: str) -> bool:
    return pattern == event or (pattern.endswith("*") and event.startswith(pattern[:-1]))
