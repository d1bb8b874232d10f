"""`aigc doctor`: tries a deployment from outside, and says what each finding means.

`finding.py` says what a finding is, `patient.py` is the deployment, `examinations/` look at it,
and `main.py` is the command.
"""

from aigc_cli.doctor.main import app

__all__ = ["app"]
