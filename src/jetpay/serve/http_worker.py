"""One HTTP worker: its services, the application, both measured and left in good order."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from jetpay.db.pool import describe_error
from jetpay.metrics import STATUS, count_request
from jetpay.security.keys import REFRESH_EVERY_SECONDS
from jetpay.serve.child import Inheritance, leave_in_time
from jetpay.services import Services, open_services
from jetpay.settings import Settings

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
RouteOf = Callable[[Scope], str | None]
"""The template of the route that took a request, once it was answered."""
MakeApp = Callable[[Services], tuple[App, RouteOf]]

UNKNOWN_ROUTE: Final = "unknown"
COLLECT_AFTER: Final = (20_000, 20, 100)
"""Requests make many objects that live until the next commit; looking at them pays later."""
REFRESH_AT_MOST_EVERY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


def load(inheritance: Inheritance, make: MakeApp) -> App:
    """Granian calls it in the process that it started."""
    return HttpWorker(inheritance.enter("http"), make)


class HttpWorker:
    """The outermost application: opens the services, and closes them when told to leave."""

    def __init__(self, settings: Settings, make: MakeApp) -> None:
        self._settings = settings
        self._make = make
        self._app: App | None = None
        self._route_of: RouteOf = lambda _: None
        self._services: Services | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._app is not None:
            await self._measured(self._app, scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            services = await open_services(self._settings)
        except Exception:
            log.exception("http_worker_cannot_start")
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        self._services = services
        self._app, self._route_of = self._make(services)
        refreshing = self._start(_keep_fresh(services))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._leave)
        # What was made by now stays: the collector need not walk it again, nor so often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        refreshing.cancel()
        await services.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _measured(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        began, method = time.perf_counter(), scope["method"]
        try:
            await app(scope, receive, send)
        finally:
            route = self._route_of(scope) or UNKNOWN_ROUTE
            seconds = time.perf_counter() - began
            status = scope.get(STATUS, 500)
            count_request(method=method, route=route, status=status, seconds=seconds)

    def _leave(self) -> None:
        if self._is_leaving:
            return  # Granian, told twice, waits for itself and holds all of Python up
        self._is_leaving = True
        leave_in_time()
        self._start(self._end_waits_then_stop())

    async def _end_waits_then_stop(self) -> None:
        """A call that waits for events would hold Granian up, which lets running calls end."""
        try:
            if self._services is not None:
                await self._services.wake.close()
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # still Granian's

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _keep_fresh(services: Services) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(services.keyring.missed.wait(), REFRESH_EVERY_SECONDS)
            await asyncio.sleep(REFRESH_AT_MOST_EVERY_SECONDS)
            try:
                await services.keyring.refresh(services.db)
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("keys_not_refreshed", **describe_error(error))
