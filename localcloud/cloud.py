"""The local cloud: it connects its services and sends each request to one of them."""

from __future__ import annotations

import json
import re
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from localcloud import control
from localcloud.api import ApiEndpoint
from localcloud.applications import Applications
from localcloud.core import Account, Clock, Key, Keys
from localcloud.cos.calls import Target
from localcloud.cos.service import Cos
from localcloud.drawing import placeholder
from localcloud.faults import Faults
from localcloud.journal import Journal
from localcloud.mps import Mps
from localcloud.notifications import LOOPBACK, Notifications
from localcloud.results import Results
from localcloud.server import LostReplyError, Request, Response, Server
from localcloud.tasks import SOURCE_FAILED, Failure, TaskFailedError, Tasks
from localcloud.vod import Vod

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from localcloud.core import Caller, Service

_CONTROL = "/_localcloud/"
_COS_BY_PATH = re.compile(r"/_localcloud/cos/(?P<bucket>[^/]+)(?P<path>/.*|)")
# `<bucket>.cos.<region>.myqcloud.com`, or another domain that a client is configured to use for
# COS. A host without a bucket is the service itself.
_COS_HOST = re.compile(
    r"((?P<bucket>[a-z0-9-]+)\.)?cos(-internal)?\.(?P<region>[a-z]+(-[a-z0-9]+)+)(\.[a-z0-9-]+)+"
)
_COS_SERVICE = "service.cos.myqcloud.com"
_FETCH_TIMEOUT_S = 10


