"""The program that Pulumi runs."""

from __future__ import annotations

from infra.config import StackConfig
from infra.stack import deploy

deploy(StackConfig.load())
