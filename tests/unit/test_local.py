"""`aigc local` ends at a signal."""

from __future__ import annotations

import signal
import threading

from aigc_cli import local


def test_signal_that_another_thread_receives_ends_the_command() -> None:
    stopped = threading.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: stopped.set())
    is_waiting = threading.Event()

    def send() -> None:
        is_waiting.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    threading.Timer(0.2, is_waiting.set).start()

    vars(local)["_wait_for"](stopped)

    sender.join()
    signal.signal(signal.SIGUSR1, previous)
    assert stopped.is_set()
