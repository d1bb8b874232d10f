"""All examinations, in the order in which a reader understands the findings."""

from __future__ import annotations

from aigc_cli.doctor.examinations import account, functions, storage, work
from aigc_cli.doctor.finding import Examination

EXAMINATIONS = tuple(
    Examination(name=name, page=page, console=console, examine=examine)
    for name, page, console, examine in (
        ("credentials", "deploy.md#credentials", "/cam/capi", account.credentials),
        ("clock", "how-it-works.md#time", "", account.clock),
        ("vod", "deploy.md#once-for-an-account", "/vod/overview", account.vod),
        ("mps", "deploy.md#once-for-an-account", "/mps", account.mps),
        ("mps-role", "deploy.md#once-for-an-account", "/cam/role", account.mps_role),
        ("roles", "troubleshooting.md#the-deployment", "/cam/role", account.roles),
        ("rights", "operations.md#check-a-deployment", "/cam/role", account.rights),
        ("buckets", "configuration.md#keys", "/cos/bucket", storage.buckets),
        ("versioning", "how-it-works.md#what-is-assumed-of-cos", "/cos/bucket", storage.versioning),
        ("lifecycle", "ledger.md", "/cos/bucket", storage.lifecycle),
        ("cors", "configuration.md#keys", "/cos/bucket", storage.cors),
        ("functions", "troubleshooting.md#the-deployment", "/scf/list", functions.functions),
        ("package", "upgrade.md#update", "/scf/list", functions.package),
        ("triggers", "troubleshooting.md#the-deployment", "/scf/list", functions.triggers),
        ("endpoint", "deploy.md#endpoint", "/scf/list", functions.endpoint),
        ("callback", "configuration.md#keys", "/vod/overview", functions.callback),
        ("sweep", "how-it-works.md#the-sweep", "/scf/list", work.sweep),
        ("lanes", "how-it-works.md#a-refused-account", "/expense/overview", work.lanes),
        ("dead", "operations.md#usual-work", "", work.dead),
        ("uploads", "uploads.md#when-no-event-arrives", "/cos/bucket", work.uploads),
        ("prices", "budgets.md#prices", "", work.prices),
        ("logs", "logs.md#read-the-logs", "/cls/search", work.logs),
        ("alarms", "alarms.md#set-them-up", "/monitor/alarm2/policy", work.alarms),
    )
)
