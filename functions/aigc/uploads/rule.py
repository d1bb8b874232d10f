"""One rule: its conditions on an upload, and the task and the results that it makes of it."""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from aigc.errors import InvalidRequestError
from aigc.jobs.job import OutputLocation
from aigc.object_keys import LONGEST_LOCATION, RESERVED, checked_key, checked_prefix, fits_into_key
from aigc.tasks.fields import explain, snake
from aigc.tasks.kinds import KINDS
from aigc.uploads import conditions
from aigc.uploads.parameters import (
    OPTIONS,
    filled,
    with_option,
    with_prompt,
)
from aigc.uploads.templates import (
    KEY_PARTS,
    META,
    as_key_part,
    check_template,
    fill,
    placeholders,
)
from aigc.wire import Wire, with_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from typing_extensions import Self

    from aigc.tasks.kind import Task
    from aigc.uploads.conditions import UploadFacts

EventName = Literal["Copy", "Origin", "Replication"]
"""Events of COS that are uploads to a rule that names them."""

BATCH_SUFFIXES = (".jobs.jsonl", ".jobs.csv")
"""Ends of the keys of batches, unless their rule names others."""

BATCH_PRIORITY = -5
"""Priority of the jobs of a batch, unless their rule or line says otherwise: below single calls."""

_OF_IMAGES = ("content_type", "continues", "results_name", "replaces", "images", "output_format")
"""Fields that a rule for batches does not have."""

PROMPT = "prompt"
"""Name of the metadata that replaces the prompt of a rule."""

_SLASHES = re.compile("//+")
_DOTS = re.compile(r"(?:^|/)\.\.?/")
_META_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_JOB_SUFFIX = 12
"""Characters of a job's id that distinguish its results from those of other jobs."""

_INPUTS = {"vod.image": "file_infos", "vod.scene_image": "file_infos", "mps.image": "image_infos"}
"""Kind → list parameter that receives the uploaded image as its first item."""


