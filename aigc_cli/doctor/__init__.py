"""`aigc doctor`: tries a deployment from outside, and says what each finding means.

`finding.py` says what a finding is, `patient.py` is the deployment, `asking.py` says what a failed
call proves, `examinations/` look at a deployment, `before_deploy.py` looks at an account before the
first one, and `main.py` is the command.
"""

from aigc_cli.doctor.main import app

__all__ = ["app"]
