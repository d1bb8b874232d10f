"""Rules that turn an upload into a task, selected by the object's key."""

from __future__ import annotations

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, field_validator

from aigc.errors import AigcError, InvalidRequestError
from aigc.jobs.job import OutputLocation
from aigc.places import LONGEST_BEGIN, RESERVED, checked_key, checked_prefix, fits_in_a_key
from aigc.tasks.fields import explain, snake
from aigc.tasks.kinds import KINDS
from aigc.wire import Wire

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from aigc.tasks.kind import Task

_SLASHES = re.compile("//+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BRACES = re.compile("[{}]")
_PLACEHOLDERS = ("folder", "rule", "date", "job")

_PICTURES = {"vod.image": "file_infos", "vod.scene_image": "file_infos", "mps.image": "image_infos"}
"""Kind → list parameter that receives the uploaded picture as its first item."""


class RulesError(AigcError):
    """The rules are not valid. The message names the rule, the field and what is allowed."""


class Rule(Wire):
    """The task for uploads under one prefix."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    prefix: str = ""
    """Prefix of the object's key; empty: the whole bucket."""
    suffix: tuple[str, ...] = ()
    """Allowed ends of the key, in any case; empty: every key."""
    kind: str
    results: str | None = None
    """Prefix of the results' keys, with `{folder}` of the upload, `{rule}`, `{date}`, `{job}`.

    None is `{folder}`: a later upload of the same name replaces the results.
    """
    task: dict[str, Any] = Field(default_factory=dict)
    """The task's parameters without the uploaded picture."""

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"allowed: {', '.join(KINDS)}")
        return kind

    @field_validator("prefix")
    @classmethod
    def _is_a_key_prefix(cls, prefix: str) -> str:
        if prefix.startswith(("/", RESERVED)):
            raise ValueError(f"keys begin neither with a slash nor, here, with {RESERVED}")
        if prefix:
            checked_key(f"{prefix}picture")
        return prefix

    @field_validator("suffix")
    @classmethod
    def _are_not_empty(cls, suffixes: tuple[str, ...]) -> tuple[str, ...]:
        if "" in suffixes:
            raise ValueError("an empty suffix matches every key: leave `suffix` out instead")
        return tuple(suffix.lower() for suffix in suffixes)

    @field_validator("results")
    @classmethod
    def _is_a_place(cls, results: str | None) -> str | None:
        if results is None:
            return None
        unknown = set(_PLACEHOLDER.findall(results)) - set(_PLACEHOLDERS)
        if unknown:
            raise ValueError(f"allowed placeholders: {', '.join(_PLACEHOLDERS)}")
        if _BRACES.search(_PLACEHOLDER.sub("", results)):
            raise ValueError("a brace without its counterpart")
        return checked_prefix(results)

    @field_validator("task")
    @classmethod
    def _is_in_our_spelling(cls, task: dict[str, Any]) -> dict[str, Any]:
        """Convert names to snake case: an upload adds parameters in that spelling."""
        parameters = snake(task)
        scene = parameters.get("scene_info")
        return {**parameters, "scene_info": snake(scene)} if isinstance(scene, dict) else parameters

    def fits(self, key: str) -> bool:
        """Return whether the rule matches this key."""
        if not key.startswith(self.prefix):
            return False
        return not self.suffix or key.lower().endswith(self.suffix)

    def task_for(self, picture_url: str, prompt: str = "") -> Task:
        """Build the task for one picture; a prompt replaces the rule's prompt.

        Raises:
            InvalidRequestError: The parameters are not valid for this kind.
        """
        parameters = _with_prompt(self.task, prompt) if prompt else dict(self.task)
        field = _PICTURES[self.kind]
        further_inputs = parameters.get(field, [])
        if isinstance(further_inputs, list | tuple):  # otherwise the validation reports it
            parameters[field] = [_picture(self.kind, picture_url), *further_inputs]
        try:
            return KINDS[self.kind].model.model_validate(parameters)
        except ValidationError as error:
            raise explain(error) from None

    def output_location(self, key: str, *, job_id: str, today: datetime) -> OutputLocation:
        """Return where the results of an upload are written.

        Raises:
            InvalidRequestError: The place is reserved, or the keys would be too long for COS.
        """
        folder, _, file_name = key.rpartition("/")
        values = {
            "folder": f"{folder}/" if folder else "",
            "rule": self.name,
            "date": f"{today:%Y-%m-%d}",
            "job": job_id,
        }
        template = "{folder}" if self.results is None else self.results
        prefix = _PLACEHOLDER.sub(lambda match: values[match[1]], template)
        prefix = _SLASHES.sub("/", prefix).lstrip("/")
        name = file_name.rpartition(".")[0] or file_name
        if prefix.startswith(RESERVED) or not fits_in_a_key(prefix, name):
            allowed = f"keys of at most {LONGEST_BEGIN} bytes, not below {RESERVED}"
            raise InvalidRequestError(
                f"the results of {key[:80]!r} would go to {prefix[:80]!r}; allowed: {allowed}",
                field="key",
                allowed=allowed,
            )
        return OutputLocation(prefix=prefix, name=name)

    def hides(self, prefix: str, suffix: str) -> bool:
        """Return whether this rule matches every key with this prefix and suffix."""
        return prefix.startswith(self.prefix) and (not self.suffix or suffix.endswith(self.suffix))


