"""The size of the functions' environment, which SCF limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.config import StackConfig, StackConfigError
from infra.deployed import Deployed
from infra.environment import MAX_BYTES, check_environment
from localcloud.scf.configuration import MAX_ENVIRONMENT
from tests.infra.conftest import LONG_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.conftest import Deployment

    Run = Callable[..., Deployment]

APP_ID = "1250000000"
SUB_APP_ID = "1500000001"


def size(config: dict[str, str]) -> int:
    parsed = StackConfig.parse({"region": "ap-guangzhou", "stack": "dev", **config})
    return check_environment(parsed, APP_ID, Deployed())


def test_limit_is_that_of_the_local_cloud() -> None:
    assert MAX_BYTES == MAX_ENVIRONMENT


def test_size_is_that_of_the_declared_variables(run: Run, valid_config: dict[str, str]) -> None:
    changes = {
        "subAppId": SUB_APP_ID,
        "contentProducer": "示例",
        "publicUrl": "https://images.example.com/图",
    }

    declared: Any = run(**changes).declared["gateway-function"].inputs["environment"]

    assert size({**valid_config, **changes}) == sum(
        len(text.encode()) for variable in declared.items() for text in variable
    )


def test_environment_may_have_as_many_bytes_as_scf_takes(valid_config: dict[str, str]) -> None:
    begin = "https://example.com/"
    room = MAX_BYTES - size({**valid_config, "publicUrl": begin})
    longest = begin + "x" * room

    assert size({**valid_config, "publicUrl": longest}) == MAX_BYTES
    with pytest.raises(StackConfigError, match="has 4097 bytes; allowed: 4096 bytes"):
        size({**valid_config, "publicUrl": longest + "x"})


def test_too_large_an_environment_is_refused_before_anything_is_declared(run: Run) -> None:
    """It names the largest values that can be shortened, and no secret."""
    hosts = json.dumps([f".{number}.images.example.com" for number in range(10)])

    with pytest.raises(StackConfigError) as caught:
        run(apiKeys=json.dumps(LONG_KEYS), resultHosts=hosts)

    message = str(caught.value)
    assert "AIGC_API_KEYS 3" in message
    assert "AIGC_RESULT_HOSTS 2" in message
    assert message.index("AIGC_API_KEYS") < message.index("AIGC_RESULT_HOSTS")
    assert "make keys with `aigc keys new`" in message
    assert "AIGC_ROBOTS" not in message  # it is empty already
    assert not [digest for digest in LONG_KEYS.values() if digest in message]
