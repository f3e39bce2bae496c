"""Sending events again, beside the live course and in an order of their own."""

from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import CompanyId, WebhookId, uuid7
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.queries import highest_event_id, last_event_before
from jetpay.webhooks.model import Start
from jetpay.webhooks.queries import webhook
from jetpay.webhooks.refusals import ReplayUnderWay, start_out_of_range, two_starts


@dataclass(frozen=True, slots=True)
class Replay:
    """Events from the first to the last, sent as far as `sent_through`."""

    webhook_id: WebhookId
    first_event_id: int
    last_event_id: int
    sent_through: int


# A company's one row: another webhook's replay must end first, one's own may begin elsewhere. The
# same again, as when an answer was lost, goes on.
BEGIN = Command(
    """
    insert into webhook_replay as r (company_id, webhook_id, replay_id, first_event_id,
                                     last_event_id, sent_through, created_at)
    values (%(company_id)s, %(webhook_id)s, %(replay_id)s, %(first)s::bigint, %(last)s,
            %(first)s::bigint - 1, %(now)s)
    on conflict (company_id) do update set replay_id = excluded.replay_id,
      first_event_id = excluded.first_event_id, last_event_id = excluded.last_event_id,
      sent_through = excluded.sent_through, created_at = excluded.created_at,
      batch_through = null, failures = 0, failing_since = null, not_before = null
    where r.company_id = %(company_id)s and r.webhook_id = excluded.webhook_id
      and r.first_event_id <> excluded.first_event_id
    """
)
REPLAY = Query(
    Replay,
    """
    select webhook_id, first_event_id, last_event_id, sent_through
    from webhook_replay where company_id = %(company_id)s
    """,
)
TRY_REPLAY_AGAIN = Command(
    """
    update webhook_replay set failures = 0, failing_since = null, not_before = null
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
    """
)
END = Command(
    """
    delete from webhook_replay where company_id = %(company_id)s and webhook_id = %(webhook_id)s
    """
)


@action
async def replay(
    tx: Transaction, company_id: CompanyId, webhook_id: WebhookId, start: Start, *, now: datetime
) -> Replay:
    """Send everything from `start` to where the live course is once more.

    Refuses `NotFound`, `ReplayUnderWay` at another webhook, and `Invalid` for a start at which
    nothing was sent yet.
    """
    found = await webhook(tx, company_id, webhook_id)
    first = await first_event(tx, company_id, start, last=found.cursor)
    if first > found.cursor:
        raise start_out_of_range(start, found.cursor)
    await BEGIN.run(
        tx,
        company_id=company_id,
        webhook_id=webhook_id,
        replay_id=uuid7(now),
        first=first,
        last=found.cursor,
        now=now,
    )
    begun = await REPLAY.one(tx, company_id=company_id)
    if begun.webhook_id != webhook_id:
        raise ReplayUnderWay(webhook=begun.webhook_id)
    return begun


async def first_event(
    tx: Transaction, company_id: CompanyId, start: Start, *, last: int | None = None
) -> int:
    """The number at which `start` begins; `last`: the highest it may name, else the next event."""
    if start.from_event_id is not None and start.from_time is not None:
        raise two_starts(start)
    if start.from_time is not None:
        return await last_event_before(tx, company_id, start.from_time) + 1
    next_event = await highest_event_id(tx, company_id) + 1
    if start.from_event_id is None:
        return next_event
    last = next_event if last is None else last
    if not 1 <= start.from_event_id <= last:
        raise start_out_of_range(start, last)
    return start.from_event_id
