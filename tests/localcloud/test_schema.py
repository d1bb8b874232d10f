"""Schemas are those of the SDK's models, though these are not imported."""

from __future__ import annotations

import re

import pytest
from tencentcloud.common.abstract_model import AbstractModel
from tencentcloud.scf.v20180416 import models

from localcloud import schema

VERSION = "2018-04-16"


def test_each_model_has_the_fields_of_its_class() -> None:
    constructors = {
        name: model.__init__  # type: ignore[misc]  # of a class
        for name, model in vars(models).items()
        if isinstance(model, type) and issubclass(model, AbstractModel)
    }
    constructors.pop("AbstractModel")

    fields = {name: schema.fields("scf", VERSION, name) for name in constructors}

    assert len(constructors) > 100
    assert fields == {
        name: tuple(re.findall(r"^ +:type (\w+):", constructor.__doc__ or "", re.MULTILINE))
        for name, constructor in constructors.items()
    }


def test_unknown_model_is_an_error() -> None:
    with pytest.raises(LookupError, match="the SDK has no model Function2 of scf"):
        schema.fields("scf", VERSION, "Function2")
