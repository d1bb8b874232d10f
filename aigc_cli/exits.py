"""The exit statuses of `aigc`, except 0 for success and 2 for wrong arguments."""

FAILED = 1
"""The command failed, the job did not succeed, or a check found a problem."""

NOT_FOUND = 3
"""The deployment is not found, does not answer, or refuses the key."""

INTERRUPTED = 130
"""Ctrl-C, as in shells."""
