"""Runs a server in a thread until a block ends."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socketserver
    from collections.abc import Iterator

    AnyServer = TypeVar("AnyServer", bound=socketserver.BaseServer)

POLL_S = 0.02
"""How often the thread checks whether it must end."""


@contextlib.contextmanager
def serving(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server until the block ends, also if the block raises."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
