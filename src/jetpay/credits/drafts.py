"""Typed bank details: a draft of one session, sealed, until it is accepted, declined or old."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jetpay.base.ids import uuid7
from jetpay.base.refusals import Conflict
from jetpay.credits.actions import accept, decline
from jetpay.credits.attempts import Acceptance, AcceptedDetails
from jetpay.credits.model import LockedCredit
from jetpay.credits.page_queries import PageCredit
from jetpay.credits.payee_sessions import (
    DRAFT_LASTS,
    PayeeSession,
    end_sessions,
    may_still_act,
)
from jetpay.credits.states import lock
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.derivation import WorkingKey
from jetpay.security.forms import Reviewed, is_reviewed_token
from jetpay.security.vault import Vault

TABLE: Final = "payee_draft"
COLUMN: Final = "details"


class ReviewChanged(Conflict):
    """What was reviewed is not, or no longer, what would be accepted."""

    code = "review_changed"
    title = "Please look again"
    sentence = "What you reviewed has changed; please look at it again."


@dataclass(frozen=True, slots=True)
class Draft:
    """What the session typed, for attempt number `attempt`."""

    draft_id: UUID
    revision: int
    attempt: int
    details: AcceptedDetails


@dataclass(frozen=True, slots=True)
class Reviewing:
    """What an accept claims to have seen, to be compared under the credit's lock."""

    token: str
    keys: tuple[WorkingKey, ...]
    consent_text: str
    language: str
    client_network: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    draft_id: UUID
    revision: int
    attempt: int
    details: bytes


@dataclass(frozen=True, slots=True)
class _Version:
    draft_id: UUID
    revision: int


# The identifier stays, the revision grows: a review of the older one is a review of nothing.
VERSION: Final = Query(
    _Version,
    """
    insert into payee_draft as d (company_id, session_digest, draft_id, revision, attempt,
                                  details, created_at)
    values (%(company_id)s, %(session_digest)s, %(draft_id)s, 1, %(attempt)s, '', %(now)s)
    on conflict (company_id, session_digest) do update
      set revision = d.revision + 1, attempt = excluded.attempt, created_at = excluded.created_at
    returning d.draft_id, d.revision
    """,
)
FILL: Final = Query(
    int,
    """
    update payee_draft set details = %(details)s
    where company_id = %(company_id)s and session_digest = %(session_digest)s
    returning revision
    """,
)
FIND: Final = Query(
    _Row,
    """
    select draft_id, revision, attempt, details from payee_draft
    where company_id = %(company_id)s and session_digest = %(session_digest)s
      and attempt = %(attempt)s and created_at > %(since)s
    """,
)
TAKE: Final = Query(
    _Row,
    """
    delete from payee_draft
    where company_id = %(company_id)s and session_digest = %(session_digest)s
      and attempt = %(attempt)s and created_at > %(since)s
    returning draft_id, revision, attempt, details
    """,
)


@action
async def save_draft(
    tx: Transaction,
    session: PayeeSession,
    *,
    attempt: int,
    details: AcceptedDetails,
    vault: Vault,
    now: datetime,
) -> None:
    """Keep what was typed for the review; a second time it replaces the first."""
    place = {"company_id": session.company_id, "session_digest": session.digest}
    version = await VERSION.one(tx, draft_id=uuid7(), attempt=attempt, now=now, **place)
    sealed = await vault.seal(
        tx,
        session.company_id,
        table=TABLE,
        column=COLUMN,
        row_key=session.digest,
        value=_as_value(version.draft_id, version.revision, details),
    )
    await FILL.one(tx, details=sealed, **place)


@action
async def find_draft(
    tx: Transaction, session: PayeeSession, *, attempt: int, vault: Vault, now: datetime
) -> Draft | None:
    """What this session typed for this attempt within the hour; None before that."""
    row = await FIND.first(
        tx,
        company_id=session.company_id,
        session_digest=session.digest,
        attempt=attempt,
        since=now - DRAFT_LASTS,
    )
    return None if row is None else await _opened(tx, vault, session, row)