class LocalCloud:
    """An emulator of Tencent Cloud on one loopback port.

    Args:
        port: The port to listen on; 0 chooses a free port.
        speed: The factor by which durations are shorter than in the cloud.
        data: The folder for objects, tasks and the owner's key; None uses a temporary folder.
        account: The account that owns the cloud.
        limits: Concurrency limits by `vod.CreateAigcImageTask` and so on; others are the cloud's.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        speed: float = 1.0,
        data: Path | None = None,
        account: Account | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        # The port is opened first: if it is in use, no other resource has to be released.
        self._server = Server(port, self.answer)
        self._resources = ExitStack()
        folder = data or Path(
            self._resources.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        )
        self.account = account or Account()
        self.clock = Clock(speed)
        self.keys = Keys(_owner_key(folder / "owner.json"))
        self.faults = Faults()
        self.role_trusts: Callable[[str, str], bool] = lambda _role, _service: False
        """Whether a role of this name exists and the service may assume it; CAM replaces this."""
        self.authorize: Callable[[Caller, str, str], None] = lambda _caller, _action, _on: None
        """Raises ApiError if a caller is not allowed an action on a resource; CAM replaces this.

        An action is `vod:CreateAigcImageTask` or `name/cos:PutObject`. The resource of COS is
        `qcs::cos:<region>:uid/<appid>:<bucket>/<key>`, that of VOD
        `qcs::vod::uin/<uin>:subAppId/<id>`, and that of the other services `*`.
        """
        self.cos = Cos(
            folder / "cos",
            account=self.account,
            keys=self.keys,
            clock=self.clock,
            faults=self.faults,
            authorize=self._authorize,
        )
        self.results = Results(folder / "results", self.clock)
        task_journal = self._open_journal(folder / "tasks.jsonl")
        self.tasks = Tasks(task_journal, self.clock, self.faults, limits or {})
        self.vod = self._build_vod(folder)
        self.mps = self._build_mps()
        self.services: dict[str, Service] = {"vod": self.vod, "mps": self.mps}
        self.control_routes = control.routes(self.tasks, self.faults, self.vod)
        """The handlers of `/_localcloud/…` by path; services may add their own."""
        self._api = ApiEndpoint(
            self.services,
            account=self.account,
            keys=self.keys,
            clock=self.clock,
            faults=self.faults,
            authorize=self._authorize,
        )
        self._resources.callback(self.cos.close)
        self._resources.callback(self.results.close)

    def register(self, service: Service) -> None:
        """Add an API 3.0 service, or replace one."""
        self.services[service.name] = service

    def start(self) -> None:
        """Start to serve requests."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving, close the files, and remove a temporary folder."""
        self._server.stop()
        self.clock.stop()
        self._resources.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address to use as a proxy, or as an endpoint."""
        return f"http://{self._authority}"

    @property
    def _authority(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    def answer(self, request: Request) -> Response:
        """Answer a request for a host of this cloud; requests for other hosts are not forwarded."""
        if request.method == "CONNECT":
            return self._tunnel(request)
        if request.hostname in LOOPBACK and request.path.startswith(_CONTROL):
            return self._control(request)
        if self.results.has_host(request.hostname):
            return self.results.answer(request)
        if (target := _cos_target(request)) is not None:
            return self.cos.answer(request, target)
        if self._api.is_for(request):
            return self._api.answer(request)
        return Response.of_json({"error": f"the local cloud does not serve {request.host}"}, 404)

    def _tunnel(self, request: Request) -> Response:
        """Accept a tunnel for plain http, which some clients request; serve its requests here."""
        if request.host.endswith(":80") or request.host == self._authority:
            return Response()
        message = "the local cloud supports http only: use http:// URLs, or protocol http"
        return Response.of_json({"error": message}, 405)

    def _control(self, request: Request) -> Response:
        match = _COS_BY_PATH.fullmatch(request.path)
        if match is not None:
            return self._cos_by_path(request, match["bucket"], match["path"])
        route = self.control_routes.get(request.path)
        if route is None:
            allowed = sorted(self.control_routes)
            return Response.of_json({"error": "unknown path", "allowed": allowed}, 404)
        return route(request)

    def _cos_by_path(self, request: Request, bucket: str, path: str) -> Response:
        key = unquote(path.removeprefix("/"))
        target = Target(bucket=bucket, region=self.account.region, key=key)
        return self.cos.answer(request, target)

    def fetch(self, url: str) -> bytes:
        """Return a task's input from this cloud or loopback; a placeholder for other hosts.

        Raises:
            TaskFailedError: The input does not exist or may not be read.
        """
        host = urlsplit(url).hostname or ""
        request = Request.get(url)
        if host not in LOOPBACK and not self._serves(request):
            return placeholder(url)
        if host in LOOPBACK and request.host != self._authority:
            return _fetch_over_http(url)
        try:
            response = self.answer(request)
        except LostReplyError:
            raise _unreadable(f"no response from {request.host}") from None
        if response.status != 200:  # noqa: PLR2004
            raise _unreadable(f"HTTP {response.status} from {request.host}")
        return response.body

    def _serves(self, request: Request) -> bool:
        return self.results.has_host(request.hostname) or _cos_target(request) is not None

    def _authorize(self, caller: Caller, action: str, resource: str) -> None:
        self.authorize(caller, action, resource)

    def _role_trusts(self, role: str, service: str) -> bool:
        return self.role_trusts(role, service)

    def _open_journal(self, path: Path) -> Journal:
        journal = Journal(path)
        self._resources.callback(journal.close)
        return journal

    def _build_vod(self, folder: Path) -> Vod:
        applications = self._open_journal(folder / "applications.jsonl")
        events = self._open_journal(folder / "events.jsonl")
        return Vod(
            clock=self.clock,
            applications=Applications(applications, self.account, self.clock),
            tasks=self.tasks,
            notifications=Notifications(events, self.clock, self.faults),
            results=self.results,
            fetch=self.fetch,
        )

    def _build_mps(self) -> Mps:
        return Mps(
            account=self.account,
            clock=self.clock,
            tasks=self.tasks,
            cos=self.cos,
            results=self.results,
            fetch=self.fetch,
            role_trusts=self._role_trusts,
        )


def _cos_target(request: Request) -> Target | None:
    """Return the bucket and key of a request by virtual host; None if the host is not COS's."""
    if request.hostname == _COS_SERVICE:
        return Target(bucket="", region="")
    match = _COS_HOST.fullmatch(request.hostname)
    if match is None:
        return None
    key = unquote(request.path.removeprefix("/"))
    return Target(bucket=match["bucket"] or "", region=match["region"], key=key)


def _owner_key(path: Path) -> Key | None:
    """Read the owner's key, or create it; it stays valid after a restart."""
    if path.exists():
        return Key(**json.loads(path.read_text()))
    owner = Keys().owner
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(owner)))
    return owner


def _fetch_over_http(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_FETCH_TIMEOUT_S) as response:
            content: bytes = response.read()
            return content
    except (urllib.error.URLError, OSError) as error:
        raise _unreadable(str(error)) from error


def _unreadable(reason: str) -> TaskFailedError:
    message = f"source file error: the input could not be downloaded: {reason}"
    return TaskFailedError(Failure(SOURCE_FAILED, "ResourceNotFound", message))
