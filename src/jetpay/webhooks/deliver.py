"""Delivery: claim what is due, prepare, call outside any transaction, settle; many at once."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Protocol
from uuid import uuid4

import structlog

from jetpay.base.clock import Clock
from jetpay.base.ids import CompanyId, uuid7
from jetpay.companies.queries import business_now
from jetpay.db.pool import Database, describe_error
from jetpay.events.model import Event
from jetpay.events.queries import BatchWanted, batches
from jetpay.events.wake import Wake
from jetpay.security.address_table import parse_allowed_list
from jetpay.security.dial import TOTAL_SECONDS, DestinationBusy, Dialler, allow_many_connections
from jetpay.security.keys import Keyring
from jetpay.security.rootkeys import KeyProblem
from jetpay.security.sealed_files import CannotOpen
from jetpay.security.signing import signing_key
from jetpay.security.vault import Vault
from jetpay.settings import Settings
from jetpay.webhooks.calls import Call, call
from jetpay.webhooks.claims import LEASE, Claimed, Settled, claim_webhooks, fail, look
from jetpay.webhooks.model import MAX_BATCH_SIZE, Kind, Secrets
from jetpay.webhooks.prepare import Prepared, Replayed, prepare, prepare_test
from jetpay.webhooks.proofs import prove
from jetpay.webhooks.queries import opened
from jetpay.webhooks.schedule import Batch, judge
from jetpay.webhooks.settler import LOST, Settler

CALLS_AT_ONCE: Final = 4_000
"""With `BATCH_BYTES` of each this bounds the memory of a process."""
RETRIES_AT_ONCE: Final = 1_000
"""Of these, to endpoints whose last call failed: those that hang again leave room for others."""
OTHER_FILES: Final = 2_000
"""Connections that wait to be used again, the database's, and what else a process has open."""
CLAIMED_AT_ONCE: Final = 50
EVENTS_READ_AT_ONCE: Final = 1_000
COMPANIES_ASKED_AT_ONCE: Final = 25
"""Half as many as are claimed: most have one webhook, and then all that is due of them comes."""
LOOK_EVERY_SECONDS: Final = 1.2
"""So that a worker asks at most once a second, what it forgets now and then counted in."""
TOGETHER_SECONDS: Final = 0.005
"""What ends or happens within it is claimed together."""
SECRETS_KEPT: Final = 5_000
LATEST_START_SECONDS: Final = LEASE.total_seconds() - TOTAL_SECONDS - 1
"""A call that would begin later after its claim might outlive the lease, so it is not made."""
STOP_SECONDS: Final = 6.0
"""How long calls under way may go on at the end; the leases of the others run out."""

