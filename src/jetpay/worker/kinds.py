"""What each kind of due work is: the one table from a row to the function that does it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from jetpay.bank_files.cut_off import cut_off
from jetpay.bank_files.process import process
from jetpay.base.ids import BankAccountId, BankFileId, CreditId
from jetpay.companies import due as kinds
from jetpay.companies.queries import business_now
from jetpay.credits.expiry import expire_some, next_expiry
from jetpay.notices.reminders import remind
from jetpay.sandbox.bank import answer
from jetpay.security.key_rows import RENEWAL
from jetpay.services import Services
from jetpay.worker.due import Due
from jetpay.worker.renewal import renew

Handler = Callable[[Services, Due], Awaitable[datetime | None]]
"""Answers when to come again, in the company's time, or None when it is done.

It may run twice, also at the same time, and may die anywhere: what it does has its own locks.
"""


async def _cut_off(services: Services, due: Due) -> datetime | None:
    return await cut_off(
        services.db,
        services.vault,
        due.company_id,
        BankAccountId(due.subject_id),
        cutoff_at=due.due_at,
        at=due.at,
    )


async def _bank_file(services: Services, due: Due) -> datetime | None:
    return await process(
        services.db,
        services.vault,
        due.company_id,
        BankFileId(due.subject_id),
        services.settings.data_dir,
        at=due.at,
    )


async def _sandbox_bank(services: Services, due: Due) -> datetime | None:
    file = BankFileId(due.subject_id)
    return await answer(services.db, services.vault, due.company_id, file, at=due.at)


async def _expire_links(services: Services, due: Due) -> datetime | None:
    while await expire_some(services.db, due.company_id, at=due.at):
        pass
    now = await business_now(services.db, due.company_id, services.clock)
    return await next_expiry(services.db, due.company_id, now=now)


async def _reminder(services: Services, due: Due) -> datetime | None:
    return await remind(
        services.db,
        due.company_id,
        CreditId(due.subject_id),
        vault=services.vault,
        keyring=services.keyring,
        at=due.at,
        now=services.clock.now(),
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    kinds.BANK_FILE_CUTOFF: _cut_off,
    kinds.BANK_FILE: _bank_file,
    kinds.SANDBOX_BANK: _sandbox_bank,
    kinds.EXPIRE_LINKS: _expire_links,
    kinds.REMINDER: _reminder,
    RENEWAL: renew,
}
