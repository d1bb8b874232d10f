"""Parts of the responses of ListFunctions and GetAccount."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.actions import Json, check_one_of
from localcloud.core import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

# https://cloud.tencent.com/document/product/583/11637
MAX_NAMESPACES, MAX_FUNCTIONS = 5, 50
MAX_TRIGGERS = 10
MAX_TIMEOUT_S = 900
ORDERS = ("AddTime", "ModTime", "FunctionName")
FILTERS = ("Status", "Runtime", "Type", "Role", "ClsTopicId", "ClsLogsetId")
"""The filters of ListFunctions that the local cloud supports, in addition to `tag-<key>`."""

_SUMMARY_FIELDS = (
    *("ModTime", "AddTime", "Runtime", "FunctionName", "FunctionId", "Namespace", "Status"),
    *("Description", "Tags", "Type", "ReservedConcurrencyMem", "AsyncRunEnable"),
)


def matching_functions(functions: Iterable[Json], params: Json) -> list[Json]:
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
        for function in functions
        if params.get("SearchKey", "") in function["FunctionName"]
        and params.get("Description", "") in function.get("Description", "")
        and all(_matches(function, item["Name"], item["Values"]) for item in filters)
    ]
    return sorted(
        matching, key=lambda function: function[order], reverse=params.get("Order") == "DESC"
    )


def summary(function: Json) -> Json:
    """Return the fields of a function that ListFunctions returns."""
    return {name: function[name] for name in _SUMMARY_FIELDS if name in function}


def account_usage(names: list[str], *, total_mb: int, reserved_mb: int) -> Json:
    """Build the response of GetAccount: the limits of the account and its usage."""
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


def _matches(function: Json, name: str, values: list[str]) -> bool:
    if name.startswith("tag-"):
        tags = {tag["Key"]: tag["Value"] for tag in function["Tags"]}
        return tags.get(name.removeprefix("tag-")) in values
    if name not in FILTERS:
        allowed = ", ".join((*FILTERS, "tag-<key>"))
        raise ApiError("InvalidParameterValue", f"Filters.Name is {name!r}; allowed: {allowed}")
    return function.get(name, "") in values
