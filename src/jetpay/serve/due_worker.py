"""The process that does what is due and delivers webhooks, and says that it lives."""

import asyncio
import signal
from typing import Any

import uvloop

from jetpay.notices.send import run_notices
from jetpay.serve.child import Inheritance, leave_in_time, leave_when_told
from jetpay.services import Services, open_services
from jetpay.settings import Settings
from jetpay.webhooks.deliver import run_webhooks
from jetpay.worker.heartbeat import run_heartbeat
from jetpay.worker.loop import run_worker
from jetpay.worker.upkeep import run_upkeep


def work_as_child(inheritance: Inheritance) -> None:
    """What the parent of `jetpay serve` starts."""
    uvloop.run(work_until_told(inheritance.enter("worker")))


def work_alone(settings: Settings) -> None:
    """`jetpay work`: the same without a parent."""
    leave_when_told()
    uvloop.run(work_until_told(settings))


async def work_until_told(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    services = await open_services(settings)
    try:
        await _work(services)
    finally:
        await services.close()


async def _work(services: Services) -> None:
    stop = asyncio.Event()

    def leave() -> None:
        leave_in_time()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    works: tuple[Any, ...] = (
        run_worker, run_webhooks, run_notices, run_heartbeat, run_upkeep,
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work(services, stop))
