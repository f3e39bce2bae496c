"""Registering, changing and deleting webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jetpay.base.clock import iso
from jetpay.base.ids import CompanyId, WebhookId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.queries import highest_event_id
from jetpay.idempotency import Once
from jetpay.security.secrets import Secret
from jetpay.security.signing import make_signing_secret
from jetpay.security.vault import Vault
from jetpay.webhooks.model import (
    API_KEY,
    BOTH_SECRETS,
    SIGNING_SECRET,
    TABLE,
    WEBHOOKS_PER_COMPANY,
    Change,
    NewWebhook,
    Start,
    Webhook,
    WebhookState,
)
from jetpay.webhooks.queries import webhook
from jetpay.webhooks.refusals import SecretChangedLately, TooManyWebhooks, url_taken
from jetpay.webhooks.replays import END, TRY_REPLAY_AGAIN, first_event, replay

# Everything that changes which webhooks there are takes the company first: counts and URLs hold.
LOCK_COMPANY = Query(
    CompanyId,
    "select company_id from company where company_id = %(company_id)s for no key update",
)
COUNT = Query(
    int,
    """
    select count(*) from webhook where company_id = %(company_id)s and deleted_at is null
    """,
)
WITH_URL = Query(
    WebhookId,
    """
    select webhook_id from webhook
    where company_id = %(company_id)s and callback_url = %(callback_url)s and deleted_at is null
      and webhook_id <> %(webhook_id)s
    """,
)
ADD = Command(
    """
    insert into webhook (company_id, webhook_id, number, callback_url, api_key, signing_secret,
                         audience, max_batch_size, max_wait_seconds, start_after,
                         history_through, created_at)
    values (%(company_id)s, %(webhook_id)s, nextval('webhook_number'), %(callback_url)s,
            %(api_key)s, %(signing_secret)s, %(audience)s, %(max_batch_size)s,
            %(max_wait_seconds)s, %(start_after)s, %(history_through)s, %(at)s)
    """
)
CHANGE = Command(
    """
    update webhook set callback_url = %(callback_url)s, api_key = %(api_key)s,
      audience = %(audience)s, max_batch_size = %(max_batch_size)s,
      max_wait_seconds = %(max_wait_seconds)s
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
    """
)
# A webhook that had failed proves its address anew: another company's may be there now.
TRY_AGAIN = Command(
    """
    update webhook set state = 'active', failures = 0, failing_since = null, not_before = null
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
    """
)
# The lease runs on without its token: what a call to the old URL brings is forgotten, and the new
# one is called only when that one must have ended.
MOVED = Command(
    """
    update webhook set proved_address = null, lease_token = null
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
    """
)
ROTATE_SECRET = Command(
    """
    update webhook set previous_secret = signing_secret, previous_until = %(until)s,
      signing_secret = %(signing_secret)s
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
    """
)
DELETE = Command(
    """
    update webhook set deleted_at = %(at)s, lease_token = null, proved_address = null
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s and deleted_at is null
    """
)
PLAIN_FIELDS: Final = ("callback_url", "audience", "max_batch_size", "max_wait_seconds")


@action
async def register(
    tx: Transaction,
    company_id: CompanyId,
    new: NewWebhook,
    *,
    vault: Vault,
    once: Once | None = None,
    now: datetime,
) -> Webhook:
    """The webhook; that of the first call when `once` was used before.

    `now`: real time. Refuses `TooManyWebhooks`, and `Invalid` for a URL that is taken or a start
    that is not there.
    """
    webhook_id = WebhookId(uuid7(now))
    before = await once.claim(tx, company_id, webhook_id) if once else None
    if before is not None:
        return await webhook(tx, company_id, WebhookId(before))
    await LOCK_COMPANY.one(tx, company_id=company_id)
    if await COUNT.one(tx, company_id=company_id) >= WEBHOOKS_PER_COMPANY:
        raise TooManyWebhooks(limit=WEBHOOKS_PER_COMPANY)
    await _refuse_taken(tx, company_id, webhook_id, new.callback_url)
    start_after = await first_event(tx, company_id, new.start) - 1
    last = await highest_event_id(tx, company_id)
    sealed = _Sealer(tx, vault, company_id, webhook_id)
    await ADD.run(
        tx,
        company_id=company_id,
        webhook_id=webhook_id,
        callback_url=new.callback_url,
        api_key=await sealed(API_KEY, new.api_key),
        signing_secret=await sealed(SIGNING_SECRET, make_signing_secret()),
        audience=new.audience,
        max_batch_size=new.max_batch_size,
        max_wait_seconds=new.max_wait_seconds,
        start_after=start_after,
        history_through=last if start_after < last else None,
        at=now,
    )
    return await webhook(tx, company_id, webhook_id)


@action
async def change(
    tx: Transaction,
    company_id: CompanyId,
    webhook_id: WebhookId,
    wanted: Change,
    *,
    start: Start,
    revive: bool,
    vault: Vault,
    now: datetime,
) -> Webhook:
    """Change the given fields; `revive` (as a new URL does) tries again at once.

    A `start` begins a replay. Refuses as `register` and `replay` do, and `NotFound`.
    """
    await LOCK_COMPANY.one(tx, company_id=company_id)
    before = await webhook(tx, company_id, webhook_id)
    plain = {name: wanted.get(name, getattr(before, name)) for name in PLAIN_FIELDS}
    await _refuse_taken(tx, company_id, webhook_id, str(plain["callback_url"]))
    await CHANGE.run(
        tx,
        company_id=company_id,
        webhook_id=webhook_id,
        api_key=await _changed_key(tx, vault, before, wanted),
        **plain,
    )
    is_moved = plain["callback_url"] != before.callback_url
    if is_moved:
        await MOVED.run(tx, company_id=company_id, webhook_id=webhook_id)
    if revive or (is_moved and before.state is not WebhookState.FAILED):
        await TRY_AGAIN.run(tx, company_id=company_id, webhook_id=webhook_id)
        await TRY_REPLAY_AGAIN.run(tx, company_id=company_id, webhook_id=webhook_id)
    if start.is_given:
        await replay(tx, company_id, webhook_id, start, now=now)
    return await webhook(tx, company_id, webhook_id)


@action
async def rotate_secret(
    tx: Transaction,
    company_id: CompanyId,
    webhook_id: WebhookId,
    *,
    vault: Vault,
    once: Once | None = None,
    now: datetime,
) -> Webhook:
    """Sign with a new secret, and for a day with the one before as well.

    Refuses `NotFound`, and `SecretChangedLately` while there is a secret before that.
    """
    await LOCK_COMPANY.one(tx, company_id=company_id)
    found = await webhook(tx, company_id, webhook_id)
    if once is not None and await once.claim(tx, company_id, webhook_id) is not None:
        return found
    if found.previous_until is not None and found.previous_until > now:
        raise SecretChangedLately(until=iso(found.previous_until))
    sealed = _Sealer(tx, vault, company_id, webhook_id)
    await ROTATE_SECRET.run(
        tx,
        company_id=company_id,
        webhook_id=webhook_id,
        signing_secret=await sealed(SIGNING_SECRET, make_signing_secret()),
        until=now + BOTH_SECRETS,
    )
    return await webhook(tx, company_id, webhook_id)


@action
async def delete(
    tx: Transaction, company_id: CompanyId, webhook_id: WebhookId, *, at: datetime
) -> None:
    """Nothing more is sent; a batch under way may still arrive. Refuses `NotFound`."""
    if not await DELETE.run(tx, company_id=company_id, webhook_id=webhook_id, at=at):
        raise NotFound
    await END.run(tx, company_id=company_id, webhook_id=webhook_id)


async def _refuse_taken(
    tx: Transaction, company_id: CompanyId, webhook_id: WebhookId, callback_url: str
) -> None:
    other = await WITH_URL.first(
        tx, company_id=company_id, webhook_id=webhook_id, callback_url=callback_url
    )
    if other is not None:
        raise url_taken()


async def _changed_key(
    tx: Transaction, vault: Vault, before: Webhook, wanted: Mapping[str, object]
) -> bytes | None:
    if API_KEY not in wanted:
        return before.api_key
    key = wanted[API_KEY]
    assert key is None or isinstance(key, Secret)
    return await _Sealer(tx, vault, before.company_id, before.webhook_id)(API_KEY, key)


@dataclass(frozen=True, slots=True)
class _Sealer:
    tx: Transaction
    vault: Vault
    company_id: CompanyId
    webhook_id: WebhookId

    async def __call__(self, column: str, secret: Secret[str] | None) -> bytes | None:
        if secret is None:
            return None
        return await self.vault.seal(
            self.tx,
            self.company_id,
            table=TABLE,
            column=column,
            row_key=self.webhook_id.bytes,
            value={"value": secret},
        )
