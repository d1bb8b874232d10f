"""Actions of the control plane can be refused with any code of the vendor's."""

from __future__ import annotations

import pytest

from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from localcloud.faults import FaultError, Faults
from tests.localcloud.clients import Api, control


@pytest.mark.parametrize(
    ("where", "params"),
    [
        ("scf.CreateTrigger", {"FunctionName": "f", "TriggerName": "t", "Type": "timer"}),
        ("scf.GetFunction", {"FunctionName": "f"}),
        ("cls.CreateTopic", {"LogsetId": "l", "TopicName": "t"}),
        ("cam.CreateRole", {"RoleName": "r", "PolicyDocument": "{}"}),
    ],
)
def test_action_is_refused_with_the_code(where: str, params: dict[str, str]) -> None:
    service, _, action = where.partition(".")
    with LocalCloud() as cloud, control_plane(cloud):
        fault = {"where": where, "what": "refuse:LimitExceeded.Quota", "times": 1}
        control(cloud, "faults", [fault])

        code = Api(cloud).refusal(service, action, **params)

    assert code == "LimitExceeded.Quota"


def test_request_to_a_function_cannot_be_refused_with_a_code() -> None:
    with pytest.raises(FaultError, match=r"allowed at scf\.upload"):
        Faults().replace([{"where": "scf.upload", "what": "refuse:LimitExceeded"}])
