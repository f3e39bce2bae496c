"""The one place that numbers events: 1, 2, 3 … per company, in commit order, without a gap."""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import orjson

from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction
from jetpay.events.model import Draft
from jetpay.events.wake import announce

# The counter rows are locked in id order, so two transactions over many companies cannot
# wait for each other in a circle; the number is taken by the statement that inserts.
RECORD = Command(
    """
    with d as (
      select * from unnest(%(companies)s::uuid[], %(positions)s::int[], %(ats)s::timestamptz[],
        %(types)s::text[], %(subjects)s::uuid[], %(froms)s::text[], %(tos)s::text[],
        %(becauses)s::text[], %(kinds)s::text[], %(actors)s::uuid[], %(datas)s::text[])
        as u(company_id, position, at, type, subject_id, from_state, to_state, because,
             actor_kind, actor_id, data)),
    n as (select company_id, count(*) as k from d group by company_id),
    l as materialized (
      select company_id from event_counter where company_id in (select company_id from n)
      order by company_id for no key update),
    s as (
      update event_counter c set last_event_id = c.last_event_id + n.k
      from n join l using (company_id) where c.company_id = n.company_id
      returning c.company_id, c.last_event_id, n.k)
    insert into event (company_id, event_id, created_at, type, subject_id, from_state, to_state,
                       because, actor_kind, actor_id, data)
    select d.company_id,
           s.last_event_id - s.k
             + row_number() over (partition by d.company_id order by d.position),
           d.at, d.type, d.subject_id, d.from_state, d.to_state, d.because,
           d.actor_kind, d.actor_id, d.data::jsonb
    from d join s on s.company_id = d.company_id
    """
)


@dataclass(slots=True)
class _Queue:
    drafts: list[Draft] = field(default_factory=list)

    def announce(self) -> None:
        announce({draft.company_id for draft in self.drafts})

    async def flush(self, tx: Transaction) -> None:
        drafts = self.drafts
        inserted = await RECORD.run(
            tx,
            companies=[d.company_id for d in drafts],
            positions=list(range(len(drafts))),
            ats=[d.at for d in drafts],
            types=[d.type.value for d in drafts],
            subjects=[d.subject_id for d in drafts],
            froms=[d.from_state for d in drafts],
            tos=[d.to_state for d in drafts],
            becauses=[d.because for d in drafts],
            kinds=[d.actor.kind.value for d in drafts],
            actors=[d.actor.identifier for d in drafts],
            datas=[d.data and orjson.dumps(d.data).decode() for d in drafts],
        )
        if inserted != len(drafts):
            message = "an event was left out: its company has no counter"
            raise RuntimeError(message)


_KEY = "events.record"
_QUEUES: WeakKeyDictionary[Transaction, _Queue] = WeakKeyDictionary()


def record(tx: Transaction, *drafts: Draft) -> None:
    """Take down what happened; numbered by the last statement before the commit.

    Queued until then, because the company's counter stays locked from the numbering to the
    commit and nobody else of the company can commit meanwhile.
    """
    queue = _QUEUES.get(tx)
    if queue is None:
        queue = _QUEUES[tx] = _Queue()
        tx.after_commit(queue.announce)
    queue.drafts.extend(drafts)
    tx.at_commit(queue.flush, key=_KEY)
