"""`aigc verify-cloud`: asks the real cloud what no document answers.

`check.py` says what a check is, `checks/` are the checks, `account.py` reaches the cloud,
`scratch.py` remembers what was created, `run.py` runs the checks, and `report.py` shows the
answers.
"""
