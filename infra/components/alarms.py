"""Alarms, and the users and chat robots that receive them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import cls, monitor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aigc.robots import Robot
    from infra.components.logs import FunctionLogs

CHANNELS = {"wecom": "WeCom", "feishu": "Lark", "dingtalk": "DingTalk"}
"""Kind of robot → its name in CLS."""

POLICY_TYPE = "SCF"
"""Cloud Monitor's name for functions in policies; their metrics are in `QCE/SCF_V2`."""

DAY_S = 86399
"""The last second of a day."""

WEEKDAYS = [*range(1, 8)]

REPEAT_MINUTES = 60
NEAR_TIMEOUT = 0.8


@dataclass(frozen=True, slots=True)
class LogAlarm:
    """A query of the logs, with the number of lines and of minutes that raise the alarm."""

    query: str
    minutes: int = 5
    more_than: int = 0
    is_for_absence: bool = False
    """Whether the alarm is raised if there is no line. Without lines the count is 0, not
    absent (https://docs.cloudbase.net/logger/alert/log-alert-guide)."""

    @property
    def condition(self) -> str:
        """The condition on the count of lines."""
        return "$1.lines < 1" if self.is_for_absence else f"$1.lines > {self.more_than}"

    def statement(self, *, retries: int, prefix: str) -> str:
        """Return the query for CLS, which counts the lines."""
        query = self.query.format(retries=retries, gateway=f"{prefix}gateway")
        return f"{query} | select count(*) as lines"


LOG_ALARMS = {
    "errors": LogAlarm("level:error"),
    "throttled": LogAlarm("event:job_queued_again", minutes=15, more_than=10),
    "waiting-too-long": LogAlarm("event:job_queued_again AND attempt:>=4", minutes=15),
    "failing": LogAlarm("event:job_ended AND state:failed", minutes=15, more_than=5),
    # The task may have been billed without an image.
    "unexplained": LogAlarm("event:job_ended AND error:submission_unknown", minutes=15),
    # An event names an object that does not exist: it was deleted, or its key has a new form.
    "not-found": LogAlarm("event:upload_not_found", minutes=15),
    # 80 % or all of a ceiling is used; then jobs wait for a share of it.
    "ceiling": LogAlarm("event:ceiling_used", minutes=15),
    "deferred": LogAlarm("event:job_deferred", minutes=15),
    # The account is refused: jobs wait until it is repaired. Each probe logs it again.
    "account": LogAlarm("event:lane_paused", minutes=20),
    "overdue": LogAlarm("event:task_overdue", minutes=15),
    # SCF drops an event after its last retry without a notice. A killed function logs nothing, so
    # the query uses the platform's entries, one at the end of each invocation.
    "dropped": LogAlarm(
        "SCF_Type:Platform AND SCF_StatusCode:>=400 AND SCF_RetryNum:>={retries}"
        " AND NOT SCF_FunctionName:{gateway}",
        minutes=15,
    ),
    # A timeout, too much memory, or an exit of the process.
    "killed": LogAlarm(
        "SCF_Type:Platform AND SCF_StatusCode:>=433 AND SCF_StatusCode:<=439", minutes=15
    ),
    "sweep-stopped": LogAlarm("event:sweep_finished", minutes=15, is_for_absence=True),
}


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """Receivers and monitored functions."""

    prefix: str
    region: str
    receivers: Sequence[int]
    robots: Sequence[Robot]
    functions: Sequence[pulumi.Input[str]]
    timeout_s: int
    retries: int
    """How often SCF repeats an event."""
    logs: FunctionLogs | None
    language: str
    tags: Mapping[str, str]


