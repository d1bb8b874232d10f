"""Runs the command line as `python -m aigc_cli`."""

import sys

from aigc_cli.cli import main

sys.exit(main())
