"""What the account has of SCF: its functions by name and state, its quotas and their use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.actions import check_one_of
from localcloud.core import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

# https://cloud.tencent.com/document/product/583/11637
MAX_NAMESPACES, MAX_FUNCTIONS = 5, 50
MAX_TRIGGERS = 10
MAX_TIMEOUT_S = 900
ORDERS = ("AddTime", "ModTime", "FunctionName")
FILTERS = ("Status", "Runtime", "Type", "Role", "ClsTopicId", "ClsLogsetId")
"""The fields by which ListFunctions filters here, beside `tag-<key>`."""

_LISTED = (
    *("ModTime", "AddTime", "Runtime", "FunctionName", "FunctionId", "Namespace", "Status"),
    *("Description", "Tags", "Type", "ReservedConcurrencyMem", "AsyncRunEnable"),
)


def functions(described: Iterable[Json], params: Json) -> list[Json]:
    """Choose and sort functions as ListFunctions is asked to.

    Raises:
        ApiError: The order or a filter is not known here.
    """
    order = params.get("Orderby", "FunctionName")
    check_one_of(order, "Orderby", ORDERS)
    check_one_of(params.get("Order", "ASC"), "Order", ("ASC", "DESC"))
    filters = params.get("Filters") or []
    found = [
        function
        for function in described
        if params.get("SearchKey", "") in function["FunctionName"]
        and params.get("Description", "") in function.get("Description", "")
        and all(_passes(function, one["Name"], one["Values"]) for one in filters)
    ]
    return sorted(found, key=lambda one: one[order], reverse=params.get("Order") == "DESC")


def listed(function: Json) -> Json:
    """Keep the fields of a function that a list tells."""
    return {name: function[name] for name in _LISTED if name in function}


def account(names: list[str], *, total_mb: int, reserved_mb: int) -> Json:
    """Tell the quotas of the account and what is used of them."""
    usage = {
        "Functions": names,
        "Namespace": "default",
        "FunctionsCount": len(names),
        "TotalConcurrencyMem": total_mb,
        "TotalAllocatedConcurrencyMem": reserved_mb,
    }
    kinds = ("Cos", "Timer", "Cmq", "Ckafka", "Apigw", "Cls", "Clb", "Mps", "Cm", "Vod", "Eb")
    limit = {
        "FunctionsCount": MAX_FUNCTIONS,
        "Trigger": dict.fromkeys(kinds, MAX_TRIGGERS),
        "Namespace": "default",
        "TimeoutLimit": MAX_TIMEOUT_S,
    }
    return {
        "AccountUsage": {
            "NamespacesCount": 1,
            "Namespace": [usage],
            "TotalConcurrencyMem": total_mb,
            "TotalAllocatedConcurrencyMem": reserved_mb,
            "UserConcurrencyMemLimit": total_mb,
        },
        "AccountLimit": {"NamespacesCount": MAX_NAMESPACES, "Namespace": [limit]},
    }


def _passes(function: Json, name: str, values: list[str]) -> bool:
    if name.startswith("tag-"):
        tags = {tag["Key"]: tag["Value"] for tag in function["Tags"]}
        return tags.get(name.removeprefix("tag-")) in values
    if name not in FILTERS:
        allowed = ", ".join((*FILTERS, "tag-<key>"))
        raise ApiError("InvalidParameterValue", f"Filters.Name is {name!r}; allowed: {allowed}")
    return function.get(name, "") in values