@action
async def accept_reviewed(
    tx: Transaction,
    session: PayeeSession,
    *,
    reviewing: Reviewing,
    vault: Vault,
    at: datetime,
    now: datetime,
) -> int:
    """Accept exactly what this session reviewed; the number of the new payment attempt.

    Refuses `ReviewChanged`, and whatever `accept` refuses; then nothing has happened. `at`:
    business time, `now`: real time.
    """
    # The credit first: whoever has its lock is the faster one, and both take locks in one order.
    credit = await _lock_for(tx, session)
    row = await TAKE.first(
        tx,
        company_id=session.company_id,
        session_digest=session.digest,
        attempt=credit.attempt + 1,
        since=now - DRAFT_LASTS,
    )
    if row is None or not _was_reviewed(credit, row, reviewing):
        raise ReviewChanged
    draft = await _opened(tx, vault, session, row)
    if draft is None:
        raise ReviewChanged
    attempt = await accept(
        tx,
        session.company_id,
        session.credit_id,
        vault=vault,
        details=draft.details,
        evidence=_evidence(session, reviewing),
        at=at,
    )
    await end_sessions(tx, session.company_id, session.credit_id, kept=session.digest, now=now)
    return attempt


@action
async def decline_by_payee(
    tx: Transaction, session: PayeeSession, *, reason: str | None, at: datetime, now: datetime
) -> None:
    """The payee does not want it: every session of the credit ends, every draft goes.

    Refuses `ReviewChanged` when the session was ended meanwhile.
    """
    await _lock_for(tx, session)
    await decline(tx, session.company_id, session.credit_id, reason=reason, at=at)
    await end_sessions(tx, session.company_id, session.credit_id, now=now)


async def _lock_for(tx: Transaction, session: PayeeSession) -> LockedCredit:
    """The credit under its lock, for a session that lives under the same lock."""
    credit = (await lock(tx, session.company_id, [session.credit_id])).get(session.credit_id)
    if credit is None or not await may_still_act(tx, session, credit):
        raise ReviewChanged
    return credit


def reviewed_of(
    credit: LockedCredit | PageCredit, draft: Draft | _Row, *, consent_text: str, language: str
) -> Reviewed:
    """What the review's token stands for."""
    return Reviewed(
        credit_id=credit.credit_id,
        attempt=draft.attempt,
        amount_minor=credit.amount,
        currency=credit.currency,
        company_account_id=credit.from_bank_account_id,
        draft_id=draft.draft_id,
        draft_revision=draft.revision,
        consent_text_id=consent_text,
        language=language,
    )


def _was_reviewed(credit: LockedCredit, row: _Row, reviewing: Reviewing) -> bool:
    seen = reviewed_of(
        credit, row, consent_text=reviewing.consent_text, language=reviewing.language
    )
    return is_reviewed_token(reviewing.token, reviewing.keys, credit.company_id, seen)


def _evidence(session: PayeeSession, reviewing: Reviewing) -> Acceptance:
    return Acceptance(
        gate=session.gate,
        consent_text=reviewing.consent_text,
        consent_language=reviewing.language,
        session_id=session.digest,
        client_network=reviewing.client_network,
    )


def _as_value(draft_id: UUID, revision: int, details: AcceptedDetails) -> dict[str, object]:
    return {
        "draft_id": draft_id.hex,
        "revision": revision,
        "scheme": details.scheme,
        "holder_name": details.holder_name,
        "holder_type": details.holder_type,
        "account_type": details.account_type,
        "numbers": details.numbers,
        "account_index": details.account_index.hex(),
        "last3": details.last3,
    }


async def _opened(tx: Transaction, vault: Vault, session: PayeeSession, row: _Row) -> Draft | None:
    value: dict[str, Any] = await vault.open(
        tx,
        session.company_id,
        table=TABLE,
        column=COLUMN,
        row_key=session.digest,
        blob=row.details,
    )
    if (value["draft_id"], value["revision"]) != (row.draft_id.hex, row.revision):
        return None
    details = AcceptedDetails(
        scheme=value["scheme"],
        holder_name=value["holder_name"],
        holder_type=value["holder_type"],
        account_type=value["account_type"],
        numbers=value["numbers"],
        account_index=bytes.fromhex(value["account_index"]),
        last3=value["last3"],
    )
    return Draft(row.draft_id, row.revision, row.attempt, details)
