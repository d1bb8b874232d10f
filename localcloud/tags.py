"""The tag service: the provider reads and writes the tags of most resources there."""

from __future__ import annotations

from localcloud.actions import ActionService, Json
from localcloud.core import ApiError

_SEGMENTS = 6  # qcs::<service>:<region>:uin/<uin>:<type>/<id>


class Tags(ActionService):
    """Tag 2018-08-13; the other services store the tags of their resources here too.

    A resource is identified by its service and its path, such as `cam` and `role/46`.
    """

    name = "tag"
    version = "2018-08-13"

    def __init__(self) -> None:
        super().__init__(
            {
                "ModifyResourceTags": self._modify,
                "DescribeResourceTagsByResourceIds": self._describe,
            }
        )
        self._tags: dict[tuple[str, str], dict[str, str]] = {}

    def of(self, service: str, path: str) -> list[dict[str, str]]:
        """Return a resource's tags in the fields that most services use."""
        tags = self._tags.get((service, path), {})
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def put(self, service: str, path: str, tags: list[dict[str, str]] | None) -> None:
        """Set the tags of a new resource."""
        self._tags[service, path] = {tag["Key"]: tag["Value"] for tag in tags or []}

    def remove(self, service: str, path: str) -> None:
        """Remove the tags of a deleted resource."""
        self._tags.pop((service, path), None)

    def _modify(self, params: Json) -> Json:
        tags = self._tags.setdefault(_parse(params["Resource"]), {})
        tags.update({tag["TagKey"]: tag["TagValue"] for tag in params.get("ReplaceTags") or []})
        for tag in params.get("DeleteTags") or []:
            tags.pop(tag["TagKey"], None)
        return {}

    def _describe(self, params: Json) -> Json:
        service, prefix = params["ServiceType"], params["ResourcePrefix"]
        tags = [
            {"TagKey": key, "TagValue": value, "ResourceId": id_, "ServiceType": service}
            for id_ in params["ResourceIds"]
            for key, value in self._tags.get((service, f"{prefix}/{id_}"), {}).items()
        ]
        offset, limit = params.get("Offset", 0), params.get("Limit", 15)
        page = tags[offset : offset + limit]
        return {"TotalCount": len(tags), "Offset": offset, "Limit": limit, "Tags": page}


def _parse(resource: str) -> tuple[str, str]:
    segments = resource.split(":")
    if len(segments) != _SEGMENTS or segments[0] != "qcs" or "/" not in segments[-1]:
        raise ApiError(
            "InvalidParameterValue.ResourceDescriptionError",
            f"Resource is {resource}; allowed: qcs::<service>:<region>:uin/<uin>:<type>/<id>",
        )
    return segments[2], segments[-1]
