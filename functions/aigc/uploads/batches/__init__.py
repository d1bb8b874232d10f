"""Batches: a file of lines, each of which becomes a job."""

from __future__ import annotations

from aigc.errors import InvalidRequestError


class BatchFileError(InvalidRequestError):
    """A file cannot be read as a batch, so that none of its lines becomes a job."""
