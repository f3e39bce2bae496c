"""What every process that we start does first: it follows its parent and hardens itself."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from jetpay.metrics import PROCESSES_STARTED
from jetpay.security.logs import configure_logging, harden_process
from jetpay.settings import Settings, secret_fields

PR_SET_PDEATHSIG: Final = 1
LOOK_FOR_PARENT_SECONDS: Final = 1.0
LEAVES_WITHIN_SECONDS: Final = 8.0
"""After that a child is ended whatever it does, so that all are down within 10 seconds."""


@dataclass(frozen=True, slots=True, repr=False)
class Inheritance:
    """What a child is told, through a pipe: the environment and the command line show no secret.

    `given` goes over the environment's settings.
    """

    given: Mapping[str, Any]
    parent: int

    @classmethod
    def of(cls, settings: Settings, given: Mapping[str, Any]) -> "Inheritance":
        """`given`: what came from the command line. Children of this process alone may enter."""
        secrets = {
            name: value.reveal()
            for name in secret_fields(Settings)
            if (value := getattr(settings, name)) is not None
        }
        return cls({**given, **secrets}, os.getpid())

    def enter(self, kind: str) -> Settings:
        """Called by the child before anything else."""
        follow(self.parent)
        harden_process()
        settings = Settings.read(**self.given)
        configure_logging(level=settings.log_level)
        PROCESSES_STARTED.labels(kind).inc()
        return settings


def follow(parent: int) -> None:
    """Leave in good order when the parent is gone, however it went."""
    leave_when_told()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The kernel's word may be lost: the parent may have died before it was asked for, and it
    # speaks for the thread that started us, not for the process.
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def leave_when_told() -> None:
    """Until a loop takes the signals over: unwind, giving back the embedded server."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # of `leave_in_time`: ends the process


def leave_in_time() -> None:
    """Whatever still runs in a while is cut off: by the kernel, for Python may be what is stuck."""
    signal.setitimer(signal.ITIMER_REAL, LEAVES_WITHIN_SECONDS)


def _leave(_: int, __: FrameType | None) -> None:
    leave_in_time()
    raise SystemExit(0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_FOR_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    leave_in_time()
