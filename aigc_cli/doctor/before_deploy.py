"""What can be known before the first `pulumi up`: the account, the configuration, the package.

Rights to create and delete are tried by deleting what does not exist: that changes nothing, and
tells a denied action from a permitted one.
"""

from __future__ import annotations

import functools
import os
import uuid
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aigc.uploads.rules import RulesError
from aigc_cli.account import Account, RefusalError
from aigc_cli.deployment import stack_config, stack_outputs
from aigc_cli.doctor.asking import (
    DENIED,
    ask_cos,
    bucket_exists,
    exists,
    is_undecided,
    not_answered,
)
from aigc_cli.doctor.examinations import account as accounts
from aigc_cli.doctor.finding import Examination, Finding, not_checked, ok, problem
from infra.config import EMPTY, SECRETS, StackConfig, StackConfigError
from infra.deployed import Deployed
from infra.environment import FUNCTIONS, MAX_BYTES, check_environment
from infra.stack import packaged_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROJECT = "aigc-functions:"

MISSING = "aigc-doctor-missing"
"""A name that nothing has."""

REMOVALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("scf", "DeleteFunction", {"FunctionName": MISSING}),
    ("cam", "DeleteRole", {"RoleName": MISSING}),
    ("cls", "DeleteLogset", {"LogsetId": str(uuid.UUID(int=0))}),
)
ALARM_REMOVALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("cls", "DeleteAlarm", {"AlarmId": f"alarm-{uuid.UUID(int=0)}"}),
    ("monitor", "DeleteAlarmNotices", {"Module": "monitor", "NoticeIds": ["notice-missing"]}),
)
"""Service, action and parameters that remove what does not exist."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A stack before it is deployed: its configuration, and the account that it will be in."""

    stack: str
    raw_config: Mapping[str, Mapping[str, Any]]
    """Key → `value` and `secret`, as Pulumi has them."""
    account: Account
    is_deployed: bool

    @property
    def site(self) -> str:
        """The account's site; `cn` if it is not configured correctly."""
        value = str(self.raw_config.get(f"{PROJECT}site", {}).get("value", "cn"))
        return value if value in {"cn", "intl"} else "cn"

    @cached_property
    def config(self) -> StackConfig | StackConfigError:
        """The configuration, or why it cannot be used."""
        own = {
            key.removeprefix(PROJECT): entry.get("value", "")
            for key, entry in self.raw_config.items()
            if key.startswith(PROJECT)
        }
        fixed = {
            "region": self.account.region,
            "protocol": self.account.protocol,
            "stack": self.stack,
        }
        try:
            return StackConfig.parse({**own, **fixed})
        except StackConfigError as error:
            return error


def of_stack(name: str) -> Plan:
    """Read the plan of a Pulumi stack, with the owner's credentials from the environment.

    Raises:
        DeploymentError: Pulumi or the credentials are missing, or Pulumi knows no such stack.
    """
    raw_config = stack_config(name)
    region = raw_config.get("tencentcloud:region", {}).get("value")
    account = Account.of_owner(str(region or os.environ.get("TENCENTCLOUD_REGION", "ap-guangzhou")))
    is_deployed = "ledgerBucket" in stack_outputs(name)
    return Plan(stack=name, raw_config=raw_config, account=account, is_deployed=is_deployed)


def configuration(plan: Plan) -> Iterator[Finding]:
    """Check every value as the program does, and that secrets are encrypted."""
    if isinstance(plan.config, StackConfigError):
        yield problem(
            str(plan.config),
            "`pulumi up` stops at this value, before it creates anything.",
            "Set an allowed value with `pulumi config set`.",
        )
    plain = [
        key
        for key in sorted(SECRETS)
        if (entry := plan.raw_config.get(f"{PROJECT}{key}"))
        and not entry.get("secret")
        and entry.get("value") not in EMPTY
    ]
    if plain:
        yield problem(
            f"in plain text: {', '.join(plain)}",
            "Pulumi.<stack>.yaml shows them to all who can read it; `pulumi up` refuses them.",
            "`pulumi config rm <key>`, then set it with --secret.",
        )
    if not plain and isinstance(plan.config, StackConfig):
        yield ok(f"all {len(plan.raw_config)} values can be used")


