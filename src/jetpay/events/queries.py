"""Reading events: those after a number, those of many batches, and the highest number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import CompanyId
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction
from jetpay.events.model import Event

DEFAULT_LIMIT = 50

AFTER = Query(
    Event,
    """
    select company_id, event_id, created_at, type, subject_id, from_state, to_state, because,
           actor_kind, actor_id, data
    from event where company_id = %(company_id)s and event_id > %(after)s
    order by event_id limit %(limit)s
    """,
)
HIGHEST = Query(int, "select last_event_id from event_counter where company_id = %(company_id)s")
# Not by an index on created_at, which every credit would pay for: times are not in the order of
# the numbers (late work keeps its own time), so only reading on from the start finds the first.
FIRST_SINCE = Query(
    int,
    """
    select event_id from event
    where company_id = %(company_id)s and created_at >= %(since)s
    order by event_id limit 1
    """,
)


@dataclass(frozen=True, slots=True)
class EventOfBatch(Event):
    """`position`: which of the asked batches it belongs to, from 1."""

    position: int


# Each look-up is its own index range, also on a database that was never analysed.
BATCHES = Query(
    EventOfBatch,
    """
    select e.company_id, e.event_id, e.created_at, e.type, e.subject_id, e.from_state, e.to_state,
           e.because, e.actor_kind, e.actor_id, e.data, b.position
    from unnest(%(companies)s::uuid[], %(afters)s::bigint[], %(throughs)s::bigint[],
                %(sizes)s::int[])
         with ordinality as b(company_id, after, through, size, position)
    cross join lateral (
      select company_id, event_id, created_at, type, subject_id, from_state, to_state, because,
             actor_kind, actor_id, data
      from event
      where company_id = b.company_id and event_id > b.after
        and event_id <= coalesce(b.through, event_id)
      order by event_id limit b.size) e
    order by b.position, e.event_id
    """,
    never_null=("position",),
)


@dataclass(frozen=True, slots=True)
class BatchWanted:
    """At most `size` events of a company after the number `after`, none above `through`."""

    company_id: CompanyId
    after: int
    size: int
    through: int | None = None


async def events_after(
    tx: OpensTransactions | Transaction, company_id: CompanyId, after: int, *, limit: int
) -> list[Event]:
    """Ascending by number, without a gap."""
    return await AFTER.all(tx, company_id=company_id, after=after, limit=limit)


async def highest_event_id(tx: OpensTransactions | Transaction, company_id: CompanyId) -> int:
    """0 before the first event."""
    return await HIGHEST.one(tx, company_id=company_id)


async def last_event_before(
    tx: OpensTransactions | Transaction, company_id: CompanyId, since: datetime
) -> int:
    """The number before the first event of `since` or later (business time)."""
    first = await FIRST_SINCE.first(tx, company_id=company_id, since=since)
    return await highest_event_id(tx, company_id) if first is None else first - 1


async def batches(
    tx: OpensTransactions | Transaction, wanted: Sequence[BatchWanted]
) -> list[list[Event]]:
    """The events of each wanted batch, in one statement."""
    found: list[list[Event]] = [[] for _ in wanted]
    for event in await BATCHES.all(
        tx,
        companies=[each.company_id for each in wanted],
        afters=[each.after for each in wanted],
        throughs=[each.through for each in wanted],
        sizes=[each.size for each in wanted],
    ):
        found[event.position - 1].append(event)
    return found
