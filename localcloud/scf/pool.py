"""The instances of one version of a function: started on demand and reused."""

from __future__ import annotations

import threading

from localcloud.scf.instance import Failure, Instance, InstanceSettings, Invocation, Outcome


class Pool:
    """At most `limit` instances; an event waits while all instances are busy.

    The limit suits a laptop with a few cores; the cloud starts hundreds of instances. An event
    that exceeds the function's reserved quota does not wait: it fails with 432, as in the cloud.
    """

    def __init__(self, settings: InstanceSettings, limit: int, quota: int | None) -> None:
        self._settings = settings
        self._limit = limit
        self._quota = quota
        self._active_events = 0
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._count = 0
        self._retired = False
        self._stopped = False
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """The current number of instances."""
        return self._count

    def handle(self, invocation: Invocation) -> Outcome:
        """Handle one event on an idle instance, or on a new one."""
        if not self._admits():
            failure = Failure(
                432, "ResourceLimitReached", "the function's reserved quota is used up"
            )
            return Outcome(invocation.request_id, failure=failure)
        try:
            return self._handle(invocation)
        finally:
            with self._changed:
                self._active_events -= 1

    def _admits(self) -> bool:
        """Count an event, unless the quota is used up; return whether it was counted.

        Waiting events count, too: in the cloud they would have an instance.
        """
        with self._changed:
            if self._quota is not None and self._active_events >= self._quota:
                return False
            self._active_events += 1
            return True

    def _handle(self, invocation: Invocation) -> Outcome:
        instance = self._acquire()
        if instance is None:
            failure = Failure(500, "Stopped", "the local cloud is stopping")
            return Outcome(invocation.request_id, failure=failure)
        try:
            return instance.handle(invocation)
        finally:
            self._release(instance)

    def reserve(self, quota: int | None) -> None:
        """Set the maximum number of concurrent events; None is no limit."""
        with self._changed:
            self._quota = quota

    def retire(self) -> None:
        """Stop the idle instances now, and the busy instances after their event."""
        with self._changed:
            self._retired = True
            idle, self._idle = self._idle, []
            self._count -= len(idle)
            self._changed.notify_all()
        for instance in idle:
            instance.close()

    def stop(self) -> None:
        """Stop all instances now, including busy instances."""
        self._stopped = True
        self.retire()
        with self._changed:
            for instance in self._busy:
                instance.kill()
            self._changed.wait_for(lambda: self._count == 0, timeout=10)

    def _acquire(self) -> Instance | None:
        with self._changed:
            self._changed.wait_for(self._may_acquire)
            if self._stopped:
                return None
            if self._idle:
                instance = self._idle.pop()
                self._busy.add(instance)
                return instance
            self._count += 1
        return self._start_instance()

    def _may_acquire(self) -> bool:
        return self._stopped or bool(self._idle) or self._count < self._limit

    def _start_instance(self) -> Instance:
        try:
            instance = Instance(self._settings)
        except OSError:
            self._count_stopped()
            raise
        with self._changed:
            self._busy.add(instance)
            if self._stopped:
                instance.kill()
        return instance

    def _release(self, instance: Instance) -> None:
        with self._changed:
            self._busy.discard(instance)
            if instance.is_usable and not self._retired:
                self._idle.append(instance)
                self._changed.notify()
                return
        instance.close()
        self._count_stopped()

    def _count_stopped(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()