def environment(plan: Plan) -> Iterator[Finding]:
    """Sum the environment that the functions would get."""
    if isinstance(plan.config, StackConfigError):
        yield _needs_configuration()
        return
    try:
        size = check_environment(plan.config, plan.account.app_id, Deployed())
    except StackConfigError as error:
        yield problem(
            str(error),
            "`pulumi up` stops, before it creates anything.",
            "Shorten the values that the message names.",
        )
        return
    yield ok(f"{size} of {MAX_BYTES} bytes of environment")


def clock(plan: Plan) -> Iterator[Finding]:
    """Compare this machine's clock with COS's."""
    yield from accounts.clock_beside(plan.account, f"{MISSING}-{plan.account.app_id}")


def vod(plan: Plan) -> Iterator[Finding]:
    """Look whether VOD is activated, and whether a configured application exists."""
    listed = accounts.applications(plan.account)
    if isinstance(listed, Finding):
        yield listed
        return
    wanted = plan.config.sub_app_id if isinstance(plan.config, StackConfig) else None
    states = {item["SubAppId"]: item["Status"] for item in listed}
    if wanted is None or states.get(wanted) == "On":
        yield ok("VOD is activated" + (f", the application {wanted} is on" if wanted else ""))
        return
    yield problem(
        f"subAppId: the application {wanted} is {states.get(wanted) or 'missing'}",
        "`pulumi up` stops, or every task of VOD is refused.",
        "Switch the application on in VOD's console, or leave `subAppId` empty for a new one.",
    )


def mps_role(plan: Plan) -> Iterator[Finding]:
    """Look whether the role of MPS exists where the configuration says so."""
    if isinstance(plan.config, StackConfigError):
        yield _needs_configuration()
        return
    mode = plan.config.mps_role
    is_there = exists(plan.account, "cam", "GetRole", RoleName=accounts.MPS_ROLE)
    seen = f"{accounts.MPS_ROLE} {'exists' if is_there else 'does not exist'}"
    if mode == "skip" or plan.is_deployed or is_there == (mode in {"existing", "import"}):
        yield ok(f"{seen}: mpsRole {mode}")
        return
    yield problem(
        f"{seen}, but mpsRole is {mode}",
        "`pulumi up` stops at the role, or every task of mps.image is refused.",
        "Set `mpsRole` to " + ("`existing`." if is_there else "`create`, or authorise COS in MPS."),
    )


def rights(plan: Plan) -> Iterator[Finding]:
    """Try the rights that `pulumi up` and `pulumi destroy` need, on what does not exist."""
    has_alarms = isinstance(plan.config, StackConfig) and (
        plan.config.alarm_receivers or plan.config.alarm_robots
    )
    removals = REMOVALS + (ALARM_REMOVALS if has_alarms else ())
    attempts: dict[str, Callable[[], object]] = {
        f"{service}:{action}": functools.partial(plan.account.api, service, action, **params)
        for service, action, params in removals
    }
    bucket = f"{MISSING}-{plan.account.app_id}"
    attempts["cos:DeleteBucket"] = functools.partial(ask_cos, plan.account, "DELETE", bucket)
    denied, allowed = [], []
    for action, attempt in attempts.items():
        try:
            attempt()
        except RefusalError as error:
            if error.code.startswith(DENIED):
                denied.append(action)
                continue
            if is_undecided(error):
                yield not_answered(action, error)
                continue
        allowed.append(action)
    if denied:
        yield problem(
            f"denied: {', '.join(denied)}",
            "`pulumi up` stops half way when it comes to such a resource.",
            "Grant the user the permissions that docs/deploy.md names.",
        )
    elif allowed:
        yield ok(f"allowed: {', '.join(allowed)}")


def names(plan: Plan) -> Iterator[Finding]:
    """Look whether another resource has a name that the stack will use."""
    if plan.is_deployed:
        yield ok("the stack is deployed: the names are its own")
        return
    if isinstance(plan.config, StackConfigError):
        yield _needs_configuration()
        return
    taken: list[str] = []
    is_complete = True
    for kind, candidates, is_taken in _names(plan.account, plan.config):
        try:
            taken.extend(f"{kind} {name}" for name in candidates if is_taken(name))
        except RefusalError as error:
            yield not_answered(f"the names of each {kind}", error)
            is_complete = False
    if taken:
        yield problem(
            f"in use: {', '.join(taken)}",
            "`pulumi up` stops at the first of them. They belong to another stack or were left"
            " behind.",
            "Set another `namePrefix`, or remove them if they are left of a deployment.",
        )
    elif is_complete:
        yield ok(f"the names with the prefix {plan.config.name_prefix!r} are free")


