"""Selects the operation of a request by its method and its sub-resource, as in `PUT /key?acl`.

A request for an unsupported sub-resource must never be carried out as the operation without a
sub-resource: `DELETE /?inventory` is not `DELETE /`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localcloud.cos import images
from localcloud.cos.errors import CosError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localcloud.cos.calls import Operation
    from localcloud.server import Request

Operations = dict[tuple[str, str], "Operation"]
"""Operations by method and sub-resource, which is empty for the bucket or object itself."""

# Parameters that are not sub-resources: signature, speed limit, an SDK's name of the operation,
# headers of the response.
_COMMON = re.compile(
    r"q-(sign-algorithm|ak|sign-time|key-time|header-list|url-param-list|signature)"
    r"|x-(cos|amz)-security-token|x-cos-traffic-limit|x-id|response-[a-z-]+"
)
# Parameters that change the operation, also of a GET or HEAD, and must not be ignored.
_SPECIAL = frozenset(
    {"ci-process", "create-time", "list-type", "range", "tagkey", "tagvalue", "versionId"}
)


def find_operation(operations: Operations, request: Request) -> Operation:
    """Return the operation that a request selects.

    Raises:
        CosError: The method, the sub-resource or a parameter is not supported.
    """
    supported = {name for _, name in operations if name}
    sub_resources = {
        param: name for param in request.params if (name := _sub_resource(param)) in supported
    }
    if len(sub_resources) > 1:
        raise _unsupported(request, " and ".join(sorted(sub_resources)))
    name = next(iter(sub_resources.values()), "")
    operation = operations.get((request.method, name))
    params = operation.params if operation is not None else frozenset()
    for unknown in _unknown(request.params, params | sub_resources.keys(), request.method):
        raise _unsupported(request, unknown)
    if operation is None:
        raise _unsupported(request, name)
    return operation


def _sub_resource(param: str) -> str:
    """Return the sub-resource in a parameter's name; image processing appends its values to it."""
    name, slash, _ = param.partition("/")
    return name if slash and name == images.OPERATION else param


def _unknown(params: Mapping[str, str], known: frozenset[str], method: str) -> Iterator[str]:
    """Yield the parameters that count as unsupported sub-resources.

    In a write, each unknown parameter counts. In a read, only a parameter without a value counts:
    the URL of a signed read may have additional parameters of the client.
    """
    for name, value in params.items():
        if name in known or _COMMON.fullmatch(name) or (name, value) == ("versionId", "null"):
            continue
        if method not in {"GET", "HEAD"} or not value or name in _SPECIAL:
            yield name


def _unsupported(request: Request, name: str) -> CosError:
    request_text = f"{request.method} with ?{name}" if name else request.method
    return CosError(
        "MethodNotAllowed", f"The local cloud has no operation for {request_text} here."
    )
