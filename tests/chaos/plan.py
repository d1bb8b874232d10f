"""The plan of a chaos run, drawn from a seed: the jobs and the faults."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

ENDPOINTS = {
    "vod.image": "tencent-vod/v1/aigc-image",
    "vod.scene_image": "tencent-vod/v1/aigc-scene-image",
    "mps.image": "tencent-mps/v1/aigc-image",
}
FOLDERS = {"vod.image": "anime", "vod.scene_image": "product", "mps.image": "sketch"}
"""Kind → the folder for its uploads in rules.toml."""

SHAPES = ("1:1", "16:9", "3:4")

STORAGE = (
    {"where": "cos.PutObject", "what": "race:0.05", "rate": 1.0},
    {"where": "cos.GetBucket", "what": "lag:2", "rate": 1.0},
)
"""The weaknesses of COS that the ledger tolerates: creates race, listings are late."""

FAULTS = (
    # Functions are killed at the start or during their work; the seconds are real time.
    *(("scf.gateway", f"kill:{seconds}", 0.02) for seconds in (0.03, 0.1, 0.3)),
    *(("scf.upload", f"kill:{seconds}", 0.03) for seconds in (0.03, 0.1, 0.3)),
    *(("scf.sweep", f"kill:{seconds}", 0.05) for seconds in (0.1, 0.5, 1.5)),
    # Callers get no answer, or an error of the platform.
    ("scf.gateway", "lost_reply", 0.03),
    ("scf.gateway", "http_500", 0.02),
    ("scf.gateway", "throttle", 0.02),
    # Events are repeated, by COS and by SCF, and delayed; sweeps are delayed, dropped or repeated.
    ("cos.event", "repeat", 0.1),
    ("cos.event", "delay:20", 0.1),
    ("scf.upload", "repeat", 0.1),
    ("scf.sweep", "delay:150", 0.3),
    ("scf.sweep", "drop", 0.2),
    ("scf.sweep", "repeat", 0.1),
    ("vod.callback", "drop", 0.15),
    ("vod.callback", "repeat", 0.15),
    ("vod.callback", "delay:40", 0.15),
    # COS fails, loses replies, and is slow.
    *(
        (f"cos.{operation}", what, rate)
        for operation in ("PutObject", "GetObject", "GetBucket", "DeleteObject")
        for what, rate in (
            ("throttle", 0.01),
            ("http_500", 0.01),
            ("lost_reply", 0.01),
            ("delay:10", 0.02),
        )
    ),
    # The vendor refuses calls, fails, loses the reply to an accepted task, and fails tasks.
    *(
        (f"{action}", what, rate)
        for action in (
            "vod.CreateAigcImageTask",
            "vod.CreateSceneAigcImageTask",
            "mps.CreateAigcImageTask",
        )
        for what, rate in (
            ("throttle", 0.05),
            ("http_500", 0.02),
            ("lost_reply", 0.06),
            ("delay:30", 0.03),
            ("refuse:LimitExceeded", 0.01),
            ("task_failure:RequestLimitExceeded", 0.02),
            ("task_failure:InvalidParameter.VoilationContent", 0.01),
        )
    ),
    *(
        (action, what, 0.03)
        for action in ("vod.DescribeTaskDetail", "vod.DescribeTasks", "mps.DescribeAigcImageTask")
        for what in ("throttle", "http_500", "lost_reply", "delay:10")
    ),
)
"""Where, what, and the highest rate; the seed draws 30 % to 100 % of it."""

REFUSED_S = (240, 480)
"""For how much cloud time the account is refused: some probes are refused too."""

REFUSALS = ("FailedOperation.UserArrears", "UnauthorizedOperation", "AuthFailure.TokenFailure")
"""Codes by which the account may be refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A time in which the vendor refuses the account."""

    code: str
    begins_s: float
    """Cloud time from the first call."""
    lasts_s: float

    @property
    def fault(self) -> dict[str, Any]:
        """The fault of the local cloud that refuses every submission and every query."""
        return {"where": "account", "what": f"refuse:{self.code}", "rate": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """One upload or call of the plan, and how its caller behaves."""

    number: int
    kind: str
    is_upload: bool
    shape: str = ""
    """The aspect ratio that a call requests; empty for an upload, which keeps its own."""
    repeats: int = 0
    """How often the caller repeats the call, with the same Idempotency-Key."""
    cancel_after_s: float | None = None
    """Cloud time after which the caller cancels; None if it does not cancel."""
    wants_webhook: bool = False

    @property
    def prompt(self) -> str:
        """Its prompt, which is unique and identifies it in the vendor's records."""
        return f"chaos {self.number}"

    @property
    def upload_key(self) -> str:
        """The key of its photograph in the inbox."""
        return f"{FOLDERS[self.kind]}/{self.number:05d}.jpg"

    def body(self, webhook_url: str) -> dict[str, Any]:
        """Return the body of the call."""
        webhook = {"webhook_url": webhook_url} if self.wants_webhook else {}
        return {**_TASKS[self.kind](self), "result": {"prefix": "chaos/"}, **webhook}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The jobs and faults of one run."""

    seed: int
    jobs: tuple[PlannedJob, ...]
    faults: tuple[dict[str, Any], ...] = ()
    storage: tuple[dict[str, Any], ...] = ()
    """The weaknesses of COS, active during the whole run."""
    refusal: Refusal | None = None


def chaos(seed: int, jobs: int) -> Plan:
    """Draw uploads and calls of all kinds, and faults."""
    rng = random.Random(seed)  # noqa: S311  no secret
    planned_jobs = tuple(_planned_job(number, rng) for number in range(jobs))
    faults = tuple(
        {"where": where, "what": what, "rate": round(rng.uniform(0.3, 1) * most, 4)}
        for where, what, most in FAULTS
    )
    refusal = Refusal(
        code=rng.choice(REFUSALS),
        begins_s=rng.uniform(10, 60),
        lasts_s=rng.uniform(*REFUSED_S),
    )
    return Plan(seed=seed, jobs=planned_jobs, faults=faults, storage=STORAGE, refusal=refusal)


def burst(jobs: int) -> Plan:
    """Plan uploads only, with the kinds in equal parts and without faults."""
    kinds = tuple(ENDPOINTS)
    planned_jobs = (
        PlannedJob(number=number, kind=kinds[number % len(kinds)], is_upload=True)
        for number in range(jobs)
    )
    return Plan(seed=0, jobs=tuple(planned_jobs))


def _planned_job(number: int, rng: random.Random) -> PlannedJob:
    kind = rng.choice(tuple(ENDPOINTS))
    if rng.random() < 0.35:
        return PlannedJob(number=number, kind=kind, is_upload=True)
    return PlannedJob(
        number=number,
        kind=kind,
        is_upload=False,
        shape=rng.choice(SHAPES),
        repeats=rng.choice((0, 0, 1, 2)),
        cancel_after_s=rng.choice((None,) * 6 + (0.0, 3.0, 30.0)),
        wants_webhook=rng.random() < 0.3,
    )


def _vod_image(planned: PlannedJob) -> dict[str, Any]:
    return {
        "model_name": "GG",
        "model_version": "3.0",
        "prompt": planned.prompt,
        "output_config": {"aspect_ratio": planned.shape},
    }


def _vod_scene_image(planned: PlannedJob) -> dict[str, Any]:
    return {
        "scene_info": {
            "type": "product_image",
            "product_image_config": {"prompt": planned.prompt},
        },
        "file_infos": [{"type": "Url", "url": "https://example.com/bottle.png"}],
        "output_config": {"aspect_ratio": planned.shape},
    }


def _mps_image(planned: PlannedJob) -> dict[str, Any]:
    return {
        "model_name": "Vidu",
        "model_version": "q2",
        "prompt": planned.prompt,
        "extra_parameters": {"aspect_ratio": planned.shape},
    }


_TASKS = {
    "vod.image": _vod_image,
    "vod.scene_image": _vod_scene_image,
    "mps.image": _mps_image,
}
