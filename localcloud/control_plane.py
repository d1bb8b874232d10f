"""The services that a Pulumi program uses to create resources in a local cloud."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from localcloud.apigateway import ApiGateway
from localcloud.cam import Cam
from localcloud.cls import Cls
from localcloud.monitor import Monitor
from localcloud.scf.service import Scf
from localcloud.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.cloud import LocalCloud


@contextlib.contextmanager
def control_plane(cloud: LocalCloud) -> Iterator[Scf]:
    """Add the services other than COS, VOD and MPS to a cloud; stop their processes at the end."""
    tags = Tags()
    logs = Cls(tags)
    scf = Scf(cloud, tags=tags, has_topic=logs.has_topic)
    logs.topic_users.append(scf.user_of_topic)
    gateway = ApiGateway(scf, tags)
    for service in (tags, logs, scf, gateway, Cam(cloud, tags), Monitor(cloud.account)):
        cloud.register(service)
    try:
        yield scf
    finally:
        gateway.stop()
        scf.stop()