def _names(
    account: Account, config: StackConfig
) -> Iterator[tuple[str, list[str], Callable[[str], bool]]]:
    """Yield each kind of resource, the names that the stack gives, and whether one is in use."""
    prefix = config.name_prefix
    functions = [prefix + name for name in FUNCTIONS]
    yield (
        "function",
        functions,
        lambda name: exists(account, "scf", "GetFunction", FunctionName=name),
    )
    yield "role", functions, lambda name: exists(account, "cam", "GetRole", RoleName=name)
    named = {"inbox": config.inbox_bucket, "results": config.results_bucket}
    own = [role for role in ("inbox", "results", "ledger") if named.get(role) is None]
    yield (
        "bucket",
        [config.bucket(role, account.app_id) for role in own],
        lambda name: bucket_exists(account, name),
    )
    if config.logs:
        yield "logset", [f"{prefix}functions"], lambda name: _logset_exists(account, name)


def _logset_exists(account: Account, name: str) -> bool:
    filters = [{"Key": "logsetName", "Values": [name]}]
    return bool(account.api("cls", "DescribeLogsets", Filters=filters)["Logsets"])


def existing(plan: Plan) -> Iterator[Finding]:
    """Look whether the buckets exist that the configuration names."""
    if isinstance(plan.config, StackConfigError):
        yield _needs_configuration()
        return
    config = plan.config
    named = {
        bucket: key
        for key, buckets in (
            ("inboxBucket", (config.inbox_bucket,)),
            ("resultsBucket", (config.results_bucket,)),
            ("inputBuckets", config.input_buckets),
        )
        for bucket in buckets
        if bucket is not None
    }
    for bucket, key in named.items():
        try:
            is_there = bucket_exists(plan.account, bucket)
        except RefusalError as error:
            yield not_answered(f"{key}: {bucket}", error)
            continue
        if is_there:
            yield ok(f"{key}: {bucket} exists")
        else:
            yield problem(
                f"{key}: {bucket} does not exist",
                "`pulumi up` refuses a bucket that does not exist in this region.",
                "Create it, or name another one.",
            )
    if not named:
        yield ok("the stack creates its own buckets")


def package(plan: Plan) -> Iterator[Finding]:
    """Look whether the zip is built, whole, and has rules that can be used."""
    if isinstance(plan.config, StackConfigError):
        yield _needs_configuration()
        return
    try:
        path = plan.config.package
        rules = packaged_rules(path)
    except (StackConfigError, RulesError, zipfile.BadZipFile, KeyError, ValueError) as error:
        yield problem(
            str(error),
            "`pulumi up` needs the functions' zip.",
            "`make package` builds it; remove older zips from dist/.",
        )
        return
    with zipfile.ZipFile(path) as archive:
        missing = {"gateway.py", "upload.py", "sweep.py"} - set(archive.namelist())
    if missing:
        yield problem(
            f"{path.name} has no {', '.join(sorted(missing))}",
            "The functions cannot start.",
            "`make package` builds it again.",
        )
        return
    yield ok(f"{path.name} with {len(rules.rule)} rules")


def _needs_configuration() -> Finding:
    return not_checked(
        "this needs a valid configuration",
        "This was not checked: the configuration cannot be used.",
        "Correct the configuration above, and run this again.",
    )


EXAMINATIONS = tuple(
    Examination(name=name, page=page, console=console, examine=examine)
    for name, page, console, examine in (
        ("configuration", "configuration.md#keys", "", configuration),
        ("credentials", "deploy.md#credentials", "/cam/capi", accounts.credentials),
        ("clock", "how-it-works.md#time", "", clock),
        ("environment", "configuration.md#keys", "", environment),
        ("vod", "deploy.md#once-for-an-account", "/vod/overview", vod),
        ("mps", "deploy.md#once-for-an-account", "/mps", accounts.mps),
        ("mps-role", "deploy.md#once-for-an-account", "/cam/role", mps_role),
        ("rights", "deploy.md#credentials", "/cam/policy", rights),
        ("names", "configuration.md#keys", "/scf/list", names),
        ("existing", "configuration.md#keys", "/cos/bucket", existing),
        ("package", "upgrade.md#update", "", package),
    )
)
"""All examinations, in the order in which a reader understands the findings."""
