"""What a company has to do later: one row per kind and subject, run by the worker."""

from datetime import datetime
from uuid import UUID

from jetpay.base.ids import CompanyId
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction

BANK_FILE_CUTOFF = "bank_file_cutoff"
BANK_FILE = "bank_file"
EXPIRE_LINKS = "expire_links"
SANDBOX_BANK = "sandbox_bank"
REMINDER = "reminder"

# Armed again while somebody works on it: without the token his finish does not take the row away,
# and the work is looked at once more. The company's lock keeps its clock from being turned before
# the commit, or the row would be left where it was.
ARM = Command(
    """
    insert into due (company_id, kind, subject_id, due_at)
    select c.company_id, %(kind)s, %(subject_id)s, %(at)s::timestamptz - c.clock_offset
    from company c where c.company_id = %(company_id)s
    for share of c
    on conflict (company_id, kind, subject_id) do update set
      due_at = least(due.due_at, excluded.due_at), lease_token = null
    """
)


async def arm(
    tx: Transaction, company_id: CompanyId, kind: str, subject_id: UUID, *, at: datetime
) -> None:
    """Let the worker come at `at`, business time; an earlier appointment stays."""
    await ARM.run(tx, company_id=company_id, kind=kind, subject_id=subject_id, at=at)


class NotYet(Exception):
    """Raised by a handler whose turn has not come: the worker asks again shortly."""
