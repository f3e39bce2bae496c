"""Delivery: claim what is due, prepare, send outside any transaction, settle; many at once."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import uuid4

import psycopg
import psycopg_pool
import structlog

from jetpay.base.clock import Clock
from jetpay.base.ids import CompanyId, uuid7
from jetpay.companies.queries import business_now
from jetpay.db.pool import Database, describe_error
from jetpay.events.model import Event
from jetpay.events.queries import BatchWanted, batches
from jetpay.events.wake import Wake
from jetpay.security.address_table import parse_allowed_list
from jetpay.security.dial import Dialler, DialRefused, Unreachable
from jetpay.security.keys import Keyring
from jetpay.security.signing import signing_key
from jetpay.security.vault import Vault
from jetpay.settings import Settings
from jetpay.webhooks.addresses import networks_for_sandboxes
from jetpay.webhooks.claims import (
    ATTEMPTS_KEPT,
    LEASE,
    Claimed,
    Settled,
    claim_webhooks,
    fail,
    forget_attempts,
    settle,
)
from jetpay.webhooks.model import Attempt, Secrets
from jetpay.webhooks.prepare import Prepared, prepare
from jetpay.webhooks.queries import opened
from jetpay.webhooks.schedule import Outcome, batch_through, judge

IN_FLIGHT: Final = 1_000
CLAIMED_AT_ONCE: Final = 100
LOOK_EVERY_SECONDS: Final = 1.0
LOOK_AT_MOST_EVERY_SECONDS: Final = 0.005
SETTLED_AT_ONCE: Final = 500
SETTLE_RETRY_SECONDS: Final = 1.0
SECRETS_KEPT: Final = 5_000
LATEST_START: Final = LEASE - timedelta(seconds=25)
"""A call that would begin later after its claim might outlive the lease, so it is not made."""
STOP_SECONDS: Final = 6.0
"""How long calls under way may go on at the end; the leases of the others run out."""
FORGET_EVERY_SECONDS: Final = 3_600.0

LOST: Final = (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError)
"""What a database that cannot be reached raises."""

log = structlog.get_logger(__name__)


class HasServices(Protocol):
    """What delivery needs of a process's services."""

    @property
    def settings(self) -> Settings: ...
    @property
    def db(self) -> Database: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def wake(self) -> Wake: ...
    @property
    def dialler(self) -> Dialler: ...


