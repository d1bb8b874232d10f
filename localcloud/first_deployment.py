"""The provider's twin for a program that reads existing resources before it creates others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.provider import ProviderTwin
from localcloud.provider_inputs import unwrapped

if TYPE_CHECKING:
    import pulumi

    from localcloud.provider_inputs import State


class FirstDeployment(ProviderTwin):
    """Each deployment is a first one, since the twin has no state; it reads existing resources."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> State:
        """Read a resource that has an id and no inputs; create any other resource."""
        if args.typ.endswith(":EventConfig") and args.resource_id and not args.inputs:
            sub_app_id = int(args.resource_id)
            self._cloud.call("vod", "DescribeEventConfig", SubAppId=sub_app_id)
            return args.resource_id, {"subAppId": sub_app_id}
        return super().new_resource(args)

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return an empty state, and the buckets and functions that exist."""
        if args.token == "pulumi:pulumi:readStackResourceOutputs":  # noqa: S105
            return {"outputs": {}}, []
        if args.token == "tencentcloud:Cos/getBuckets:getBuckets":  # noqa: S105
            return self._buckets(str(unwrapped(args.args)["bucketPrefix"])), []
        if args.token == "tencentcloud:Scf/getFunctions:getFunctions":  # noqa: S105
            return self._functions(), []
        return super().call(args)

    def _functions(self) -> dict[str, Any]:
        functions = self._cloud.call("scf", "ListFunctions", Limit=100)["Functions"]
        names = [function["FunctionName"] for function in functions]
        return {"id": "functions", "functions": [self._function_of(name) for name in names]}

    def _function_of(self, name: str) -> dict[str, Any]:
        function = self._cloud.call("scf", "GetFunction", FunctionName=name)
        triggers = [
            {
                "name": trigger["TriggerName"],
                "type": trigger["Type"],
                "triggerDesc": trigger["TriggerDesc"],
            }
            for trigger in function["Triggers"]
        ]
        return {"name": name, "triggerInfos": triggers}

    def _buckets(self, prefix: str) -> dict[str, Any]:
        entries = (self._cloud.buckets.list_buckets()["Buckets"] or {}).get("Bucket", [])
        names = [entry["Name"] for entry in entries]
        # No bucket that is read here has a lifecycle rule that the program needs.
        buckets = [
            {"bucket": name, "lifecycleRules": []} for name in names if name.startswith(prefix)
        ]
        return {"id": prefix or "buckets", "bucketLists": buckets}
