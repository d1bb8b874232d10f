"""`aigc verify-cloud`: checks in the real cloud what the documents leave open.

`check.py` defines a check, `checks/` has all checks, `world.py` the resources that they share,
`scratch.py` keeps the state of a run, `run.py` runs the checks, and `report.py` writes the report.
"""
