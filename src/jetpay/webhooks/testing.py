"""A test that somebody asks for: one call at once, outside the order of the events."""

import math
from datetime import datetime

from jetpay.base.ids import CompanyId, WebhookId, uuid7
from jetpay.base.refusals import RateLimited
from jetpay.security import limits
from jetpay.security.dial import DestinationBusy
from jetpay.security.limits import LimitKind
from jetpay.security.signing import signing_key
from jetpay.webhooks.addresses import allowed_networks
from jetpay.webhooks.attempts import note
from jetpay.webhooks.calls import call
from jetpay.webhooks.deliver import HasServices
from jetpay.webhooks.model import Attempt, Kind
from jetpay.webhooks.prepare import prepare_test
from jetpay.webhooks.proofs import prove
from jetpay.webhooks.queries import opened, webhook
from jetpay.webhooks.schedule import in_words


async def test(
    services: HasServices, company_id: CompanyId, webhook_id: WebhookId, *, created_at: datetime
) -> Attempt:
    """What came of it, whatever state the webhook is in; `created_at`: the company's time.

    A live company's address is proved by it. Refuses `NotFound` and `RateLimited`.
    """
    db, now = services.db, services.clock.now()
    found = await webhook(db, company_id, webhook_id)
    async with db.transaction() as tx:
        await limits.take(tx, str(company_id), LimitKind.WEBHOOK_TEST, now=now)
    [secrets] = await opened(db, [found], vault=services.vault)
    key = signing_key(services.keyring)
    try:
        made = await call(
            services.dialler,
            found,
            prepare_test(found, secrets, key, token_id=uuid7(now), created_at=created_at, at=now),
            secrets,
            kind=Kind.TEST,
            allowed=await allowed_networks(
                db, services.settings, company_id, sandbox=found.sandbox
            ),
            at=now,
        )
    except DestinationBusy as busy:
        raise RateLimited(retry_after=math.ceil(busy.retry_in)) from None
    error = in_words(made.outcome)
    if found.is_unproved and made.outcome.is_success:
        error = await prove(db, company_id, webhook_id, found.callback_url, accepted=made.accepted)
    attempt = made.attempt(error)
    async with db.transaction() as tx:
        await note(tx, [(found, attempt)], vault=services.vault)
    return attempt
