"""What Schemathesis is not to try, because no schema can say that it is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, HookContext


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    """Leave out empty headers and parameters, which count as absent, and unknown headers."""
    if "x-schemathesis-unknown-property" in {name.lower() for name in case.headers}:
        return False
    return "" not in [*case.headers.values(), *case.query.values()]
