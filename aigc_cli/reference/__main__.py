"""Writes the generated tables into their pages: `python -m aigc_cli.reference`."""

from __future__ import annotations

import sys

from aigc_cli.reference.pages import PAGES, rewritten, texts_by_place
from aigc_cli.reference.translation import ENGLISH, LANGUAGES, has_words, translations


def main() -> int:
    """Rewrite the pages of each language; print the texts that have no translation.

    A page that is not translated yet is left out.
    """
    for language in LANGUAGES:
        for path in filter(lambda path: path.exists(), map(language.path, PAGES)):
            text = rewritten(path.read_text(encoding="utf-8"), path.name, language)
            path.write_text(text, encoding="utf-8")
    for language in set(LANGUAGES) - {ENGLISH}:
        known = translations(language.name)
        for place, texts in texts_by_place().items():
            missing = [text for text in texts - known.keys() if has_words(text)]
            for text in sorted(missing):
                print(f"{language.name}, {place}: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
