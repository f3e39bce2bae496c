"""The audit log's one door: who did what to what, in the transaction of the act itself."""

from datetime import datetime
from uuid import UUID

from jetpay.base.ids import CompanyId, uuid7
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction
from jetpay.events.model import Actor, ActorKind
from jetpay.security.audit_entry import AuditEntry, Named, canonical_entry

VIA = {
    ActorKind.TOKEN: "api",
    ActorKind.MEMBER: "session",
    ActorKind.PAYEE: "page",
    ActorKind.OPERATOR: "shell",
}

INSERT = Command(
    """
    insert into audit (company_id, audit_id, at, entry)
    values (%(company_id)s, %(audit_id)s, %(at)s, %(entry)s::jsonb)
    """
)


async def audit(
    tx: Transaction,
    company_id: CompanyId,
    *,
    act: str,
    by: Actor,
    object_type: str,
    object_id: UUID | str,
    at: datetime,
) -> None:
    """Take down an act that no event tells of, as the showing of a link. `at`: real time."""
    entry = AuditEntry(
        act=act,
        actor=Named(by.kind.value, by.identifier),
        at=at,
        details=None,
        client=None,
        object=Named(object_type, object_id),
        outcome="done",
        via=VIA.get(by.kind, "worker"),
    )
    await INSERT.run(
        tx,
        company_id=company_id,
        audit_id=uuid7(),
        at=at,
        entry=canonical_entry(entry).decode(),
    )
