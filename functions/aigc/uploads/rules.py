"""The list of rules: the first that matches an upload applies, and more if it says `continue`."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aigc.errors import AigcError
from aigc.jobs.buckets import cos_object
from aigc.object_keys import RESERVED
from aigc.uploads import checks, conditions
from aigc.uploads.parameters import (
    texts_of,
)
from aigc.uploads.rule import Rule, fields_of_a_rule
from aigc.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Collection

    from aigc.uploads.conditions import UploadFacts

PACKAGED = Path(__file__).parents[2] / "rules.json"
"""The rules in the zip of the functions."""

UPLOAD_EVENTS = ("Put", "Post", "CompleteMultipartUpload")
"""Events of COS that are uploads to every rule."""

ANY_EVENT = "*"
"""The event's name in the vendor's sample; it does not say how the object was created."""


class RulesError(AigcError):
    """The rules are not valid. The message names the rule, the field and what is allowed."""


@dataclass(slots=True)
class Selection:
    """Which rules apply to an upload, and why the others do not."""

    applied: list[Rule] = field(default_factory=list)
    passed_over: list[tuple[Rule, str]] = field(default_factory=list)


class Rules(Wire):
    """All rules in order; the first match wins, unless it says `continue`."""

    rule: tuple[Rule, ...] = ()
    """The entries `[[rule]]` of the TOML file."""

    @classmethod
    def parse(cls, raw: object) -> Rules:
        """Check the rules as far as possible without an upload.

        Raises:
            RulesError: A rule is wrong, impossible for its kind, or never reached.
        """
        try:
            rules = cls.model_validate(raw)
        except ValidationError as error:
            raise RulesError(_explain(error, raw)) from None
        for position, rule in enumerate(rules.rule):
            if problem := checks.problem_of(rule, rules.rule[:position]):
                raise RulesError(f"rule {rule.name}: {problem}")
        return rules

    def packaged(self) -> str:
        """Return the rules as the JSON text that the zip contains."""
        return self.model_dump_json(indent=1, by_alias=True, exclude_defaults=True)

    def may_concern(self, key: str) -> bool:
        """Return whether a rule could match an upload with this key."""
        return bool(self.for_key(key))

    def for_key(self, key: str) -> list[Rule]:
        """Return the rules that could match an upload with this key, whatever else it is."""
        if key.startswith(RESERVED):
            return []
        return [rule for rule in self.rule if rule.fits_key(key)]

    def repeats(self, key: str) -> bool:
        """Return whether a rule that could concern this key takes each upload as another job."""
        return any(rule.repeat and rule.fits_key(key) for rule in self.rule)

    def for_event(self, event: str) -> Rules:
        """Return the rules to which an event of COS is an upload.

        An event without its name counts as a PUT.
        """
        if event in {*UPLOAD_EVENTS, ANY_EVENT}:
            return self
        rules = tuple(rule for rule in self.rule if event in rule.events)
        return Rules.model_construct(rule=rules)

    def select(self, upload: UploadFacts) -> Selection:
        """Return the rules that apply to an upload, and why each other rule does not."""
        selection = Selection()
        reason = f"keys below {RESERVED} belong to the functions"
        is_over = upload.key.startswith(RESERVED)
        for rule in self.rule:
            mismatch = reason if is_over else rule.mismatch(upload)
            if mismatch:
                selection.passed_over.append((rule, mismatch))
                continue
            selection.applied.append(rule)
            is_over = not rule.continues
            reason = f"the rule {rule.name} applies and does not continue"
        return selection

    def check_buckets(self, inbox: str, results: str) -> None:
        """Refuse rules whose results would be uploads again, in an endless loop.

        Raises:
            RulesError: Inbox and results are the same bucket, and a rule matches results.
        """
        if inbox != results:
            return
        for rule in self.rule:
            fixed = (rule.results or "").partition("{")[0]
            listener = next(
                (
                    other
                    for other in self.rule
                    if conditions.one_contains_other(fixed, other.listens_on)
                ),
                None,
            )
            if listener is not None:
                raise RulesError(
                    f"rule {rule.name}: results: {rule.results!r} in the bucket {inbox}, where rule"
                    f" {listener.name} listens on {listener.listens_on!r}, would be made into"
                    " results again; allowed: another bucket, or a prefix that no rule listens on"
                )

    def check_inputs(self, buckets: Collection[str]) -> None:
        """Refuse rules whose fixed inputs lie in buckets that the functions may not read.

        Raises:
            RulesError: An input names another bucket.
        """
        for rule in self.rule:
            named = {cos_object(url)[0] for url in texts_of(rule.task) if url.startswith("cos:")}
            if unknown := named - {*buckets}:
                raise RulesError(
                    f"rule {rule.name}: task: an input lies in the bucket {min(unknown)}; allowed:"
                    f" {', '.join(sorted(buckets)) or 'no bucket: name it in inputBuckets'}"
                )


def load_rules(path: Path) -> Rules:
    """Read and check a TOML file of rules on the developer's machine.

    Raises:
        RulesError: The file is not TOML, or a rule is wrong.
    """
    # Python 3.10 has no tomllib. The functions do not need it: the package contains JSON.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        raw = toml.loads(
            path.read_text(encoding="utf-8-sig")
        )  # some editors write a byte order mark
    except (ValueError, RecursionError) as error:
        raise RulesError(f"{path.name} is not TOML: {error}") from None
    return Rules.parse(raw)


def packaged_rules(path: Path = PACKAGED) -> Rules:
    """Read the rules that lie beside the handlers, checked when they were packed."""
    if not path.exists():
        return Rules()
    return Rules.model_validate_json(path.read_bytes())


class DeployedRules:
    """The rules of the functions, which an instance reads once."""

    def __init__(self) -> None:
        self.rules = packaged_rules()


def _explain(error: ValidationError, raw: object) -> str:
    fault = error.errors(include_url=False)[0]
    match fault["loc"]:
        case ("rule", int(number), *rest):
            field = ".".join(map(str, rest))
            where = f"rule {_name(raw, number)}" + (field and f": {field}")
        case _:
            where = ".".join(map(str, fault["loc"]))
    reason = str(fault["msg"]).removeprefix("Value error, ")
    allowed = f"; allowed: {', '.join(fields_of_a_rule())}" if "extra" in fault["type"] else ""
    return f"{where}: got {str(fault['input'])[:80]!r}: {reason}{allowed}"


def _name(raw: Any, number: int) -> str:  # noqa: ANN401  out of TOML
    entry = raw["rule"][number]
    name = entry.get("name") if isinstance(entry, dict) else None
    return str(name or f"number {number + 1}")
