"""Runs chaos as `python -m tests.chaos`."""

import typer

from tests.chaos.run import main

typer.run(main)
