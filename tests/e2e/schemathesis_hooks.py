"""What Schemathesis is not to try, because no schema can say that it is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, HookContext


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    """Leave out empty headers and parameters: they count as left out."""
    return "" not in [*case.headers.values(), *case.query.values()]
