"""The provider's twin, for a program that asks what there is before it declares anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.provider import ProviderTwin
from localcloud.provider_inputs import unwrapped

if TYPE_CHECKING:
    import pulumi

    from localcloud.provider_inputs import Cloud, State


class FirstDeployment(ProviderTwin):
    """The twin keeps no state, so each deployment is the first; existing resources are read."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._account = cloud

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> State:
        """Read an existing resource, which has an id and no inputs; else create one."""
        if args.typ.endswith(":EventConfig") and args.resource_id and not args.inputs:
            number = int(args.resource_id)
            self._account.call("vod", "DescribeEventConfig", SubAppId=number)
            return args.resource_id, {"subAppId": number}
        return super().new_resource(args)

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer with an empty state, and with the buckets that exist."""
        if args.token == "pulumi:pulumi:readStackResourceOutputs":  # noqa: S105
            return {"outputs": {}}, []
        if args.token == "tencentcloud:Cos/getBuckets:getBuckets":  # noqa: S105
            return self._buckets(str(unwrapped(args.args)["bucketPrefix"])), []
        if args.token == "tencentcloud:Scf/getFunctions:getFunctions":  # noqa: S105
            return self._functions(), []
        return super().call(args)

    def _functions(self) -> dict[str, Any]:
        listed = self._account.call("scf", "ListFunctions", Limit=100)["Functions"]
        return {"id": "functions", "functions": [self._function_of(one) for one in listed]}

    def _function_of(self, listed: dict[str, Any]) -> dict[str, Any]:
        name = listed["FunctionName"]
        described = self._account.call("scf", "GetFunction", FunctionName=name)
        triggers = [
            {
                "name": trigger["TriggerName"],
                "type": trigger["Type"],
                "triggerDesc": trigger["TriggerDesc"],
            }
            for trigger in described["Triggers"]
        ]
        return {"name": name, "triggerInfos": triggers}

    def _buckets(self, prefix: str) -> dict[str, Any]:
        listed = (self._account.buckets.list_buckets()["Buckets"] or {}).get("Bucket", [])
        names = [bucket["Name"] for bucket in listed]
        found = [{"bucket": name} for name in names if name.startswith(prefix)]
        return {"id": prefix or "buckets", "bucketLists": found}