class Alarms(pulumi.ComponentResource):
    """Alarms by e-mail, SMS and chat robots, from metrics and from the functions' logs.

    Users and robots have separate notices: the provider never empties a list of a notice, so a list
    that is no longer configured must be deleted with its notice.

    Cloud Monitor signs no messages to robots (https://cloud.tencent.com/document/product/248/9066):
    a robot with a signature gets only alarms on logs, which CLS sends with the key of the robot.
    """

    def __init__(
        self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:alarms:Alarms", name, None, opts)
        self._name = name
        self._args = args
        notices = [*self._notice_to_users(), *self._notice_to_robots()]
        if notices:
            self._watch_metrics(notices)
        if args.logs is not None:
            self._watch_logs(args.logs)
        self.register_outputs({})

    def _watch_metrics(self, notices: Sequence[monitor.AlarmNotice]) -> None:
        args = self._args
        near_timeout_ms = args.timeout_s * 1000 * NEAR_TIMEOUT
        rules = [_above("Error", 0), _above("Throttle", 0), _above("Duration", near_timeout_ms)]
        policy = monitor.AlarmPolicy(
            f"{self._name}-policy",
            policy_name=f"{args.prefix}functions",
            monitor_type="MT_QCE",
            namespace=POLICY_TYPE,
            enable=1,
            conditions=monitor.AlarmPolicyConditionsArgs(is_union_rule=0, rules=rules),
            notice_ids=[notice.id for notice in notices],
            opts=self._child(),
        )
        dimensions = [
            # The cloud returns the region; without it, each run would find a change.
            monitor.PolicyBindingObjectDimensionArgs(
                dimensions_json=_dimensions(function), region=args.region
            )
            for function in args.functions
        ]
        monitor.PolicyBindingObject(
            f"{self._name}-objects",
            policy_id=policy.id,
            dimensions=dimensions,
            opts=self._child(),
        )

    def _notice_to_users(self) -> Iterator[monitor.AlarmNotice]:
        if not self._args.receivers:
            return
        always = monitor.AlarmNoticeUserNoticeArgs(
            receiver_type="USER",
            user_ids=self._args.receivers,
            notice_ways=["EMAIL", "SMS"],
            start_time=0,
            end_time=DAY_S,
            weekdays=WEEKDAYS,
        )
        yield monitor.AlarmNotice(
            f"{self._name}-notice",
            name=f"{self._args.prefix}alarms",
            notice_type="ALL",
            notice_language=self._args.language,
            user_notices=[always],
            opts=self._child(),
        )

    def _notice_to_robots(self) -> Iterator[monitor.AlarmNotice]:
        # Without a time the provider sends 0 to 0.
        urls = [
            monitor.AlarmNoticeUrlNoticeArgs(
                url=pulumi.Output.secret(robot.url.get_secret_value()),
                start_time=0,
                end_time=DAY_S,
                weekdays=WEEKDAYS,
            )
            for robot in self._args.robots
            if not robot.secret
        ]
        if urls:
            yield monitor.AlarmNotice(
                f"{self._name}-robots-notice",
                name=f"{self._args.prefix}robots",
                notice_type="ALL",
                notice_language=self._args.language,
                url_notices=urls,
                opts=self._child("urlNotices"),
            )

    def _watch_logs(self, logs: FunctionLogs) -> None:
        notices = [*self._log_notice_to_users(), *self._log_notice_to_robots()]
        for alarm, log_alarm in LOG_ALARMS.items():
            cls.Alarm(
                f"{self._name}-{alarm}",
                name=f"{self._args.prefix}{alarm}",
                alarm_notice_ids=[notice.id for notice in notices],
                alarm_period=REPEAT_MINUTES,
                alarm_targets=[_target(log_alarm, logs, self._args)],
                condition=log_alarm.condition,
                alarm_level=0,
                monitor_time=cls.AlarmMonitorTimeArgs(type="Period", time=log_alarm.minutes),
                trigger_count=1,
                status=True,
                tags=self._args.tags,
                opts=self._child(),
            )

    def _log_notice_to_users(self) -> Iterator[cls.AlarmNotice]:
        if not self._args.receivers:
            return
        always = cls.AlarmNoticeNoticeReceiverArgs(
            receiver_type="Uin",
            receiver_ids=self._args.receivers,
            receiver_channels=["Email", "Sms"],
            start_time="00:00:00",
            end_time="23:59:59",
        )
        yield cls.AlarmNotice(
            f"{self._name}-log-notice",
            name=f"{self._args.prefix}alarms",
            type="All",
            notice_receivers=[always],
            tags=self._args.tags,
            opts=self._child(),
        )

    def _log_notice_to_robots(self) -> Iterator[cls.AlarmNotice]:
        callbacks = [self._web_callback(robot) for robot in self._args.robots]
        if callbacks:
            yield cls.AlarmNotice(
                f"{self._name}-robots-log-notice",
                name=f"{self._args.prefix}robots",
                type="All",
                web_callbacks=callbacks,
                tags=self._args.tags,
                opts=self._child(),
            )

    def _web_callback(self, robot: Robot) -> cls.AlarmNoticeWebCallbackArgs:
        callback = cls.WebCallback(
            f"{self._name}-robot-{robot.name}",
            name=f"{self._args.prefix}{robot.name}",
            type=CHANNELS[robot.kind],
            webhook=pulumi.Output.secret(robot.url.get_secret_value()),
            key=pulumi.Output.secret(robot.secret.get_secret_value()) if robot.secret else None,
            opts=self._child("webhook", "key"),
        )
        # CLS takes the address from the callback if it is empty here.
        return cls.AlarmNoticeWebCallbackArgs(
            callback_type=CHANNELS[robot.kind], url="", web_callback_id=callback.id
        )

    def _child(self, *secret_outputs: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, additional_secret_outputs=list(secret_outputs) or None
        )


def _above(metric: str, value: float) -> monitor.AlarmPolicyConditionsRuleArgs:
    return monitor.AlarmPolicyConditionsRuleArgs(
        metric_name=metric,
        period=300,
        operator="gt",
        value=f"{value:g}",
        continue_period=1,
        notice_frequency=REPEAT_MINUTES * 60,
        is_power_notice=0,
        rule_type="STATIC",
    )


def _dimensions(function: pulumi.Input[str]) -> pulumi.Output[str]:
    # https://cloud.tencent.com/document/product/248/37207
    def build(name: str) -> str:
        return json.dumps({"functionName": name, "version": "$LATEST", "namespace": "default"})

    return pulumi.Output.from_input(function).apply(build)


def _target(log_alarm: LogAlarm, logs: FunctionLogs, args: AlarmsArgs) -> cls.AlarmAlarmTargetArgs:
    return cls.AlarmAlarmTargetArgs(
        logset_id=logs.logset_id,
        topic_id=logs.topic_id,
        query=log_alarm.statement(retries=args.retries, prefix=args.prefix),
        number=1,
        start_time_offset=-log_alarm.minutes,
        end_time_offset=0,
        syntax_rule=1,
    )
