"""Compares the model catalogue with the docstrings of the installed SDK.

The docstrings are Chinese prose about versions, inputs, resolutions, aspect ratios, counts and
scenes. Limits of pixels and of expansion are not compared; a person reads them for each new model.
If a sentence changes its form, that is reported as a difference.
"""
# ruff: noqa: RUF001  punctuation of the docstrings

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tencentcloud.mps.v20190612 import models as mps
from tencentcloud.vod.v20180717 import models as vod

from aigc.tasks.catalogue import OneOf, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Fact(NamedTuple):
    """One property of one version of a model."""

    kind: str
    model: str
    version: str
    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.model} {self.version}: {self.name} {self.value}".rstrip()


def differences() -> list[str]:
    """Return the facts that only the SDK or only the catalogue has."""
    return [
        *(f"only in the SDK: {fact}" for fact in sorted(documented() - known())),
        *(f"only in models.json: {fact}" for fact in sorted(known(sdk_only=True) - documented())),
    ]


def known(*, sdk_only: bool = False) -> set[Fact]:
    """Return the facts in the catalogue, of all sources or only of the SDK."""
    return {
        Fact(kind, model.name, model.version, name, value)
        for kind, models in catalogue().models.items()
        for model in models
        if not sdk_only or model.source.endswith("-sdk")
        for name, value in _limits(model.limits.items())
    }


def _limits(limits: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    yield "version", ""
    for name, limit in limits:
        if name in COMPARED:
            words = limit.words if isinstance(limit, OneOf) else [str(limit.number)]
            yield name, _value(words)


def _value(words: Iterable[str]) -> str:
    return " ".join(sorted(words)) or "none"


# The SDK's docstrings


class Rule(NamedTuple):
    """The parameter whose docstring has a property, and the pattern that reads it.

    The group `model` is a name with or without a version; if it is empty, the value holds for
    all models without a value of their own.
    """

    name: str
    parameters: type
    parameter: str
    pattern: str


_BY_MODEL = r"^(?P<model>[\w. -]+)：\s*(?P<value>[^，\n]+)"
_VOD, _MPS = vod.CreateAigcImageTaskRequest, mps.CreateAigcImageTaskRequest
_VOD_OUTPUT, _MPS_OUTPUT = vod.AigcImageOutputConfig, mps.AigcImageExtraParam

RULES = {
    "vod.image": (
        Rule("version", _VOD, "ModelVersion", r"是\s*(?P<model>\w+)，可选值为 (?P<value>.+)"),
        Rule("inputs", _VOD, "FileInfos", _BY_MODEL),
        Rule("scene_type", _VOD, "SceneType", r"为 (?P<model>\w+) 时：\s*(?P<value>\w+)"),
        Rule("scene_type", _VOD, "SceneType", r"其他(?P<model>) ModelName (?P<value>暂不支持)"),
        Rule("resolution", _VOD_OUTPUT, "Resolution", _BY_MODEL),
        Rule("aspect_ratio", _VOD_OUTPUT, "AspectRatio", _BY_MODEL),
        Rule(
            "output_image_count",
            _VOD_OUTPUT,
            "OutputImageCount",
            r"(?P<model>\w+)：可选值\s*1-(?P<value>\d+)",
        ),
    ),
    "mps.image": (
        Rule("version", _MPS, "ModelVersion", r"(?P<model>[\w-]+)，可选\s*\[(?P<value>.+)\]"),
        Rule(
            "inputs",
            _MPS,
            "ImageInfos",
            r"^(?P<model>[\w. -]+?)[， ]+可?(支持最多|最多支持)\s*(?P<value>\d+)\s*张",
        ),
        Rule(
            "inputs",
            _MPS,
            "ImageInfos",
            r"^(?P<model>[\w-]+) .*，(?P<version>[\w.-]+) 可支持最多 (?P<value>\d+) 张",
        ),
        Rule("inputs", _MPS, "ImageInfos", r"默认支持传入(?P<model>)(?P<value>一)张图片"),
        Rule(
            "scene_type",
            _MPS,
            "SceneType",
            r"^(?P<value>\w+)： 全景图\n仅(?P<model>\w+)支持",
        ),
        Rule("scene_type", _MPS, "SceneType", r"(?P<model>)(?P<value>仅部分模型支持)"),
        Rule(
            "output_image_count",
            _MPS,
            "OutputImageCount",
            r"默认支持输出(?P<model>) (?P<value>\d+) 张",
        ),
        Rule("resolution", _MPS_OUTPUT, "Resolution", r"^支持选择:(?P<model>) (?P<value>.+)"),
        Rule(
            "resolution",
            _MPS_OUTPUT,
            "Resolution",
            r"^(?P<model>[\w-]+)模型支持的分辨率:(?P<value>.+)",
        ),
        Rule(
            "aspect_ratio",
            _MPS_OUTPUT,
            "AspectRatio",
            r"^(?P<model>[\w. -]+)支持：(?P<value>.+)",
        ),
    ),
}
COMPARED = {rule.name for rules in RULES.values() for rule in rules}

_Values = dict[tuple[str, str, str], str]
"""(property, model, version) → value; an empty model or version stands for all."""


def documented() -> set[Fact]:
    """Return the facts in the SDK's docstrings, for each version in them."""
    return {fact for kind, rules in RULES.items() for fact in _facts(kind, _values(rules))}


def _values(rules: Iterable[Rule]) -> _Values:
    values: _Values = {}
    for rule in rules:
        for match in re.finditer(rule.pattern, _text(rule), re.ASCII | re.MULTILINE):
            name, _, version = match["model"].partition(" ")
            version = match.groupdict().get("version", version)
            values[rule.name, name, version] = _words(match["value"])
    return values


def _facts(kind: str, values: _Values) -> Iterator[Fact]:
    for model, version in sorted(_versions(values)):
        yield Fact(kind, model, version, "version", "")
        for name in COMPARED - {"version"}:
            for key in ((name, model, version), (name, model, ""), (name, "", "")):
                if key in values:
                    yield Fact(kind, model, version, name, values[key])
                    break


def _versions(values: _Values) -> set[tuple[str, str]]:
    """Return the listed versions, and those that occur only with a limit."""
    listed = {
        (model, version)
        for (name, model, _), versions in values.items()
        if name == "version"
        for version in versions.split()
    }
    return listed | {(model, version) for _, model, version in values if version}


def _text(rule: Rule) -> str:
    document = html.unescape(rule.parameters.__init__.__doc__ or "")  # type: ignore[misc]
    match = re.search(rf":param _{rule.parameter}: (.*?)\s*:type", document, re.DOTALL)
    text = re.sub(r"</?(strong|b|code)>", "", match[1] if match else "")
    return re.sub(r"\s*(<[^>]*>|\n|；|。)\s*", "\n", text)


def _words(value: str) -> str:
    number = value.replace("一", "1")
    return _value(re.findall(r"[A-Za-z0-9_.:-]+", number))
