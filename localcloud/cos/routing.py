"""Which operation a request asks for: by its method and its sub-resource, `PUT /key?acl`.

A request for something that is not here must never be carried out as the bare operation:
`DELETE /?inventory` is not `DELETE /`.
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
"""Operations by method and sub-resource; the bare operation has an empty one."""

# Parameters that name no sub-resource: signature, speed limit, an SDK's name of the operation,
# headers of the answer.
_COMMON = re.compile(
    r"q-(sign-algorithm|ak|sign-time|key-time|header-list|url-param-list|signature)"
    r"|x-(cos|amz)-security-token|x-cos-traffic-limit|x-id|response-[a-z-]+"
)
# Parameters with a value that ask for something else than the bare operation.
_SPECIAL = frozenset(
    {"ci-process", "create-time", "list-type", "range", "tagkey", "tagvalue", "versionId"}
)


def choose(operations: Operations, request: Request) -> Operation:
    """Find the operation that a request asks for.

    Raises:
        CosError: There is none for its method, its sub-resource, or one of its parameters.
    """
    params = request.params
    sub_resources = {param: _sub_resource(param) for param in params}
    resources = {name for _, name in operations if name}
    named = {param: name for param, name in sub_resources.items() if name in resources}
    names = set(named.values())
    if len(named) > 1:
        raise _missing(request, " and ".join(sorted(named)))
    [name] = names or {""}
    operation = operations.get((request.method, name))
    known = operation.params if operation is not None else frozenset()
    for unknown in _unknown(params, known | named.keys(), request.method):
        raise _missing(request, unknown)
    if operation is None:
        raise _missing(request, name)
    return operation


def _sub_resource(param: str) -> str:
    """Return the sub-resource that a parameter names: image processing has its values behind it."""
    name, slash, _ = param.partition("/")
    return name if slash and name == images.OPERATION else param


def _unknown(params: Mapping[str, str], known: frozenset[str], method: str) -> Iterator[str]:
    """List the parameters that count as unknown sub-resources.

    In a write every unknown parameter does. In a read only one without a value does: a signed URL
    for reading may have parameters of the client's own.
    """
    for name, value in params.items():
        if name in known or _COMMON.fullmatch(name) or (name, value) == ("versionId", "null"):
            continue
        if method not in {"GET", "HEAD"} or not value or name in _SPECIAL:
            yield name


def _missing(request: Request, name: str) -> CosError:
    what = f"{request.method} with ?{name}" if name else request.method
    return CosError("MethodNotAllowed", f"The local cloud has no operation for {what} here.")
