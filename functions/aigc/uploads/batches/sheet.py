"""The contact sheet of a batch: one HTML page without scripts, with links into its folder."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from aigc.uploads.batches.records import Batch, Image, LineOutcome

MOST_IMAGES = 2000
"""Most images of a sheet; a browser needs seconds for more. The report has all."""

MOST_PROBLEMS = 1000

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="script-src 'none'; object-src 'none'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.4 system-ui, sans-serif; margin: 1rem auto; max-width: 90rem;
  padding: 0 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.3rem; margin: 0; }}
.counts {{ color: GrayText; margin: .25rem 0 1rem; }}
.sheet {{ display: grid; gap: 1rem .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(11rem, 45%), 1fr)); }}
figure {{ margin: 0; }}
figure img {{ width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; display: block;
  background: color-mix(in srgb, CanvasText 8%, Canvas); border-radius: .25rem; }}
figcaption {{ font-size: .8rem; margin-top: .25rem; }}
figcaption span {{ color: GrayText; display: -webkit-box; -webkit-box-orient: vertical;
  -webkit-line-clamp: 3; overflow: hidden; }}
table {{ border-collapse: collapse; margin-top: .5rem; width: 100%; font-size: .9rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-top: 1px solid color-mix(in srgb, CanvasText 15%, Canvas); }}
th, td:first-child, td:nth-child(3) {{ overflow-wrap: normal; white-space: nowrap; }}
td:nth-child(2) {{ max-width: 12rem; }}
h2 {{ font-size: 1.05rem; margin: 2rem 0 0; }}
@media (max-width: 40rem) {{
  th {{ display: none; }}
  tr {{ display: grid; grid-template-columns: auto 1fr auto;
    border-top: 1px solid color-mix(in srgb, CanvasText 15%, Canvas); padding: .25rem 0; }}
  tr:first-child {{ border: 0; }}
  td {{ border: 0; }}
  td:first-child {{ font-weight: bold; }}
  td:nth-child(2) {{ max-width: none; }}
  td:nth-child(3) {{ padding-right: 0; }}
  td:nth-child(4) {{ grid-column: 1 / -1; padding: 0 0 .25rem; }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="counts">{counts}</p>
{problem}<div class="sheet">
{figures}</div>
{left_out}{failures}</body>
</html>
"""

_FAILURES = """<h2>Lines without an image</h2>
<table>
<tr><th>line</th><th>custom_id</th><th>state</th><th>reason</th></tr>
{rows}</table>
"""

_STATES = ("succeeded", "failed", "cancelled", "refused")


class Sheet:
    """A sheet that is built line by line; it keeps text only."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._figures: list[str] = []
        self._rows: list[str] = []
        self._images = 0
        self._problems = 0
        self._states: Counter[str] = Counter()

    def add(self, outcome: LineOutcome) -> None:
        """Add the images of a line, or its error."""
        self._states[outcome.state if outcome.has_ended else "waiting or running"] += 1
        self._images += len(outcome.images)
        for image in outcome.images:
            if len(self._figures) < MOST_IMAGES:
                self._figures.append(self._figure(outcome, image))
        if outcome.error:
            self._problems += 1
            if len(self._rows) < MOST_PROBLEMS:
                self._rows.append(_row(outcome))

    def body(self, batch: Batch, name: str) -> bytes:
        """Return the page."""
        progress = "" if batch.is_read else ", more lines are still being read"
        states = sorted(self._states.items(), key=lambda item: item[0] not in _STATES)
        counts = ", ".join(f"{count} {state}" for state, count in states)
        total = sum(self._states.values())
        hidden = self._images - len(self._figures)
        page = _PAGE.format(
            title=escape(name),
            counts=escape(f"{total} lines: {counts or 'none'}{progress}"),
            problem=f"<p>{escape(batch.problem)}</p>\n" if batch.problem else "",
            figures="".join(self._figures),
            left_out=f"<p>{hidden} more images are in the report.</p>\n" if hidden else "",
            failures=self._failures(),
        )
        return page.encode()

    def _figure(self, outcome: LineOutcome, image: Image) -> str:
        link = escape(quote(f"./{image.key.removeprefix(self._folder)}"))
        label = f"{outcome.line}" + (f" · {outcome.custom_id}" if outcome.custom_id else "")
        alt = escape(outcome.prompt or f"image of line {outcome.line}")
        return (
            f'<figure><a href="{link}"><img src="{link}" alt="{alt}" loading="lazy"'
            f' width="{image.width}" height="{image.height}"></a>'
            f"<figcaption>{escape(label)}<span>{escape(outcome.prompt)}</span></figcaption>"
            "</figure>\n"
        )

    def _failures(self) -> str:
        if not self._rows:
            return ""
        hidden = self._problems - len(self._rows)
        remainder = f"<p>{hidden} more are in the report.</p>\n" if hidden else ""
        return _FAILURES.format(rows="".join(self._rows)) + remainder


def _row(outcome: LineOutcome) -> str:
    cells = (str(outcome.line), outcome.custom_id, outcome.state, outcome.error)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>\n"
