"""Where Pulumi begins."""

from __future__ import annotations

from infra.config import StackConfig
from infra.stack import deploy

deploy(StackConfig.load())
