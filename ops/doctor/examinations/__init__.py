"""All examinations, in the order in which a reader understands the findings."""

from __future__ import annotations

from ops.doctor.examinations import account, functions, storage, work
from ops.doctor.finding import Examination

EXAMINATIONS = tuple(
    Examination(name=name, page=page, examine=examine)
    for name, page, examine in (
        ("credentials", "deploy.md", account.credentials),
        ("clock", "how-it-works.md", account.clock),
        ("vod", "deploy.md", account.vod),
        ("mps", "deploy.md", account.mps),
        ("mps-role", "deploy.md", account.mps_role),
        ("roles", "deploy.md", account.roles),
        ("buckets", "deploy.md", storage.buckets),
        ("versioning", "how-it-works.md", storage.versioning),
        ("lifecycle", "deploy.md", storage.lifecycle),
        ("cors", "deploy.md", storage.cors),
        ("functions", "deploy.md", functions.functions),
        ("triggers", "deploy.md", functions.triggers),
        ("endpoint", "deploy.md", functions.endpoint),
        ("callback", "deploy.md", functions.callback),
        ("sweep", "operations.md", work.sweep),
        ("lanes", "operations.md", work.lanes),
        ("dead", "operations.md", work.dead),
        ("prices", "budgets.md", work.prices),
        ("logs", "logs.md", work.logs),
        ("alarms", "alarms.md", work.alarms),
    )
)
