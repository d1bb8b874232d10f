"""Labels of a picture that a job stores, as the deployment wants them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aigc.labels.files import Labelled, add_labels
from aigc.labels.label import Producer

if TYPE_CHECKING:
    from aigc.settings import Settings

VISIBLE = "visible"
"""The logo that the vendor was asked to draw; the pixels are not looked at."""


def label_stored(data: bytes, file_id: str, settings: Settings, visible: bool | None) -> Labelled:
    """Return a picture with its labels, by the configuration."""
    labelled = Labelled(data, ())
    if settings.labels != "none":
        labelled = add_labels(data, Producer(producer_name(settings), file_id))
    return replace(labelled, labels=(*labelled.labels, VISIBLE)) if visible else labelled


def producer_name(settings: Settings) -> str:
    """Name the producing service: as configured, else by the account that it runs in."""
    app_id = settings.results_bucket.rpartition("-")[2]
    return settings.content_producer or f"aigc-functions-{app_id}"
