"""A company with events, a receiver on loopback, and what delivery works with."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from jetpay.base.clock import FixedClock
from jetpay.base.ids import CompanyId, uuid7
from jetpay.companies.installation import BE_INSTALLED
from jetpay.db.pool import Database
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.events.wake import Wake
from jetpay.security.dial import Dialler
from jetpay.security.keys import Keyring
from jetpay.security.vault import Vault
from jetpay.services import Services
from jetpay.settings import Settings
from jetpay.webhooks import actions, attempts, queries
from jetpay.webhooks.deliver import Deliverer
from jetpay.webhooks.model import Attempt, NewWebhook, Start, Webhook
from tests.patience import PATIENCE_SECONDS

API_KEY = "the-companys-own-api-key-1234"


@dataclass
class Received:
    """A request as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in self.content["events"]]

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads(self.body)
        return content


Answer = Callable[[Received], web.StreamResponse]


@dataclass
class Endpoint:
    """Answers by `answer`; remembers each request, and what it answered 2xx to."""

    answer: Answer = lambda _: web.Response()
    calls: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    delay_seconds: float = 0
    url: str = ""
    base: str = ""
    at_once: int = 0
    most_at_once: int = 0
    gate: asyncio.Event | None = None
    """Who comes now is answered when it opens."""
    hang_at: str = "nowhere"
    released: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(dict(request.headers), await request.read())
        self.calls.append(received)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self._tell()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if (gate := self.gate) is not None:
            await gate.wait()
        if request.path == self.hang_at:
            await self.released.wait()
        self.at_once -= 1
        answer = web.Response(status=500) if "fail" in request.path else self.answer(received)
        if 200 <= answer.status < 300:
            self.taken.append(received)
            await self._tell()
        return answer

    async def _tell(self) -> None:
        async with self.came:
            self.came.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Waits; `TimeoutError` when it does not become so."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.came:
            await self.came.wait_for(is_so)

    @property
    def ids(self) -> list[int]:
        """Of the events that were taken, in the order in which they came."""
        return [number for received in self.taken for number in received.ids]


@dataclass
class Stage:
    """What `Services` is to delivery, with a clock that tests can turn."""

    db: Database
    keyring: Keyring
    vault: Vault
    clock: FixedClock
    wake: Wake
    dialler: Dialler
    settings: Settings
    company_id: CompanyId

    @classmethod
    def of_services(cls, services: Services) -> "Stage":
        """Of no company yet."""
        return cls(
            db=services.db,
            keyring=services.keyring,
            vault=services.vault,
            clock=FixedClock(datetime.now(UTC)),
            wake=services.wake,
            dialler=services.dialler,
            settings=services.settings,
            company_id=CompanyId(UUID(int=0)),
        )

    async def happen(self, count: int = 1, *, at: datetime | None = None) -> None:
        """So many events, one transaction each."""
        for _ in range(count):
            async with self.db.transaction() as tx:
                record(
                    tx,
                    Draft(
                        company_id=self.company_id,
                        type=EventType.CREDIT_CREATED,
                        subject_id=uuid7(),
                        at=at or self.clock.now(),
                        actor=SYSTEM,
                        to_state="requested",
                    ),
                )

    async def register(self, url: str, **fields: Any) -> Webhook:
        new = NewWebhook(callback_url=url, **({"max_wait_seconds": 0} | fields))
        return await actions.register(
            self.db, self.company_id, new, vault=self.vault, now=self.clock.now()
        )

    async def webhook(self, webhook: Webhook) -> Webhook:
        return await queries.webhook(self.db, self.company_id, webhook.webhook_id)

    async def attempts(self, webhook: Webhook) -> list[Attempt]:
        """The latest first."""
        return await attempts.attempts(
            self.db, self.company_id, webhook.webhook_id, after=None, limit=100, vault=self.vault
        )

    async def change(
        self, webhook: Webhook, *, revive: bool = False, start: Start | None = None, **wanted: Any
    ) -> Webhook:
        return await actions.change(
            self.db,
            self.company_id,
            webhook.webhook_id,
            wanted,
            start=start or Start(),
            revive=revive,
            vault=self.vault,
            now=self.clock.now(),
        )

    def of(self, company_id: CompanyId) -> "Stage":
        """The same as another company."""
        return replace(self, company_id=company_id)

    async def tick(self) -> int:
        deliverer = Deliverer(self)
        try:
            return await deliverer.tick(self.company_id)
        finally:
            await deliverer.close()

    async def expire_leases(self) -> None:
        """As if the process that holds them had been killed long ago."""
        async with self.db.connection() as connection:
            await connection.execute(
                "update webhook set lease_until = now() - interval '1 second'"
                " where company_id = %s and lease_until is not null",
                [self.company_id],
            )

    def later(self, **span: float) -> None:
        self.clock.at += timedelta(**span)


async def make_company(
    db: Database,
    *,
    sandbox: bool = True,
    clock_offset: timedelta = timedelta(),
    networks: Sequence[str] = ("127.0.0.0/8",),
) -> CompanyId:
    """`networks`: those that a live one may call."""
    company_id, now = CompanyId(uuid7()), datetime.now(UTC)
    await BE_INSTALLED.run(db, epoch=uuid7(), now=now)
    async with db.connection() as connection:
        await connection.execute(
            "insert into company (company_id, short_id, name, sandbox, clock_offset, created_at,"
            " allowed_networks) values (%s, %s, 'A', %s, %s, %s, %s)",
            [
                company_id,
                secrets.randbits(32),
                sandbox,
                clock_offset,
                now,
                [] if sandbox else list(networks),
            ],
        )
        await connection.execute("insert into event_counter values (%s, 0)", [company_id])
    return company_id


def from_one(numbers: list[int]) -> bool:
    """Whether it is 1, 2, 3 … without a gap or a double."""
    return numbers == list(range(1, len(numbers) + 1))
