"""Reading a company's webhooks, their secrets and their attempts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.base.refusals import NotFound
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.security.secrets import Secret
from jetpay.security.vault import Vault
from jetpay.webhooks.model import API_KEY, SIGNING_SECRET, TABLE, Secrets, Webhook

WEBHOOK = Query(
    Webhook,
    """
    select w.company_id, w.webhook_id, w.number, w.callback_url, w.api_key, w.signing_secret,
           w.previous_secret, w.previous_until, w.audience, w.max_batch_size, w.max_wait_seconds,
           w.state as stored_state, w.start_after, w.last_sent_event_id, w.failures, w.created_at,
           (w.lease_token is not null and w.lease_until > now()) as is_leased, c.last_event_id,
           co.sandbox, not co.sandbox and w.proved_address is null as is_unproved,
           r.failures as replay_failures
    from webhook w
    join company co on co.company_id = w.company_id
    join event_counter c on c.company_id = w.company_id
    left join webhook_replay r on r.company_id = w.company_id and r.webhook_id = w.webhook_id
    where w.company_id = %(company_id)s and w.webhook_id = %(webhook_id)s
      and w.deleted_at is null
    """,
    never_null=("is_leased", "is_unproved"),
)
WEBHOOKS = Query(
    Webhook,
    """
    select w.company_id, w.webhook_id, w.number, w.callback_url, w.api_key, w.signing_secret,
           w.previous_secret, w.previous_until, w.audience, w.max_batch_size, w.max_wait_seconds,
           w.state as stored_state, w.start_after, w.last_sent_event_id, w.failures, w.created_at,
           (w.lease_token is not null and w.lease_until > now()) as is_leased, c.last_event_id,
           co.sandbox, not co.sandbox and w.proved_address is null as is_unproved,
           r.failures as replay_failures
    from webhook w
    join company co on co.company_id = w.company_id
    join event_counter c on c.company_id = w.company_id
    left join webhook_replay r on r.company_id = w.company_id and r.webhook_id = w.webhook_id
    where w.company_id = %(company_id)s and w.deleted_at is null
      and (%(after)s::uuid is null or w.webhook_id > %(after)s)
    order by w.webhook_id limit %(limit)s
    """,
    never_null=("is_leased", "is_unproved"),
)


async def webhook(
    tx: OpensTransactions | Transaction, company_id: CompanyId, webhook_id: WebhookId
) -> Webhook:
    """Raises `NotFound`."""
    found = await WEBHOOK.first(tx, company_id=company_id, webhook_id=webhook_id)
    if found is None:
        raise NotFound
    return found


async def webhooks(
    tx: OpensTransactions | Transaction,
    company_id: CompanyId,
    *,
    after: UUID | None,
    limit: int,
) -> list[Webhook]:
    """In the order in which they were made."""
    return await WEBHOOKS.all(tx, company_id=company_id, after=after, limit=limit)


@action
async def opened(tx: Transaction, sealed: Sequence[Any], *, vault: Vault) -> list[Secrets]:
    """The secrets of anything with a webhook's sealed columns, in order."""
    return [await _open(tx, vault, each) for each in sealed]


async def _open(tx: Transaction, vault: Vault, sealed: Any) -> Secrets:
    async def one(column: str, blob: bytes | None) -> Secret[str] | None:
        if blob is None:
            return None
        value = await vault.open(
            tx,
            sealed.company_id,
            table=TABLE,
            column=column,
            row_key=sealed.webhook_id.bytes,
            blob=blob,
        )
        return Secret(value["value"])

    signing_secret = await one(SIGNING_SECRET, sealed.signing_secret)
    assert signing_secret is not None
    return Secrets(
        api_key=await one(API_KEY, sealed.api_key),
        signing_secret=signing_secret,
        # It was sealed when it was the only one, and moved as it was.
        previous=await one(SIGNING_SECRET, sealed.previous_secret),
    )
