"""The sweep's schedule is checked as SCF checks it."""

from __future__ import annotations

import pytest

from infra.schedule import check_schedule
from localcloud.scf.cron import Cron

GOOD = (
    "0 */1 * * * * *",
    "0 0 9-18 * * MON-FRI *",
    "0,30 0 0 1,15 jan,JUL * *",
    "5/10 * * * * * 2026-2030",
    "59 59 23 31 12 6 2099",
    "0 0-30/5 * * * 0 1970",
)
BAD = (
    "0 61 * * * * *",
    "* * * 0 * * *",
    "* * * 32 * * *",
    "* * * * * 7 *",
    "* * * * * * 2100",
    "* * * * FOO * *",
    "* * * * MON * *",
    "*/0 * * * * * *",
    "10-5 * * * * * *",
    "0 */1 * * * *",
    "0 */1 * * * * * *",
    "0 1- * * * * *",
    "0 ? * * * * *",
    "0  1 * * * *",
    "",
)


@pytest.mark.parametrize("expression", GOOD)
def test_expression_is_accepted_here_and_by_the_local_cloud(expression: str) -> None:
    check_schedule(expression)
    Cron.parse(expression)


@pytest.mark.parametrize("expression", BAD)
def test_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"fields|is "):
        check_schedule(expression)
