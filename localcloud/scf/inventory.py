"""The responses about an account's functions: the list of functions, and quotas with usage."""

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
"""The filters that ListFunctions supports here, besides `tag-<key>`."""

_LISTED = (
    *("ModTime", "AddTime", "Runtime", "FunctionName", "FunctionId", "Namespace", "Status"),
    *("Description", "Tags", "Type", "ReservedConcurrencyMem", "AsyncRunEnable"),
)


def functions(described: Iterable[Json], params: Json) -> list[Json]:
    """Filter and sort functions by the parameters of ListFunctions.

    Raises:
        ApiError: The order or a filter is not supported.
    """
    order = params.get("Orderby", "FunctionName")
    check_one_of(order, "Orderby", ORDERS)
    check_one_of(params.get("Order", "ASC"), "Order", ("ASC", "DESC"))
    filters = params.get("Filters") or []
    matching = [
        function
        for function in described
        if params.get("SearchKey", "") in function["FunctionName"]
        and params.get("Description", "") in function.get("Description", "")
        and all(_passes(function, rule["Name"], rule["Values"]) for rule in filters)
    ]
    return sorted(
        matching, key=lambda function: function[order], reverse=params.get("Order") == "DESC"
    )


def listed(function: Json) -> Json:
    """Return the fields of a function that ListFunctions contains."""
    return {name: function[name] for name in _LISTED if name in function}


def account(names: list[str], *, total_mb: int, reserved_mb: int) -> Json:
    """Build the response of GetAccount: the quotas of the account and their usage."""
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
