"""Lets the worker make the bank file at the next cut-off of a bank account."""

from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import BankAccountId, CompanyId
from jetpay.companies import due
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.rails.profiles import PROFILES, next_cut_off, profile_of


@dataclass(frozen=True, slots=True)
class _Profile:
    rail: str | None
    profile: str | None


PROFILE = Query(
    _Profile,
    """
    select rail, profile from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """,
)


async def arm_cutoff(
    tx: Transaction, company_id: CompanyId, bank_account_id: BankAccountId, at: datetime
) -> None:
    """Arm the first cut-off not before `at`, business time, of a company's own bank account.

    An account whose rail has no bank profile yet has no cut-off: its credits wait, held.
    """
    found = await PROFILE.one(tx, company_id=company_id, bank_account_id=bank_account_id)
    assert found.rail is not None
    if (found.profile or found.rail) not in PROFILES:
        return
    cut_off = next_cut_off(profile_of(found.rail, found.profile), at)
    await due.arm(tx, company_id, due.BANK_FILE_CUTOFF, bank_account_id, at=cut_off)
