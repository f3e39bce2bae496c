"""Turning a sandbox's clock: afterwards everything that was due by the new time is done."""

from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import CompanyId, CreditId
from jetpay.companies.queries import business_now
from jetpay.sandbox.bank import return_payment
from jetpay.sandbox.clock import LAST_EVENT, turn
from jetpay.services import Services
from jetpay.worker.loop import tick


@dataclass(frozen=True, slots=True)
class Advanced:
    """The company's time, and the events this made: the first is None when there were none."""

    now: datetime
    first_event_id: int | None
    last_event_id: int


async def advance(services: Services, company_id: CompanyId, days: int) -> Advanced:
    """Turn the clock by `days` and do all that became due.

    Refuses `Forbidden` for a live company and `Unavailable` when it takes over 30 seconds:
    the clock is turned all the same, and the worker does the rest.
    """
    before = await LAST_EVENT.one(services.db, company_id=company_id)
    await turn(services.db, company_id, days=days, now=services.clock.now())
    return await _caught_up(services, company_id, before)


async def return_now(
    services: Services, company_id: CompanyId, credit_id: CreditId, *, reason: str
) -> Advanced:
    """Let the simulated bank return a payment, and do what that makes due."""
    before = await LAST_EVENT.one(services.db, company_id=company_id)
    at = await business_now(services.db, company_id, services.clock)
    await return_payment(services.db, services.vault, company_id, credit_id, reason=reason, at=at)
    return await _caught_up(services, company_id, before)


async def _caught_up(services: Services, company_id: CompanyId, before: int) -> Advanced:
    await tick(services, only=company_id)
    last = await LAST_EVENT.one(services.db, company_id=company_id)
    now = await business_now(services.db, company_id, services.clock)
    return Advanced(now, before + 1 if last > before else None, last)
