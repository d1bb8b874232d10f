"""Logs one JSON object per line and one summary line per invocation."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger(__name__)

_UNBOUND: Mapping[str, str] = {}
_bound: ContextVar[Mapping[str, str]] = ContextVar("bound", default=_UNBOUND)
_summary: ContextVar[dict[str, Any] | None] = ContextVar("summary", default=None)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: the event name, then the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **_bound.get(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False, default=str)
        return text.encode(
            errors="backslashreplace"
        ).decode()  # an unpaired surrogate cannot be printed


class _Stdout(logging.StreamHandler):  # type: ignore[type-arg]  # 3.10 cannot subscript it
    """Writes to the current stdout of the process, which SCF collects."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


_HANDLER = _Stdout()
_HANDLER.setFormatter(JsonFormatter())


@contextlib.contextmanager
def invocation(context: Mapping[str, Any]) -> Iterator[None]:
    """Add the platform's request id to each line and log a summary line at the end.

    An exception is logged here, once, and raised again, so that the platform retries.
    """
    _install_handler()
    bound = _bound.set(
        {
            "function": str(context.get("function_name", "")),
            "request_id": str(context.get("request_id", "")),
        }
    )
    summary = _summary.set({})
    started = time.monotonic()
    try:
        yield
    except Exception:
        logger.exception("invocation_ended", extra=_summary_fields("raised", started))
        raise
    else:
        logger.info("invocation_ended", extra=_summary_fields("returned", started))
    finally:
        _summary.reset(summary)
        _bound.reset(bound)


def note(**fields: object) -> None:
    """Add fields to the summary line of the current invocation."""
    summary = _summary.get()
    if summary is not None:
        summary.update(fields)


def _summary_fields(outcome: str, started: float) -> dict[str, Any]:
    duration_ms = round((time.monotonic() - started) * 1000)
    return {"outcome": outcome, "duration_ms": duration_ms, **(_summary.get() or {})}


def _install_handler() -> None:
    """Replace the platform's handler, which would log each line a second time."""
    root = logging.getLogger()
    if root.handlers != [_HANDLER]:
        root.handlers[:] = [_HANDLER]
    logging.getLogger("aigc").setLevel(logging.INFO)
