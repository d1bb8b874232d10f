"""Checks rules, each alone and with the others, before they are deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.errors import InvalidRequestError
from aigc.tasks.fields import snake
from aigc.tasks.kinds import KINDS
from aigc.uploads.conditions import can_end_alike, one_contains_other
from aigc.uploads.parameters import check_templates, filled, paths_of
from aigc.uploads.templates import is_placeholder, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aigc.tasks.kind import Task
    from aigc.uploads.rule import Rule

_SAMPLES = {"date": "2026-01-01", "job": "0" * 32}


def problem_of(rule: Rule, earlier: Sequence[Rule]) -> str:
    """Return the problem of a rule that follows these rules; empty if there is none."""
    if any(other.name == rule.name for other in earlier):
        return "name: used twice; allowed: a unique name"
    try:
        check_templates(rule.task)
    except ValueError as error:
        return f"task: {error}"
    if rule.is_batch:
        return _is_hidden(rule, earlier) or _wrong_defaults(rule)
    return (
        _is_hidden(rule, earlier)
        or _wrong_task(rule)
        or _shared_results(rule)
        or _same_results(rule, earlier)
    )


def _is_hidden(rule: Rule, earlier: Sequence[Rule]) -> str:
    hiding = [
        next((other.name for other in earlier if _hides(other, rule, suffix)), None)
        for suffix in rule.suffix or ("",)
    ]
    if None in hiding:
        return ""
    names = " and ".join(dict.fromkeys(name for name in hiding if name is not None))
    return (
        f"prefix: {rule.prefix!r} never applies: all its uploads match an earlier rule ({names});"
        " allowed: put it first, make the other narrower, or let it `continue`"
    )


def _hides(other: Rule, rule: Rule, suffix: str) -> bool:
    """Whether a rule applies to all uploads that a later rule could match with this suffix.

    Globs and patterns of metadata are compared as texts, so that no valid rule is refused.
    """
    return (
        not other.continues
        and rule.listens_on.startswith(other.prefix)
        and (not other.suffix or suffix.endswith(other.suffix))
        and (not other.glob or (bool(rule.glob) and set(rule.glob) <= set(other.glob)))
        and (other.min_bytes or 0) <= (rule.min_bytes or 0)
        and _max_bytes(rule) <= _max_bytes(other)
        and (not other.content_type or _is_within(rule.content_type, other.content_type))
        and all(
            _is_within(rule.metadata.get(name, ()), other.metadata[name]) for name in other.metadata
        )
    )


def _is_within(values: Sequence[str], others: Sequence[str]) -> bool:
    return bool(values) and set(values) <= set(others)


def _max_bytes(rule: Rule) -> float:
    return float("inf") if rule.max_bytes is None else rule.max_bytes


def _wrong_task(rule: Rule) -> str:
    try:
        sample_task(rule)
    except InvalidRequestError as error:
        return f"task: {error}"
    return ""


def sample_task(rule: Rule) -> Task:
    """Return the task of a sample upload.

    A placeholder without a default is replaced by a sample. If the sample is refused, the parameter
    is left out, since an upload may have an allowed value.

    Raises:
        InvalidRequestError: No upload can become a valid task.
    """
    parameters = rule.parameters()
    unknown = {path: text for path, text in paths_of(parameters) if any(_open_names(text))}
    parameters = filled(parameters, _samples(unknown.values()))
    while True:
        try:
            return rule.validated(parameters, "cos://inbox/image.png")
        except InvalidRequestError as refusal:
            if unknown.pop(refusal.field, None) is None:
                raise
            parameters = _without(parameters, refusal.field)


def _wrong_defaults(rule: Rule) -> str:
    """Check the names of the default parameters; their values are checked with each line."""
    if not rule.task:
        return ""
    if not rule.kind:
        return "task: a batch has parameters for a kind; allowed: `kind` beside it, or no `task`"
    known = KINDS[rule.kind].model.model_fields
    unknown = next((name for name in rule.task if name not in known), None)
    return (
        unknown and f"task: {unknown}: there is no such field; allowed: {', '.join(known)}"
    ) or ""


def _open_names(text: str) -> Iterator[str]:
    """Yield the names of placeholders without a default; JSON in braces is not a placeholder."""
    for name, default in placeholders(text):
        if default is None and is_placeholder(name):
            yield name


def _samples(texts: Iterable[str]) -> dict[str, str]:
    names = {name for text in texts for name in _open_names(text)}
    return {name: _SAMPLES.get(name, "sample") for name in names}


def _without(parameters: dict[str, Any], path: str) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    parameters = snake(parameters)
    inner = parameters.get(name)
    if rest and isinstance(inner, dict):
        return {**parameters, name: _without(inner, rest)}
    return {key: value for key, value in parameters.items() if key != name}


def _shared_results(rule: Rule) -> str:
    """Return the problem if two uploads of a rule could replace each other's results."""
    if rule.replaces != "key" or rule.keeps_results_of_each_job:
        return ""
    prefix, name = ({used for used, _ in placeholders(text)} for text in rule.result_templates)
    remedy = '; or replaces = "name" or "nothing"'
    if "folder" not in prefix:
        return (
            f"results: {rule.results!r}: uploads of the same name in two folders would replace each"
            f" other's results; allowed: {{folder}} or {{job}} in it{remedy}"
        )
    are_distinct = "name" in name | prefix or {"stem", "extension"} <= name | prefix
    if rule.results_name is not None and not are_distinct:
        if "stem" in name and len(rule.suffix) == 1:
            return ""
        return (
            f"results_name: {rule.results_name!r}: cat.jpg and cat.png of one folder would replace"
            f" each other's results; allowed: {{name}}, {{stem}} with {{extension}}, or {{stem}}"
            f" for a rule with one suffix{remedy}"
        )
    return ""


def _same_results(rule: Rule, earlier: Sequence[Rule]) -> str:
    """Return the problem if two jobs of one upload would write the same results."""
    for other in earlier:
        if (
            other.continues
            and not other.is_batch
            and other.result_templates == rule.result_templates
            and not (other.keeps_results_of_each_job and rule.keeps_results_of_each_job)
            and _can_both_match(other, rule)
        ):
            return (
                f"results: an upload that rule {other.name} matches too would have both results"
                " under the same keys; allowed: {rule} in `results` or `results_name`"
            )
    return ""


def _can_both_match(first: Rule, second: Rule) -> bool:
    """Whether an upload may match both rules; False only if that is certain."""
    types = (set(first.content_type), set(second.content_type))
    return (
        one_contains_other(first.listens_on, second.listens_on)
        and can_end_alike(first.suffix, second.suffix)
        and max(first.min_bytes or 0, second.min_bytes or 0)
        <= min(_max_bytes(first), _max_bytes(second))
        and (not all(types) or bool(types[0] & types[1]))
    )
