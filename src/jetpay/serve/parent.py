"""The parent process: it owns the embedded server and the signals, and keeps its children up."""

import asyncio
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from multiprocessing.process import BaseProcess
from typing import Any, Final

import structlog
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server.mp import MPServer

from jetpay.db.embedded import EmbeddedServer
from jetpay.metrics import listening, shared_by_children
from jetpay.security.logs import configure_logging, harden_process
from jetpay.serve.child import Inheritance, leave_when_told
from jetpay.serve.due_worker import work_as_child
from jetpay.serve.http_worker import App, MakeApp, load
from jetpay.services import open_services
from jetpay.settings import Settings, SettingsProblem

RESPAWN_SECONDS: Final = 0.5
KILL_AFTER_SECONDS: Final = 10
WAITING_CONNECTIONS: Final = 8_192
LOOK_SECONDS: Final = 0.5
SHORT_LIFE_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 10.0
"""Upper bound of the pause before a worker that does not live long is started again."""
# Granian's own lines go where all others do.
GRANIAN_LOGS: Final[dict[str, Any]] = {
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "level": "WARNING", "propagate": True},
        "granian.access": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}

log = structlog.get_logger(__name__)


def serve(
    settings: Settings,
    given: Mapping[str, Any],
    *,
    make_app: MakeApp,
    with_worker: bool,
) -> int:
    """Until SIGTERM or SIGINT; the exit code. `given`: the settings of the command line.

    Children are fresh interpreters: a fork would copy connections, locks and open secrets.
    Raises what `open_services` raises, and `CannotListen`.
    """
    leave_when_told()
    harden_process()
    multiprocessing.set_start_method("spawn", force=True)
    with ExitStack() as stack:
        server = None
        if settings.database_url is None:
            server = stack.enter_context(EmbeddedServer.acquire(settings.data_dir))
        asyncio.run(_prepare(settings))
        _refuse_taken_port(settings)
        registry = stack.enter_context(shared_by_children())
        stack.enter_context(listening(settings.metrics_listen, registry))
        inheritance = Inheritance.of(settings, given)
        http = _HttpServer(
            "jetpay",
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            websockets=False,
            backlog=WAITING_CONNECTIONS,
            backpressure=WAITING_CONNECTIONS,
            respawn_failed_workers=True,
            respawn_interval=RESPAWN_SECONDS,
            workers_kill_timeout=KILL_AFTER_SECONDS,
            log_level=LogLevels.warning,
            log_dictconfig=GRANIAN_LOGS,
            log_access=False,
        )
        configure_logging(level=settings.log_level)  # Granian's start took it away
        worker = _Worker(inheritance) if with_worker else None
        keeper = _Keeper(http, server, worker, settings)
        keeper.start()
        stack.callback(keeper.leave)
        http.run(partial(load, inheritance, make_app))
    return 0 if http.was_told else 1


async def _prepare(settings: Settings) -> None:
    """Migrate, refuse an unsafe production, make the first keys: once, before the children."""
    services = await open_services(settings)
    await services.close()


def _refuse_taken_port(settings: Settings) -> None:
    """The workers share their port, so a second server would go unnoticed and share it too."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        raise SettingsProblem(
            f"Nobody can listen on {settings.host}:{settings.port}"
            f" ({os.strerror(error.errno or 0)}):"
            " set JETPAY_HOST and JETPAY_PORT to an address that is free."
        ) from None


class _Forgetful(dict[int, float]):
    """Granian stops everything when a worker dies twice within 5.5 seconds; we start it again."""

    def __setitem__(self, key: int, value: float) -> None:
        """Remember nothing."""


class _HttpServer(MPServer):
    """Granian's main loop, in our main thread."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.respawned_wrks = _Forgetful()
        self.told = threading.Event()

    @property
    def was_told(self) -> bool:
        """Whether a signal asked us to leave."""
        return self.told.is_set()

    def run(self, load_app: Callable[[], App]) -> None:
        """Returns when all workers are down."""
        try:
            self.serve(target_loader=load_app, wrap_loader=False)
        except SystemExit:
            # Granian's way to say that workers left by themselves, as at Ctrl-C in a terminal.
            log.debug("granian_left")

    def signal_handler_interrupt(self, *args: Any, **options: Any) -> None:
        """Granian's handler of SIGTERM and SIGINT."""
        self.told.set()
        super().signal_handler_interrupt(*args, **options)  # type: ignore[no-untyped-call]


class _Worker:
    """The process of the worker loop, started again whenever it is gone."""

    def __init__(self, inheritance: Inheritance) -> None:
        self._inheritance = inheritance
        self._process: BaseProcess | None = None
        self._started_at = 0.0
        self._pause_seconds = 0.0

    def keep(self) -> None:
        """Start it if it is not there."""
        if self._process is not None and self._process.is_alive():
            return
        lived_seconds = time.monotonic() - self._started_at
        if self._process is not None:
            is_short = lived_seconds < SHORT_LIFE_SECONDS + self._pause_seconds
            self._pause_seconds = min(PAUSE_SECONDS, 1 + 2 * self._pause_seconds) if is_short else 0
            log.warning("worker_is_gone", code=self._process.exitcode)
            self._process = None
        if lived_seconds < self._pause_seconds:
            return
        self._started_at = time.monotonic()
        self._process = multiprocessing.Process(
            target=work_as_child, args=(self._inheritance,), name="jetpay worker"
        )
        self._process.start()

    def stop(self) -> None:
        """Down within `KILL_AFTER_SECONDS`."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.join(KILL_AFTER_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class _Keeper(threading.Thread):
    """Looks after the embedded server and the worker while Granian looks after its own.

    One thread for the whole life: the kernel takes the end of the thread that started a process
    for the end of its parent.
    """

    def __init__(
        self,
        http: _HttpServer,
        server: EmbeddedServer | None,
        worker: _Worker | None,
        settings: Settings,
    ) -> None:
        super().__init__(name="keeper", daemon=True)
        self._http = http
        self._server = server
        self._worker = worker
        self._settings = settings
        self._has_served = False

    def run(self) -> None:
        """Until told to leave."""
        while not self._http.told.wait(LOOK_SECONDS):
            try:
                if self._server is not None and self._server.keep_up():
                    log.warning("database_server_started_again")
                if self._worker is not None:
                    self._worker.keep()
                if not self._has_served:
                    self._tell_when_serving()
            except Exception:
                log.exception("keeping_up_failed")
        if self._worker is not None:
            self._worker.stop()

    def _tell_when_serving(self) -> None:
        """Once, when a request is answered: the children need seconds to open everything."""
        settings = self._settings
        connection = HTTPConnection(settings.host, settings.port, timeout=LOOK_SECONDS)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("HEAD", "/healthz")
            connection.getresponse()
            self._has_served = True
            log.info("serving", url=settings.public_url, processes=settings.workers)

    def leave(self) -> None:
        """Returns when the worker is down."""
        self._http.told.set()
        self.join(KILL_AFTER_SECONDS + 1)
