"""Reads the code blocks of the documentation."""

from __future__ import annotations

import re


def blocks(page: str, language: str) -> list[str]:
    """Find the code blocks whose opening line says this after the fence."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
