"""Writes the generated tables into their pages: `python -m ops.reference`."""

from __future__ import annotations

import sys

from ops.reference.pages import PAGES, rewritten
from ops.reference.translation import LANGUAGES


def main() -> int:
    """Rewrite the pages of each language; a page that is not translated yet is left out."""
    for language in LANGUAGES:
        for path in filter(lambda path: path.exists(), map(language.path, PAGES)):
            text = rewritten(path.read_text(encoding="utf-8"), path.name, language.translate)
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
