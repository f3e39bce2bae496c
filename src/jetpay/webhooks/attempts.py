"""The list of calls that were made: noted with what was answered, shown to the company."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.db.arrays import bytes_array, number_array, text_array, uuid_array
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.vault import Vault
from jetpay.webhooks.model import Attempt, Kind
from jetpay.webhooks.queries import webhook

PLACE: Final[dict[str, Any]] = {"table": "webhook_attempt", "column": "answer"}

NOTE = Command(
    """
    insert into webhook_attempt (company_id, webhook_id, attempt_id, kind, batch_id,
      first_event_id, last_event_id, at, duration_ms, status, error, answer)
    select company_id, webhook_id, attempt_id, kind, batch_id, first_event_id, last_event_id, at,
           duration_ms, status, error, answer
    from unnest(%(companies)s::uuid[], %(webhooks)s::uuid[], %(attempts)s::uuid[],
      %(kinds)s::text[], %(batches)s::uuid[], %(firsts)s::bigint[], %(lasts)s::bigint[],
      %(ats)s::timestamptz[], %(durations)s::int[], %(statuses)s::int[], %(errors)s::text[],
      %(answers)s::bytea[])
      as u(company_id, webhook_id, attempt_id, kind, batch_id, first_event_id, last_event_id, at,
           duration_ms, status, error, answer)
    on conflict do nothing
    """
)


@dataclass(frozen=True, slots=True)
class SealedAttempt:
    """An `Attempt` as it is stored."""

    attempt_id: UUID
    kind: Kind
    batch_id: UUID
    first_event_id: int | None
    last_event_id: int | None
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    answer: bytes | None


ATTEMPTS = Query(
    SealedAttempt,
    """
    select attempt_id, kind, batch_id, first_event_id, last_event_id, at, duration_ms, status,
           error, answer
    from webhook_attempt
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
      and (%(after)s::uuid is null or attempt_id < %(after)s)
    order by attempt_id desc limit %(limit)s
    """,
)


class OfWebhook(Protocol):
    """Whose attempt it was."""

    @property
    def company_id(self) -> CompanyId: ...
    @property
    def webhook_id(self) -> WebhookId: ...


async def note(tx: Transaction, made: Sequence[tuple[OfWebhook, Attempt]], *, vault: Vault) -> None:
    """Take down the calls; what was answered is sealed."""
    attempts = [attempt for _, attempt in made]
    await NOTE.run(
        tx,
        companies=uuid_array([of.company_id for of, _ in made]),
        webhooks=uuid_array([of.webhook_id for of, _ in made]),
        attempts=uuid_array([a.attempt_id for a in attempts]),
        kinds=text_array([a.kind.value for a in attempts]),
        batches=uuid_array([a.batch_id for a in attempts]),
        firsts=number_array([a.first_event_id for a in attempts]),
        lasts=number_array([a.last_event_id for a in attempts]),
        ats=text_array([a.at.isoformat() for a in attempts]),
        durations=number_array([a.duration_ms for a in attempts]),
        statuses=number_array([a.status for a in attempts]),
        errors=text_array([a.error for a in attempts]),
        answers=bytes_array(
            [await _sealed(tx, vault, of.company_id, attempt) for of, attempt in made]
        ),
    )


async def _sealed(
    tx: Transaction, vault: Vault, company_id: CompanyId, attempt: Attempt
) -> bytes | None:
    if not attempt.answer:
        return None
    row_key, value = attempt.attempt_id.bytes, {"text": attempt.answer}
    return await vault.seal(tx, company_id, **PLACE, row_key=row_key, value=value)


@action
async def attempts(
    tx: Transaction,
    company_id: CompanyId,
    webhook_id: WebhookId,
    *,
    after: UUID | None,
    limit: int,
    vault: Vault,
) -> list[Attempt]:
    """The latest first. Refuses `NotFound` for an unknown webhook."""
    await webhook(tx, company_id, webhook_id)
    rows = await ATTEMPTS.all(
        tx, company_id=company_id, webhook_id=webhook_id, after=after, limit=limit
    )
    return [await _opened(tx, vault, company_id, row) for row in rows]


async def _opened(
    tx: Transaction, vault: Vault, company_id: CompanyId, row: SealedAttempt
) -> Attempt:
    text = ""
    if row.answer is not None:
        row_key = row.attempt_id.bytes
        opened = await vault.open(tx, company_id, **PLACE, row_key=row_key, blob=row.answer)
        text = str(opened["text"])
    return Attempt(
        attempt_id=row.attempt_id,
        kind=row.kind,
        batch_id=row.batch_id,
        first_event_id=row.first_event_id,
        last_event_id=row.last_event_id,
        at=row.at,
        duration_ms=row.duration_ms,
        status=row.status,
        error=row.error,
        answer=text,
    )
