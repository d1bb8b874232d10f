"""Tables of the documentation whose rows are measured and written by commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.pages import DOCS, page

if TYPE_CHECKING:
    from collections.abc import Sequence


class Table(NamedTuple):
    """A table of the page, with a row for each title."""

    page_name: str
    """The name of the page in docs/."""
    marker: str
    """The name in the comments that enclose the table."""
    columns: tuple[str, ...]
    titles: tuple[str, ...]
    """The first cells of its rows, in order."""

    def read(self) -> dict[str, str]:
        """Return the rows of the page by their titles."""
        rows = self._parts()[1].strip().splitlines()[2:]
        return {row.split(" | ")[0].removeprefix("| "): row for row in rows}

    def write(self, cells: Sequence[tuple[str, ...]]) -> None:
        """Write rows into the page; other rows stay if their titles are in `titles`."""
        rows = self.read() | {row[0]: _row(row) for row in cells}
        kept = [rows[title] for title in self.titles if title in rows]
        lines = [_row(self.columns), "|" + "---|" * len(self.columns), *kept]
        before, _, after = self._parts()
        text = "\n".join((self._begin, *lines, self._end))
        (DOCS / self.page_name).write_text(f"{before}{text}{after}", encoding="utf-8")

    def _parts(self) -> tuple[str, str, str]:
        """Return the page before the table, the table, and the page after it."""
        before, begin, rest = page(self.page_name).partition(self._begin)
        text, end, after = rest.partition(self._end)
        assert begin, f"{self.page_name} has no {self._begin}"
        assert end, f"{self.page_name} has no {self._end}"
        return before, text, after

    @property
    def _begin(self) -> str:
        return f"<!-- {self.marker}: begin -->"

    @property
    def _end(self) -> str:
        return f"<!-- {self.marker}: end -->"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