async def run_webhooks(services: HasServices, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set; survives a database that goes away and comes back."""
    deliverer = Deliverer(services)
    try:
        await deliverer.run(stop)
    finally:
        await deliverer.close()


async def tick_webhooks(services: HasServices, *, only: CompanyId) -> int:
    """Deliver what is due for one company until nothing is; how many batches were sent."""
    deliverer = Deliverer(services)
    try:
        return await deliverer.tick(only)
    finally:
        await deliverer.close()


@dataclass(frozen=True, slots=True)
class _Job:
    claimed: Claimed
    events: Sequence[Event]
    secrets: Secrets
    began: float


class Deliverer:
    """One a process."""

    def __init__(
        self,
        services: HasServices,
        *,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311 - no secret
    ) -> None:
        self._services = services
        self._jitter = jitter
        self._for_sandboxes = networks_for_sandboxes(services.settings)
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: list[Settled] = []
        self._settler: asyncio.Task[None] | None = None
        self._secrets: OrderedDict[tuple[bytes | None, bytes], Secrets] = OrderedDict()
        self._forgot_at = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """As `run_webhooks`."""
        wake = self._services.wake
        stopping = asyncio.create_task(_sign_at(stop, wake))
        try:
            while not stop.is_set():
                version = wake.version
                try:
                    claimed = await self._round(None)
                    await self._forget()
                except (psycopg.Error, *LOST) as error:
                    log.warning("webhooks_wait_for_database", **describe_error(error))
                    claimed = 0
                if claimed < CLAIMED_AT_ONCE or len(self._tasks) >= IN_FLIGHT:
                    # What ends or happens within a few milliseconds is looked for at once.
                    await asyncio.sleep(LOOK_AT_MOST_EVERY_SECONDS)
                    await wake.heard(version, LOOK_EVERY_SECONDS)
        finally:
            stopping.cancel()

    async def tick(self, only: CompanyId) -> int:
        """As `tick_webhooks`."""
        sent = 0
        while claimed := await self._round(only):
            sent += claimed
            await self._finish()
        return sent

    async def close(self) -> None:
        """Let calls under way end for a while, and write down what came of them."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._finish()
        except TimeoutError:
            log.warning("webhooks_left_under_way", batches=len(self._tasks))
        left = [*self._tasks, *([self._settler] if self._settler else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _finish(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._settler is not None:
            await asyncio.shield(self._settler)

    async def _round(self, only: CompanyId | None) -> int:
        """Claim, read and start what is due; how many webhooks that were."""
        room = min(CLAIMED_AT_ONCE, IN_FLIGHT - len(self._tasks))
        if room <= 0:
            return 0
        services, began = self._services, time.monotonic()
        now = services.clock.now()
        claimed = await claim_webhooks(services.db, room, uuid4(), at=now, only=only)
        if not claimed:
            return 0
        await self._open_secrets(claimed)
        wanted = [BatchWanted(c.company_id, c.cursor, c.max_batch_size, c.through) for c in claimed]
        for each, events in zip(claimed, await batches(services.db, wanted), strict=True):
            task = asyncio.create_task(
                self._deliver(_Job(each, events, self._secrets[_sealed(each)], began))
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    async def _open_secrets(self, claimed: Sequence[Claimed]) -> None:
        unknown = [each for each in claimed if _sealed(each) not in self._secrets]
        if unknown:
            found = await opened(self._services.db, unknown, vault=self._services.vault)
            for each, secrets in zip(unknown, found, strict=True):
                self._secrets[_sealed(each)] = secrets
        for each in claimed:
            self._secrets.move_to_end(_sealed(each))
        while len(self._secrets) > SECRETS_KEPT:
            self._secrets.popitem(last=False)

    async def _deliver(self, job: _Job) -> None:
        """One webhook's batch; whatever goes wrong concerns nobody else."""
        services, claimed = self._services, job.claimed
        try:
            at = services.clock.now()
            prepared = prepare(
                claimed,
                job.events,
                job.secrets,
                signing_key(services.keyring),
                token_id=uuid7(at),
                at=at,
            )
            if time.monotonic() - job.began > LATEST_START.total_seconds():
                return
            began = time.perf_counter()
            outcome = await self._send(claimed, prepared)
            attempt = Attempt(
                attempt_id=uuid7(at),
                batch_id=prepared.batch_id,
                first_event_id=prepared.first_event_id,
                last_event_id=prepared.last_event_id,
                at=at,
                duration_ms=round((time.perf_counter() - began) * 1000),
                status=outcome.status,
                error=outcome.error,
            )
            await self._conclude(claimed, attempt, outcome, services.clock.now())
        except Exception as error:  # noqa: BLE001 - its lease runs out, then it is tried again
            log.error(  # noqa: TRY400 - an exception's text may hold values of rows
                "webhook_batch_failed", webhook=claimed.number, **describe_error(error)
            )

    async def _send(self, claimed: Claimed, prepared: Prepared) -> Outcome:
        granted = parse_allowed_list(claimed.allowed_networks)
        try:
            answer = await self._services.dialler.post(
                claimed.webhook_id,
                claimed.callback_url,
                allowed=(*granted, *(self._for_sandboxes if claimed.sandbox else ())),
                body=prepared.body,
                headers=prepared.headers,
            )
        except (DialRefused, Unreachable) as error:
            return Outcome(None, error=str(error))
        return Outcome(answer.status, answer.retry_after)

    async def _conclude(
        self, claimed: Claimed, attempt: Attempt, outcome: Outcome, at: datetime
    ) -> None:
        verdict = judge(
            outcome,
            failures=claimed.failures,
            failing_since=claimed.failing_since,
            at=at,
            jitter=self._jitter(),
        )
        first, last = attempt.first_event_id, attempt.last_event_id
        settled = Settled(
            claimed=claimed,
            attempt=attempt,
            is_delivered=outcome.is_success,
            # After a success the time orders who is served next.
            not_before=at if outcome.is_success else verdict.not_before,
            through=None if outcome.is_success else batch_through(outcome, first, last),
        )
        if verdict.failed is not None:
            db = self._services.db
            business = await business_now(db, claimed.company_id, self._services.clock)
            await fail(db, settled, verdict.failed, at=business)
            return
        self._settled.append(settled)
        if self._settler is None or self._settler.done():
            self._settler = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        """What ends while one statement is under way goes into the next one."""
        while self._settled:
            settled = self._settled[:SETTLED_AT_ONCE]
            try:
                await settle(self._services.db, settled)
            except LOST as error:
                log.warning("settling_waits_for_database", **describe_error(error))
                await asyncio.sleep(SETTLE_RETRY_SECONDS)
                continue
            except psycopg.Error as error:
                # A defect: their leases run out, then they are sent again.
                log.error("settling_failed", **describe_error(error))  # noqa: TRY400
            del self._settled[: len(settled)]
            self._services.wake.sign()

    async def _forget(self) -> None:
        if time.monotonic() - self._forgot_at >= FORGET_EVERY_SECONDS:
            self._forgot_at = time.monotonic()
            before = self._services.clock.now() - ATTEMPTS_KEPT
            await forget_attempts(self._services.db, before=before)


def _sealed(claimed: Claimed) -> tuple[bytes | None, bytes]:
    # Nonces make every sealed blob one of its kind.
    return claimed.api_key, claimed.signing_secret


async def _sign_at(stop: asyncio.Event, wake: Wake) -> None:
    await stop.wait()
    wake.sign()
