"""A server in a thread, which ends with the block that needs it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socketserver
    from collections.abc import Iterator

    AnyServer = TypeVar("AnyServer", bound=socketserver.BaseServer)

POLL_S = 0.02
"""How often the thread looks whether it has to end."""


@contextlib.contextmanager
def serving(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server until the block ends, also if the block raises: its thread polls for ever."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
