"""The process of an instance: it imports the handler once, then handles one event at a time.

It runs in the function's process and uses only the standard library:
`python -S runner.py <file.function> <file descriptor of the channel>`.
A message is JSON after its length in four bytes; stdout and stderr are left to the function.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import resource
import struct
import sys
import threading
import time
import traceback
from typing import IO, Any


def main() -> None:
    """Serve events until the other end of the channel closes."""
    handler, descriptor = sys.argv[1], int(sys.argv[2])
    del sys.path[0]  # the function must not import from this file's folder
    with os.fdopen(os.dup(descriptor), "rb") as incoming, os.fdopen(descriptor, "wb") as outgoing:
        events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=_receive, args=(incoming, events), daemon=True).start()
        try:
            handle = _load(handler)
        except Exception as error:  # noqa: BLE001  any exception of the function is reported
            _send(outgoing, {"failure": _describe(error)})
            return
        _send(outgoing, {"ready": True})
        while True:
            message = events.get()
            os.environ.update(message["environment"])
            _send(outgoing, _handle(handle, message))


def _receive(incoming: IO[bytes], events: queue.SimpleQueue[dict[str, Any]]) -> None:
    while header := incoming.read(4):
        events.put(json.loads(incoming.read(*struct.unpack(">I", header))))
    # The parent process has ended, perhaps by SIGKILL: this process ends, too.
    os._exit(0)


def _load(handler: str) -> Any:  # noqa: ANN401  a handler is any callable
    file, _, function = handler.partition(".")
    return getattr(importlib.import_module(file), function)


def _handle(handle: Any, message: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    started = time.process_time()
    try:
        # Serialised inside `try`, since a value that is not JSON is a failure of the function.
        value = json.dumps(handle(message["event"], message["context"]))
    except Exception as error:  # noqa: BLE001
        return {"failure": _describe(error)}
    return {"value": value, "memory": _peak_memory(), "cpu_s": time.process_time() - started}


def _peak_memory() -> int:
    # On Linux ru_maxrss includes the memory of the parent when it started this process.
    with contextlib.suppress(OSError), open("/proc/self/status") as status:  # noqa: PTH123  no import
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _describe(error: BaseException) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "stack": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    }


def _send(outgoing: IO[bytes], message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    outgoing.write(struct.pack(">I", len(body)) + body)
    outgoing.flush()


if __name__ == "__main__":
    main()