class Rules(Wire):
    """All rules in order; the first match wins."""

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
            _check_task(rule)
            _check_reachable(rule, rules.rule[:position])
        return rules

    def first_for(self, key: str) -> Rule | None:
        """Return the first rule that matches the key; None if there is none."""
        return next((rule for rule in self.rule if rule.fits(key)), None)

    def check_buckets(self, inbox: str, results: str) -> None:
        """Refuse rules whose results would be uploads again, in an endless loop.

        Raises:
            RulesError: Inbox and results are the same bucket, and a rule matches results.
        """
        if inbox != results:
            return
        for rule in self.rule:
            fixed = (rule.results or "").partition("{")[0]
            listener = next((other for other in self.rule if _may_meet(fixed, other.prefix)), None)
            if listener is not None:
                raise RulesError(
                    f"rule {rule.name}: results: {rule.results!r} in the bucket {inbox}, where rule"
                    f" {listener.name} listens on {listener.prefix!r}, would be made into results"
                    " again; allowed: another bucket, or a prefix that no rule listens on"
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
        raise RulesError(f"{path.name} is no TOML: {error}") from None
    return Rules.parse(raw)


def packaged_rules(path: Path) -> Rules:
    """Read the rules that lie beside the handlers, checked when they were packed."""
    if not path.exists():
        return Rules()
    return Rules.model_validate_json(path.read_bytes())


def _picture(kind: str, url: str) -> dict[str, str]:
    return {"image_url": url} if kind == "mps.image" else {"type": "Url", "url": url}


def _with_prompt(task: dict[str, Any], prompt: str) -> dict[str, Any]:
    scene = task.get("scene_info")
    if scene is None:
        return {**task, "prompt": prompt}
    config = next((field for field in scene if field.endswith("_config")), None)
    if config is None:
        raise InvalidRequestError(
            f"the scene {scene.get('type')} takes no prompt, but the upload brings one",
            field="scene_info",
        )
    return {**task, "scene_info": {**scene, config: {**scene[config], "prompt": prompt}}}


def _check_task(rule: Rule) -> None:
    try:
        rule.task_for("cos://inbox/picture.png")
    except InvalidRequestError as error:
        raise RulesError(f"rule {rule.name}: task: {error}") from None


def _check_reachable(rule: Rule, earlier: tuple[Rule, ...]) -> None:
    if any(other.name == rule.name for other in earlier):
        raise RulesError(f"rule {rule.name}: name: used twice; allowed: a unique name")
    hiding = [
        next((other.name for other in earlier if other.hides(rule.prefix, suffix)), None)
        for suffix in rule.suffix or ("",)
    ]
    names = list(dict.fromkeys(name for name in hiding if name is not None))
    if None not in hiding:
        raise RulesError(
            f"rule {rule.name}: prefix: {rule.prefix!r} is never reached behind rule"
            f" {' and '.join(names)}; allowed: put it first, or make the other narrower"
        )


def _may_meet(written: str, listened: str) -> bool:
    return written.startswith(listened) or listened.startswith(written)


def _explain(error: ValidationError, raw: object) -> str:
    fault = error.errors(include_url=False)[0]
    match fault["loc"]:
        case ("rule", int(number), *rest):
            field = ".".join(map(str, rest))
            where = f"rule {_name(raw, number)}" + (field and f": {field}")
        case _:
            where = ".".join(map(str, fault["loc"]))
    reason = str(fault["msg"]).removeprefix("Value error, ")
    allowed = f"; allowed: {', '.join(Rule.model_fields)}" if "extra" in fault["type"] else ""
    return f"{where}: got {str(fault['input'])[:80]!r}: {reason}{allowed}"


def _name(raw: Any, number: int) -> str:  # noqa: ANN401  out of TOML
    entry = raw["rule"][number]
    name = entry.get("name") if isinstance(entry, dict) else None
    return str(name or f"number {number + 1}")
