"""The exit statuses of `aigc`, beside 0 for success and 2 for wrong arguments."""

FAILED = 1
"""It failed, the job did not succeed, or a check found something."""

NOT_FOUND = 3
"""The deployment is not found, does not answer, or refuses the key."""

INTERRUPTED = 130
"""Ctrl-C, as shells count it."""
