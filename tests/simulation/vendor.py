"""VOD and MPS: they deduplicate sessions or do not, end tasks late, and forget tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aigc.errors import DuplicateError, RefusedError
from tests.fakes import FakeVendor, InMemoryStore, ManualClock, VendorTask, image_bytes

if TYPE_CHECKING:
    from aigc.tasks.kind import ApiCall

REMEMBERED = {"vod": timedelta(days=3), "mps": timedelta(days=7)}
IMAGE = image_bytes()


@dataclass
class Task(VendorTask):
    """A task at the vendor, with the time from which it is forgotten after days."""

    created_at: datetime = field(kw_only=True)
    images: int = field(default=1, kw_only=True)

    @property
    def job_id(self) -> str:
        """The job that the task belongs to, by its session or its output path."""
        return self.session_id.split("-")[-2] if self.session_id else self._output_path()[-2]

    @property
    def attempt(self) -> int:
        """The attempt that the task belongs to."""
        last = self.session_id.split("-")[-1] if self.session_id else self._output_path()[-1]
        return int(last)

    @property
    def lane(self) -> str:
        """The lane that the task runs in."""
        if not self.session_id:
            return "mps.image"
        return "vod.image" if self.action == "CreateAigcImageTask" else "vod.scene_image"

    @property
    def is_open(self) -> bool:
        """Whether the task has not ended."""
        return self.state in {"waiting", "running"}

    def _output_path(self) -> list[str]:
        path: str = self.params["StoreCosParam"]["CosBucketPath"]
        return path.strip("/").split("/")


class Vendor(FakeVendor):
    """Both services, with one list of tasks."""

    def __init__(self, results: InMemoryStore, clock: ManualClock) -> None:
        super().__init__(results)
        self._clock = clock
        self.written_at: dict[str, datetime] = {}
        """When the images of an MPS task appeared."""

    def task(self, task_id: str) -> VendorTask:
        for task in self.tasks:
            if task.id == task_id and not self._is_forgotten(task):
                return task
        raise RefusedError("describe", code="ResourceNotFound")

    def finish(self, task: VendorTask) -> None:
        task.state = "done"
        self.write_image(task)

    def write_image(self, task: VendorTask) -> None:
        """Write the image of an MPS task; it may appear after the task's state changed."""
        store = task.params.get("StoreCosParam")
        if store:
            assert isinstance(task, Task)
            self.written_at[task.id] = self._clock.now()
            folder = store["CosBucketPath"].lstrip("/")
            for number in range(task.images):
                self.results.put(f"{folder}{task.id}-{number}.png", IMAGE)

    def set_images(self, task: Task, images: int) -> None:
        """Decide how many images a task makes."""
        task.images = images
        self.urls[task.id] = [f"http://vendor/{task.job_id}/{n}.png" for n in range(images)]

    def state(self) -> tuple[object, ...]:
        """Return everything that the vendor knows, whatever the order of the tasks."""
        tasks = sorted((task.id, task.state, task.err_code_ext) for task in self.tasks)
        return (*tasks, *self.refused.items(), *sorted(self.refusals.items()))

    def _create(self, call: ApiCall) -> dict[str, Any]:
        session_id = call.params.get("SessionId", "")
        path = call.params.get("StoreCosParam", {}).get("CosBucketPath", "")
        same = [task for task in self.tasks if session_id and task.session_id == session_id]
        if any(not self._is_forgotten(task) for task in same):
            raise DuplicateError("create", code="InvalidParameterValue.SessionId")
        _ledger, _, name = session_id.partition("-")
        name = name or path.strip("/").partition("/")[2].replace("/", "-")
        number = sum(task.id.startswith(f"task-{name}.") for task in self.tasks)
        task = Task(
            f"task-{name}.{number}",
            call.action,
            session_id,
            call.params,
            created_at=self._clock.now(),
        )
        self.tasks.append(task)
        self.set_images(task, 1)
        return {"TaskId": task.id, "RequestId": f"request-of-{task.id}"}

    def _list(self) -> dict[str, Any]:
        everything = self.tasks
        self.tasks = [task for task in everything if not self._is_forgotten(task)]
        try:
            return super()._list()
        finally:
            self.tasks = everything

    def _is_forgotten(self, task: VendorTask) -> bool:
        assert isinstance(task, Task)
        age = self._clock.now() - task.created_at
        return age > REMEMBERED["vod" if task.session_id else "mps"]