UNOPENABLE: Final = (KeyProblem, CannotOpen)

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
        files = allow_many_connections()
        self._calls_at_once = min(CALLS_AT_ONCE, max(files - OTHER_FILES, files // 2))
        # In the order in which they came: whoever was asked for goes to the end.
        self._companies: dict[CompanyId, None] = {}
        self._look_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._retries = 0
        self._settler = Settler(services.db, services.vault, self._freed)
        self._secrets: OrderedDict[_Sealed, Secrets] = OrderedDict()

    async def run(self, stop: asyncio.Event) -> None:
        """As `run_webhooks`."""
        wake = self._services.wake
        stopping = asyncio.create_task(_sign_at(stop, wake))
        try:
            while not stop.is_set():
                version = wake.version
                try:
                    may_go_on = await self._round()
                except LOST as error:
                    log.warning("webhooks_wait_for_database", **describe_error(error))
                    may_go_on = False
                except Exception as error:  # noqa: BLE001 - whoever it was about is tried later
                    log.error("webhooks_not_begun", **describe_error(error))  # noqa: TRY400
                    may_go_on = False
                if not may_go_on:
                    await asyncio.sleep(TOGETHER_SECONDS)
                    await wake.heard(version, max(0.0, self._look_at - time.monotonic()))
        finally:
            stopping.cancel()

    async def tick(self, only: CompanyId) -> int:
        """Deliver what is due for one company until nothing is; how many calls were made."""
        made = 0
        while started := await self._start([only], CLAIMED_AT_ONCE):
            made += started
            await self._finish()
        return made

    async def close(self) -> None:
        """Let calls under way end for a while, and write down what came of them."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._finish()
        except TimeoutError:
            log.warning("webhooks_left_under_way", calls=len(self._tasks))
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._settler.cancel()

    async def _finish(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._settler.finish()

    def _freed(self, companies: Collection[CompanyId]) -> None:
        self._companies |= dict.fromkeys(companies)
        self._services.wake.sign()

    # ------------------------------------------------------------------------------ claiming

    async def _round(self) -> bool:
        """Claim and start what is due; whether there may be more at once."""
        self._companies |= dict.fromkeys(self._services.wake.take_news())
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_SECONDS
            due = await look(self._services.db, at=self._services.clock.now())
            self._companies |= dict.fromkeys(due)
        room = min(CLAIMED_AT_ONCE, self._calls_at_once - len(self._tasks))
        if not self._companies or room <= 0:
            return False
        asked = list(islice(self._companies, COMPANIES_ASKED_AT_ONCE))
        for company in asked:
            del self._companies[company]
        if await self._start(asked, room) == room:
            self._companies |= dict.fromkeys(asked)
        return bool(self._companies)

    async def _start(self, companies: Sequence[CompanyId], room: int) -> int:
        """Claim, read and begin to call; how many webhooks that were."""
        services, began = self._services, time.monotonic()
        claimed = await claim_webhooks(
            services.db,
            companies,
            room,
            uuid4(),
            at=services.clock.now(),
            retries=self._retries < RETRIES_AT_ONCE,
        )
        for some in _slices(await self._with_secrets(claimed)):
            wanted = [BatchWanted(c.company_id, c.cursor, c.size, c.through) for c in some]
            for each, events in zip(some, await batches(services.db, wanted), strict=True):
                self._begin(_Job(each, events, self._secrets[_sealed(each)], began))
        return len(claimed)

    async def _with_secrets(self, claimed: Sequence[Claimed]) -> list[Claimed]:
        """Those whose secrets can be opened; the leases of the others run out."""
        unknown = [each for each in claimed if _sealed(each) not in self._secrets]
        try:
            await self._open(unknown)
        except UNOPENABLE:
            for each in unknown:
                try:
                    await self._open([each])
                except UNOPENABLE:
                    log.exception("webhook_secrets_do_not_open", webhook=each.number)
        opened_ones = [each for each in claimed if _sealed(each) in self._secrets]
        for each in opened_ones:
            self._secrets.move_to_end(_sealed(each))
        while len(self._secrets) > SECRETS_KEPT:
            self._secrets.popitem(last=False)
        return opened_ones

    async def _open(self, unknown: Sequence[Claimed]) -> None:
        if unknown:
            found = await opened(self._services.db, unknown, vault=self._services.vault)
            self._secrets |= zip(map(_sealed, unknown), found, strict=True)

    def _begin(self, job: _Job) -> None:
        is_retry = int(job.claimed.failures > 0)
        self._retries += is_retry
        task = asyncio.create_task(self._deliver(job))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._retries -= is_retry

        task.add_done_callback(ended)

    # ------------------------------------------------------------------------------- calling

    async def _deliver(self, job: _Job) -> None:
        """One webhook's call; whatever goes wrong concerns nobody else."""
        claimed, now = job.claimed, self._services.clock.now()
        is_late = time.monotonic() - job.began > LATEST_START_SECONDS
        try:
            if is_late or not (job.events or claimed.kind is Kind.TEST):
                self._give_back(claimed, now)
            else:
                await self._conclude(claimed, await self._call(job, now))
        except DestinationBusy as busy:
            self._give_back(claimed, now + timedelta(seconds=busy.retry_in))
        except Exception as error:  # noqa: BLE001 - its lease runs out, then it is tried again
            log.error(  # noqa: TRY400 - an exception's text may hold values of rows
                "webhook_call_failed", webhook=claimed.number, **describe_error(error)
            )

    async def _call(self, job: _Job, at: datetime) -> Call:
        claimed = job.claimed
        allowed = parse_allowed_list(claimed.allowed_networks)
        if claimed.sandbox:
            allowed += self._services.settings.webhook_allowed_networks
        return await call(
            self._services.dialler,
            claimed,
            self._prepare(job, at),
            job.secrets,
            kind=claimed.kind,
            allowed=allowed,
            at=at,
        )

    def _prepare(self, job: _Job, at: datetime) -> Prepared:
        claimed, key, token_id = job.claimed, signing_key(self._services.keyring), uuid7(at)
        if claimed.kind is Kind.TEST:  # of a live company, whose clock is the real one
            return prepare_test(claimed, job.secrets, key, token_id=token_id, created_at=at, at=at)
        replayed = None
        if claimed.replay_from is not None and claimed.replay_through is not None:
            replayed = Replayed(claimed.replay_from, claimed.replay_through, claimed.replay_id)
        return prepare(
            claimed, job.events, job.secrets, key, token_id=token_id, at=at, replayed=replayed
        )

    async def _conclude(self, claimed: Claimed, made: Call) -> None:
        services, outcome, now = self._services, made.outcome, self._services.clock.now()
        if claimed.kind is Kind.TEST and outcome.is_success:
            problem = await prove(
                services.db,
                claimed.company_id,
                claimed.webhook_id,
                claimed.callback_url,
                accepted=made.accepted,
            )
            outcome = replace(outcome, error=problem)
        batch = Batch(
            made.prepared.first_event_id,
            made.prepared.last_event_id,
            fits=claimed.fits,
            failures=claimed.failures,
            failing_since=claimed.failing_since,
        )
        verdict = judge(outcome, batch, at=now, jitter=self._jitter(), maximum=MAX_BATCH_SIZE)
        settled = Settled(
            claimed=claimed,
            attempt=made.attempt(verdict.error),
            is_delivered=outcome.is_success,
            is_failure=verdict.is_failure,
            at=made.at,
            not_before=verdict.not_before,
            through=verdict.through,
            fits=verdict.fits,
        )
        if verdict.failed is None:
            self._settler.add(settled)
            return
        business = await business_now(services.db, claimed.company_id, services.clock)
        await fail(services.db, settled, verdict.failed, vault=services.vault, at=business)

    def _give_back(self, claimed: Claimed, not_before: datetime) -> None:
        """No call was made."""
        self._settler.add(
            Settled(
                claimed=claimed,
                at=not_before,
                not_before=not_before,
                through=claimed.through,
                fits=claimed.fits,
            )
        )


_Sealed = tuple[bytes | None, bytes, bytes | None]


def _sealed(claimed: Claimed) -> _Sealed:
    # Nonces make every sealed blob one of its kind.
    return claimed.api_key, claimed.signing_secret, claimed.previous_secret


def _slices(claimed: Sequence[Claimed]) -> Iterator[list[Claimed]]:
    """So many webhooks at a time that their events do not hold the process up."""
    some: list[Claimed] = []
    events = 0
    for each in claimed:
        if some and events + each.size > EVENTS_READ_AT_ONCE:
            yield some
            some, events = [], 0
        some.append(each)
        events += each.size
    if some:
        yield some


async def _sign_at(stop: asyncio.Event, wake: Wake) -> None:
    await stop.wait()
    wake.sign()
