"""What a seed makes of a run of chaos: who asks for what, and what goes wrong meanwhile."""

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
"""Where rules.toml waits for uploads of each kind."""

SHAPES = ("1:1", "16:9", "3:4")

STORAGE = (
    {"where": "cos.PutObject", "what": "race:0.05", "rate": 1.0},
    {"where": "cos.GetBucket", "what": "lag:2", "rate": 1.0},
)
"""COS as the ledger assumes it, all the time: creates race, listings are late."""

FAULTS = (
    # Functions die, at once or in the middle of their work; the seconds are real ones.
    *(("scf.gateway", f"kill:{seconds}", 0.02) for seconds in (0.03, 0.1, 0.3)),
    *(("scf.upload", f"kill:{seconds}", 0.03) for seconds in (0.03, 0.1, 0.3)),
    *(("scf.sweep", f"kill:{seconds}", 0.05) for seconds in (0.1, 0.5, 1.5)),
    # Callers lose answers, or get none.
    ("scf.gateway", "lost_reply", 0.03),
    ("scf.gateway", "http_500", 0.02),
    ("scf.gateway", "throttle", 0.02),
    # Events come twice, each of both again, and late; the sweep is late or does not come.
    ("cos.event", "repeat", 0.1),
    ("cos.event", "delay:20", 0.1),
    ("scf.upload", "repeat", 0.1),
    ("scf.sweep", "delay:150", 0.3),
    ("scf.sweep", "drop", 0.2),
    ("scf.sweep", "repeat", 0.1),
    ("vod.callback", "drop", 0.15),
    ("vod.callback", "repeat", 0.15),
    ("vod.callback", "delay:40", 0.15),
    # COS fails, forgets to answer, and is slow.
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
    # The vendor refuses, breaks down, takes a task without saying so, and fails tasks.
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
"""Where, what, and how often at most: of the probability the seed draws a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One picture that somebody wants, and how he goes about it."""

    number: int
    kind: str
    is_upload: bool
    shape: str = ""
    """The aspect ratio that a call orders; an upload's picture keeps its own."""
    repeats: int = 0
    """How often a caller asks the same again, under the same Idempotency-Key."""
    cancel_after_s: float | None = None
    """Cloud time after which a caller does not want it any more."""
    wants_webhook: bool = False

    @property
    def prompt(self) -> str:
        """What the vendor's books tell it by."""
        return f"chaos {self.number}"

    @property
    def upload_key(self) -> str:
        """Where its photograph is dropped."""
        return f"{FOLDERS[self.kind]}/{self.number:05d}.jpg"

    def body(self, webhook_url: str) -> dict[str, Any]:
        """Say it as a call."""
        told = {"webhook_url": webhook_url} if self.wants_webhook else {}
        return {**_TASKS[self.kind](self), "result": {"prefix": "chaos/"}, **told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that the seed decides."""

    seed: int
    wishes: tuple[Wish, ...]
    faults: tuple[dict[str, Any], ...] = ()
    storage: tuple[dict[str, Any], ...] = ()
    """How weak COS is, from the first request to the last."""


def chaos(seed: int, jobs: int) -> Plan:
    """Draw uploads and calls of all kinds, and the faults that they meet."""
    chance = random.Random(seed)  # noqa: S311  no secret
    wishes = tuple(_wish(number, chance) for number in range(jobs))
    faults = tuple(
        {"where": where, "what": what, "rate": round(chance.uniform(0.3, 1) * most, 4)}
        for where, what, most in FAULTS
    )
    return Plan(seed=seed, wishes=wishes, faults=faults, storage=STORAGE)


def burst(jobs: int) -> Plan:
    """Want pictures by uploads alone, of all kinds alike, with nothing going wrong."""
    kinds = tuple(ENDPOINTS)
    wishes = (
        Wish(number=number, kind=kinds[number % len(kinds)], is_upload=True)
        for number in range(jobs)
    )
    return Plan(seed=0, wishes=tuple(wishes))


def _wish(number: int, chance: random.Random) -> Wish:
    kind = chance.choice(tuple(ENDPOINTS))
    if chance.random() < 0.35:
        return Wish(number=number, kind=kind, is_upload=True)
    return Wish(
        number=number,
        kind=kind,
        is_upload=False,
        shape=chance.choice(SHAPES),
        repeats=chance.choice((0, 0, 1, 2)),
        cancel_after_s=chance.choice((None,) * 6 + (0.0, 3.0, 30.0)),
        wants_webhook=chance.random() < 0.3,
    )


def _vod_image(wish: Wish) -> dict[str, Any]:
    return {
        "model_name": "GG",
        "model_version": "3.0",
        "prompt": wish.prompt,
        "output_config": {"aspect_ratio": wish.shape},
    }


def _vod_scene_image(wish: Wish) -> dict[str, Any]:
    return {
        "scene_info": {
            "type": "product_image",
            "product_image_config": {"prompt": wish.prompt},
        },
        "file_infos": [{"type": "Url", "url": "https://example.com/bottle.png"}],
        "output_config": {"aspect_ratio": wish.shape},
    }


def _mps_image(wish: Wish) -> dict[str, Any]:
    return {
        "model_name": "Vidu",
        "model_version": "q2",
        "prompt": wish.prompt,
        "extra_parameters": {"aspect_ratio": wish.shape},
    }


_TASKS = {
    "vod.image": _vod_image,
    "vod.scene_image": _vod_scene_image,
    "mps.image": _mps_image,
}
