"""What need not be known of webhooks any longer: old attempts, and secrets that have ended."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.db.rows import Command
from jetpay.db.transactions import OpensTransactions, Transaction

ATTEMPTS_KEPT: Final = timedelta(days=30)
FORGOTTEN_AT_ONCE: Final = 5_000

# Identifiers begin with their time, so the key itself finds the old ones of each webhook.
FORGET_ATTEMPTS = Command(
    """
    delete from webhook_attempt a using (
      select w.company_id, w.webhook_id, of_one.attempt_id
      from webhook w
      cross join lateral (
        select attempt_id from webhook_attempt
        where company_id = w.company_id and webhook_id = w.webhook_id and attempt_id < %(before)s
        order by attempt_id limit %(limit)s for update skip locked) of_one
      limit %(limit)s) old
    where a.company_id = old.company_id and a.webhook_id = old.webhook_id
      and a.attempt_id = old.attempt_id
    """
)
FORGET_SECRETS = Command(
    """
    update webhook set previous_secret = null, previous_until = null
    where previous_until <= %(now)s
    """
)


async def forget_old(tx: OpensTransactions | Transaction, *, now: datetime) -> None:
    """Some thousands of attempts in a statement, so that none takes long."""
    await FORGET_SECRETS.run(tx, now=now)
    oldest = UUID(int=int((now - ATTEMPTS_KEPT).timestamp() * 1000) << 80)
    while await FORGET_ATTEMPTS.run(tx, before=oldest, limit=FORGOTTEN_AT_ONCE):
        pass
