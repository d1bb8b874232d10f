"""Faults that a developer configures: the place, the kind, and how often it applies."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from localcloud.marks import MARKS

REQUEST_FAULTS = frozenset({"throttle", "lost_reply", "http_500", "delay"})
API_FAULTS = REQUEST_FAULTS | {"refuse"}
DELIVERY_FAULTS = frozenset({"drop", "repeat", "delay"})
MAX_LAG_S = 60.0
"""The longest `lag`. COS names no bound; the project assumes a minute."""

ACCOUNT = "account"
"""The place of faults that refuse every call of VOD and MPS, as if the account were in arrears."""

# The kinds of faults for each place; an entry that can never apply is refused.
_PLACES = (
    (r"(vod|mps)\.Create(Scene)?AigcImageTask", API_FAULTS | {"task_failure", "image"}),
    (r"account", frozenset({"refuse"})),
    (r"vod\.callback|cos\.event", DELIVERY_FAULTS),
    (r"(vod|mps|cam|tag|cls|monitor|apigateway)\.[A-Z]\w*", API_FAULTS),
    (r"cos\.PutObject", REQUEST_FAULTS | {"race"}),
    (r"cos\.GetBucket", REQUEST_FAULTS | {"lag"}),
    (r"cos\.[A-Z]\w*", REQUEST_FAULTS),
    # An action of SCF, or a function whose name has the form of an action.
    (r"scf\.[A-Z]\w*", API_FAULTS | DELIVERY_FAULTS | {"kill"}),
    (r"scf\.[A-Za-z][\w:-]*", REQUEST_FAULTS | DELIVERY_FAULTS | {"kill"}),
)
_NEEDS_ARGUMENT = frozenset({"task_failure", "image", "delay", "refuse", "race", "lag"})
_TAKES_SECONDS = frozenset({"delay", "kill", "race", "lag"})
_FIELDS = frozenset({"where", "what", "times", "rate"})


class FaultError(ValueError):
    """An entry of a list of faults is invalid; the message names its field."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that applies a number of times, or with a probability each time."""

    where: str
    what: str
    times: int | None = None
    rate: float | None = None

    @property
    def kind(self) -> str:
        """The kind of the fault, without its argument."""
        return self.what.partition(":")[0]

    def to_json(self) -> dict[str, Any]:
        """Return the fault as an entry of a list of faults."""
        fields = {"where": self.where, "what": self.what, "times": self.times, "rate": self.rate}
        return {name: value for name, value in fields.items() if value is not None}


class Faults:
    """The configured faults that still apply."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._random = random.Random(0)  # noqa: S311  the same faults in each run
        self.applied: Counter[str] = Counter()
        """How often each fault applied: `cos.PutObject lost_reply`."""

    def seed(self, number: int) -> None:
        """Seed the probabilities: the same number gives the same faults."""
        with self._lock:
            self._random.seed(number)

    def replace(self, entries: object) -> None:
        """Replace all faults.

        Raises:
            FaultError: An entry is invalid; nothing is replaced.
        """
        if not isinstance(entries, list):
            raise FaultError("the body must be a JSON list of faults")
        faults = [_parse(index, entry) for index, entry in enumerate(entries)]
        with self._lock:
            self._faults = faults

    def remaining(self) -> list[dict[str, Any]]:
        """List the faults that still apply."""
        with self._lock:
            return [fault.to_json() for fault in self._faults]

    def take(self, where: str, *kinds: str) -> str | None:
        """Return the first fault that applies, such as `delay:3`, and count its use; else None.

        Args:
            where: `vod.CreateAigcImageTask`, `cos.event`, `scf.upload`…
            kinds: The kinds that the caller can apply; without kinds, all. Other faults remain.
        """
        with self._lock:
            for index, fault in enumerate(self._faults):
                matches = fault.where == where and (not kinds or fault.kind in kinds)
                if matches and self._applies(fault):
                    self._use(index)
                    return fault.what
        return None

    def take_seconds(self, where: str, kind: str) -> float | None:
        """Return the seconds of the first fault that applies, and count its use; else None."""
        fault = self.take(where, kind)
        return None if fault is None else float(argument(fault))

    def _applies(self, fault: Fault) -> bool:
        return fault.rate is None or self._random.random() < fault.rate

    def _use(self, index: int) -> None:
        fault = self._faults[index]
        self.applied[f"{fault.where} {fault.kind}"] += 1
        if fault.times is None:
            return
        if fault.times == 1:
            del self._faults[index]
        else:
            self._faults[index] = replace(fault, times=fault.times - 1)


def argument(fault: str) -> str:
    """Return the text after the colon: the seconds of `delay:3`, the code of `refuse:…`."""
    return fault.partition(":")[2]


def _parse(index: int, entry: object) -> Fault:
    label = f"fault {index}"
    if not isinstance(entry, dict):
        raise FaultError(f"{label} is not an object")
    unknown = sorted(entry.keys() - _FIELDS)
    if unknown:
        raise FaultError(f"{label}: unknown field {unknown[0]!r}; allowed: {sorted(_FIELDS)}")
    where, what = entry.get("where"), entry.get("what")
    kinds = _kinds_at(where)
    if not isinstance(where, str) or kinds is None:
        raise FaultError(
            f"{label}: where is {where!r}; allowed: `vod.<Action>`, `scf.<function>`, …"
        )
    if not isinstance(what, str) or not _is_kind(what, kinds):
        raise FaultError(f"{label}: what is {what!r}; allowed at {where}: {sorted(kinds)}")
    return Fault(where, what, *_how_often(label, entry))


def _kinds_at(where: object) -> frozenset[str] | None:
    for pattern, kinds in _PLACES:
        if isinstance(where, str) and re.fullmatch(pattern, where):
            return kinds
    return None


def _is_kind(what: str, kinds: frozenset[str]) -> bool:
    kind, _, text = what.partition(":")
    if not text:
        return kind in kinds and kind not in _NEEDS_ARGUMENT
    if kind == "image" and text not in MARKS:
        return False
    return kind in kinds and (kind not in _TAKES_SECONDS or _is_duration(kind, text))


def _is_duration(kind: str, text: str) -> bool:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        return False
    return kind != "lag" or float(text) <= MAX_LAG_S


def _how_often(label: str, entry: dict[str, Any]) -> tuple[int | None, float | None]:
    times, rate = entry.get("times"), entry.get("rate")
    if times is not None and rate is not None:
        raise FaultError(f"{label}: give times or rate, not both")
    if rate is not None:
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise FaultError(f"{label}: rate is {rate!r}; allowed: a number from 0 to 1")
        return None, float(rate)
    times = 1 if times is None else times
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise FaultError(f"{label}: times is {times!r}; allowed: a number from 1")
    return times, None
