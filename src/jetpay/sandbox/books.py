"""The simulated bank's own books: which files it has got."""

import hashlib
from datetime import datetime

from jetpay.base.ids import BankFileId, CompanyId
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action

RECEIVE = Command(
    """
    insert into sandbox_bank_file (company_id, bank_file_id, sha256, received_at)
    values (%(company_id)s, %(bank_file_id)s, %(sha256)s, %(at)s)
    on conflict do nothing
    """
)
HAS = Query(
    datetime,
    """
    select received_at from sandbox_bank_file
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and (%(sha256)s::bytea is null or sha256 = %(sha256)s)
    """,
)


@action
async def receive(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId, text: bytes, *, at: datetime
) -> bool:
    """Take a file; False for one that it has: this bank takes nothing twice."""
    digest = hashlib.sha256(text).digest()
    return bool(
        await RECEIVE.run(
            tx, company_id=company_id, bank_file_id=bank_file_id, sha256=digest, at=at
        )
    )


@action
async def has(
    tx: Transaction,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    sha256: bytes | None = None,
) -> datetime | None:
    """When it got the file (these very bytes, if a hash is given), or None."""
    return await HAS.first(tx, company_id=company_id, bank_file_id=bank_file_id, sha256=sha256)