class Rule(Wire):
    """The task for the uploads that meet its conditions."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    type: Literal["image", "batch"] = "image"
    """`batch`: the upload is a file whose lines become jobs."""
    prefix: str = ""
    """Prefix of the object's key; empty: the whole bucket."""
    suffix: tuple[str, ...] = ()
    """Allowed ends of the key, in any case; empty: every key."""
    glob: tuple[str, ...] = ()
    """Patterns of the whole key, one of which must match; empty: every key."""
    min_bytes: int | None = Field(default=None, ge=0)
    """Least size of the object."""
    max_bytes: int | None = Field(default=None, ge=1)
    """Largest size of the object."""
    content_type: tuple[Literal["image/jpeg", "image/png", "image/webp"], ...] = ()
    """Allowed types, recognised by the first bytes; empty: all of them."""
    metadata: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name of a header `x-cos-meta-aigc-<name>` → patterns, one of which its value matches."""
    continues: bool = Field(default=False, alias="continue")
    """Whether later rules may match the same upload too, each for a job of its own."""
    kind: str = ""
    """Kind of the task; required for images. For a batch, the kind of lines that name none."""
    results: str | None = None
    """Prefix of the results' keys, a template; None is `{folder}`."""
    results_name: str | None = None
    """Begin of the results' file names, a template.

    None is the upload's name, without its extension if the rule takes only one.
    """
    replaces: Literal["key", "name", "nothing"] = "key"
    """Which older results the results of an upload may replace: those of the same key, those of
    every upload with the same place and name, or none."""
    priority: int | None = Field(default=None, ge=-10, le=10)
    """Priority of the jobs in their lane; 10 is first, 0 is the default."""
    images: int | None = Field(default=None, ge=1)
    """Number of images of a task."""
    output_format: Literal["jpeg", "png"] | None = None
    """File format of the images."""
    repeat: bool = False
    """Whether each upload of the same content is a job of its own, a copy onto itself included."""
    events: tuple[EventName, ...] = ()
    """Further events of COS that are uploads to this rule, beside those of `UPLOAD_EVENTS`."""
    task: dict[str, Any] = Field(default_factory=dict)
    """The task's parameters without the uploaded image; its texts are templates."""

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind and kind not in KINDS:
            raise ValueError(f"allowed: {', '.join(KINDS)}")
        return kind

    @field_validator("suffix", "glob", "content_type", "events", mode="before")
    @classmethod
    def _is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("prefix")
    @classmethod
    def _is_a_key_prefix(cls, prefix: str) -> str:
        if prefix.startswith(("/", RESERVED)):
            raise ValueError(f"keys begin neither with a slash nor, here, with {RESERVED}")
        if prefix:
            checked_key(f"{prefix}image")
        return prefix

    @field_validator("suffix")
    @classmethod
    def _are_not_empty(cls, suffixes: tuple[str, ...]) -> tuple[str, ...]:
        if "" in suffixes:
            raise ValueError("an empty suffix matches every key: leave `suffix` out instead")
        return tuple(suffix.lower() for suffix in suffixes)

    @field_validator("glob")
    @classmethod
    def _are_globs(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in globs:
            checked_key(pattern)
            if pattern.startswith(("/", RESERVED)):
                raise ValueError(f"keys begin neither with a slash nor, here, with {RESERVED}")
            if any("**" in part and part != "**" for part in pattern.split("/")):
                raise ValueError("** stands for whole folders: photos/**/*.jpg")
        return globs

    @field_validator("metadata", mode="before")
    @classmethod
    def _are_lists(cls, metadata: object) -> object:
        if not isinstance(metadata, dict):
            return metadata
        return {
            name: [value] if isinstance(value, str) else value for name, value in metadata.items()
        }

    @field_validator("metadata")
    @classmethod
    def _have_names(cls, metadata: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, values in metadata.items():
            if not _META_NAME.fullmatch(name):
                allowed = "a-z, 0-9 and -, without x-cos-meta-aigc-"
                raise ValueError(f"{name[:60]!r} is no name of metadata; allowed: {allowed}")
            if not values:
                raise ValueError(f'{name}: an empty list matches nothing; "*" matches any value')
        return metadata

    @field_validator("results")
    @classmethod
    def _is_a_place(cls, results: str | None) -> str | None:
        return None if results is None else checked_prefix(check_template(results))

    @field_validator("results_name")
    @classmethod
    def _is_a_file_name(cls, name: str | None) -> str | None:
        if name is None:
            return None
        check_template(name)
        if not name or any(sign in name for sign in "/\\") or not name.isprintable():
            raise ValueError("must be a file name without a slash")
        if any(placeholder == "folder" for placeholder, _ in placeholders(name)):
            raise ValueError("{folder} has slashes: put it into `results`")
        return name

    @field_validator("task")
    @classmethod
    def _is_in_our_spelling(cls, task: dict[str, Any]) -> dict[str, Any]:
        """Convert names to snake case: an upload adds parameters in that spelling."""
        parameters = snake(task)
        scene = parameters.get("scene_info")
        return {**parameters, "scene_info": snake(scene)} if isinstance(scene, dict) else parameters

    @model_validator(mode="before")
    @classmethod
    def _with_suffixes_of_batches(cls, raw: Any) -> Any:  # noqa: ANN401  out of TOML
        if isinstance(raw, dict) and raw.get("type") == "batch" and not raw.get("suffix"):
            return {**raw, "suffix": BATCH_SUFFIXES}
        return raw

    @model_validator(mode="after")
    def _suits_its_type(self) -> Self:
        if not self.is_batch:
            if not self.kind:
                raise ValueError(f"kind is required; allowed: {', '.join(KINDS)}")
            return self
        if not all(suffix.endswith((".jsonl", ".csv")) for suffix in self.suffix):
            raise ValueError("suffix: a batch ends with .jsonl or .csv")
        if wrong := [name for name in _OF_IMAGES if name in self.model_fields_set]:
            raise ValueError(f"a batch takes no {', '.join(map(_written, wrong))}")
        return self

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        if None not in (self.min_bytes, self.max_bytes) and self.min_bytes > self.max_bytes:  # type: ignore[operator]
            raise ValueError("min_bytes is more than max_bytes: nothing can match")
        if not all(
            conditions.one_contains_other(conditions.fixed_prefix(glob), self.prefix)
            for glob in self.glob
        ):
            raise ValueError(f"a glob matches no key that begins with {self.prefix!r}")
        return self

    @property
    def is_batch(self) -> bool:
        """Whether an upload is a file of lines."""
        return self.type == "batch"

    @property
    def listens_on(self) -> str:
        """The longest prefix that is known of all keys that can match."""
        begins = [conditions.fixed_prefix(glob) for glob in self.glob]
        shared = os.path.commonprefix(begins)  # noqa: RUF071  keys are no paths
        return max(self.prefix, shared, key=len)

    def fits_key(self, key: str) -> bool:
        """Return whether an upload with this key may match, whatever else it is."""
        return not self._key_mismatch(key)

    def mismatch(self, upload: UploadFacts) -> str:
        """Return the condition that an upload does not meet; empty if it meets all."""
        if reason := self._key_mismatch(upload.key):
            return reason
        if self.min_bytes is not None and upload.size < self.min_bytes:
            return f"min_bytes: it has {upload.size} bytes, less than {self.min_bytes}"
        if self.max_bytes is not None and upload.size > self.max_bytes:
            return f"max_bytes: it has {upload.size} bytes, more than {self.max_bytes}"
        if self.content_type and upload.content_type not in self.content_type:
            seen = upload.content_type or "of no known type"
            return f"content_type: it is {seen}, not {' or '.join(self.content_type)}"
        for name, values in self.metadata.items():
            if not conditions.metadata_matches({name: values}, upload.metadata):
                seen = repr(upload.metadata[name]) if name in upload.metadata else "missing"
                return f"metadata: {name} is {seen}, not {' or '.join(map(repr, values))}"
        return ""

    def _key_mismatch(self, key: str) -> str:
        if not key.startswith(self.prefix):
            return f"prefix: its key does not begin with {self.prefix!r}"
        if self.suffix and not key.lower().endswith(self.suffix):
            return f"suffix: its key does not end with {' or '.join(self.suffix)}"
        if self.glob and not any(conditions.glob_matches(glob, key) for glob in self.glob):
            return f"glob: its key does not match {' or '.join(self.glob)}"
        return ""

    def task_for(self, upload: UploadFacts, *, job_id: str, today: datetime) -> Task:
        """Build the task for one upload; a prompt in its metadata replaces the rule's prompt.

        Raises:
            MissingMetadataError: A template needs metadata that the upload lacks.
            InvalidRequestError: The parameters are not valid for this kind.
        """
        prompt = upload.metadata.get(PROMPT, "")
        parameters = self.parameters()
        parameters = with_prompt(parameters, prompt) if prompt else parameters
        parameters = filled(parameters, self._values(upload, job_id, today))
        return self.validated(parameters, upload.url)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters with the rule's options, before templates are filled.

        Raises:
            InvalidRequestError: An option and a parameter say the same.
        """
        parameters = dict(self.task)
        for option, path in OPTIONS[self.kind].items():
            value = getattr(self, option)
            if value is not None:
                parameters = with_option(parameters, path, value)
        return parameters

    def validated(self, parameters: Mapping[str, Any], image_url: str) -> Task:
        """Return the task of these parameters with the uploaded image as its first input.

        Raises:
            InvalidRequestError: The parameters are not valid for this kind.
        """
        inputs = _INPUTS[self.kind]
        further_inputs = parameters.get(inputs, [])
        if isinstance(further_inputs, list | tuple):  # otherwise the validation reports it
            first = _input_image(self.kind, image_url)
            parameters = {**parameters, inputs: [first, *further_inputs]}
        try:
            return KINDS[self.kind].model.model_validate(parameters)
        except ValidationError as error:
            raise explain(error) from None

    def output_location(
        self, upload: UploadFacts, *, job_id: str, today: datetime
    ) -> OutputLocation:
        """Return where the results of an upload are written.

        Raises:
            MissingMetadataError: A template needs metadata that the upload lacks.
            InvalidRequestError: The place is reserved, or the keys would be too long for COS.
        """
        values = self._values(upload, job_id, today)
        template = "{folder}" if self.results is None else self.results
        prefix = _SLASHES.sub("/", fill(template, values, as_key_part)).lstrip("/")
        name = self._file_name(values, job_id)
        is_outside = prefix.startswith(RESERVED) or _DOTS.search(prefix) or name in {"", ".", ".."}
        if is_outside or not fits_into_key(prefix, name):
            allowed = (
                f"keys of at most {LONGEST_LOCATION} bytes, not below {RESERVED}, without `..`"
            )
            raise InvalidRequestError(
                f"the results of {upload.key[:80]!r} would go to {(prefix + name)[:80]!r};"
                f" allowed: {allowed}",
                field="key",
                allowed=allowed,
            )
        return OutputLocation(prefix=prefix, name=name)

    def batch_folder(self, upload: UploadFacts, *, batch_id: str, today: datetime) -> str:
        """Return the folder for the results of a batch; `{folder}{name}/` by default.

        Raises:
            InvalidRequestError: As for the results of an image.
        """
        located = with_fields(
            self, results=self.results or "{folder}{name}/", results_name="{name}"
        )
        return located.output_location(upload, job_id=batch_id, today=today).prefix

    def defaults(self, upload: UploadFacts, *, batch_id: str, today: datetime) -> dict[str, Any]:
        """Return the parameters for the lines of a batch that do not set them.

        Raises:
            InvalidRequestError: A template cannot be filled.
        """
        return filled(self.task, self._values(upload, batch_id, today))

    def _file_name(self, values: Mapping[str, str], job_id: str) -> str:
        name = values["name"]
        if self.results_name is not None:
            name = fill(self.results_name, values, as_key_part)
        elif len(self.suffix) == 1 and name != self.suffix[0]:
            name = name.removesuffix(self.suffix[0])
        if self.replaces == "nothing" and not self._names_job:
            name = f"{name}-{job_id[:_JOB_SUFFIX]}"
        return name

    def _values(self, upload: UploadFacts, job_id: str, today: datetime) -> dict[str, str]:
        own = {"rule": self.name, "date": f"{today:%Y-%m-%d}", "job": job_id}
        metadata = {META + name: value for name, value in upload.metadata.items()}
        return {**metadata, **key_parts(upload.key), **own}

    @property
    def place(self) -> tuple[str, str]:
        """The templates of prefix and name of the results, with the rule's own name filled in."""
        prefix = "{folder}" if self.results is None else self.results
        default = "{stem}" if len(self.suffix) == 1 else "{name}"
        name = self.results_name or default
        return prefix.replace("{rule}", self.name), name.replace("{rule}", self.name)

    @property
    def _names_job(self) -> bool:
        return "job" in {name for text in self.place for name, _ in placeholders(text)}

    @property
    def keeps_results_of_each_job(self) -> bool:
        """Whether no two jobs can write the same results."""
        return self.replaces == "nothing" or self._names_job


def key_parts(key: str) -> dict[str, str]:
    """Return the parts of a key by the names of their placeholders."""
    folder, _, name = key.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    parts = (
        folder and f"{folder}/",
        folder.rpartition("/")[2],
        name,
        stem if dot and stem else name,
        extension if dot and stem else "",
    )
    return dict(zip(KEY_PARTS, parts, strict=True))


def _input_image(kind: str, url: str) -> dict[str, str]:
    return {"image_url": url} if kind == "mps.image" else {"type": "Url", "url": url}


def fields_of_a_rule() -> list[str]:
    """Return the fields of a rule as they are written in TOML."""
    return [_written(name) for name in Rule.model_fields]


def _written(name: str) -> str:
    return Rule.model_fields[name].alias or name
