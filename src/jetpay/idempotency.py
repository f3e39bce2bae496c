"""A creating call that is sent again makes nothing again (security rule 14)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import Conflict
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction
from jetpay.security.fingerprints import RequestFingerprint
from jetpay.security.keys import Keyring, Purpose

CLAIM = Command(
    """
    insert into idempotency (company_id, operation, key, object_id, fingerprint, created_at)
    values (%(company_id)s, %(operation)s, %(key)s, %(object_id)s, %(fingerprint)s, %(now)s)
    on conflict do nothing
    """
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was made under a key; the answer itself is not kept."""

    object_id: UUID
    fingerprint: bytes


REMEMBERED = Query(
    Remembered,
    """
    select object_id, fingerprint from idempotency
    where company_id = %(company_id)s and operation = %(operation)s and key = %(key)s
    """,
)


class IdempotencyConflict(Conflict):
    """Same key, other request."""

    code = "idempotency_conflict"
    title = "The key was used for another request"
    sentence = (
        "This Idempotency-Key was used before with another value of {differs}; nothing was changed."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A key and the request it was sent with; `fields` are the operation's, as they were sent."""

    operation: str
    key: str
    layout: RequestFingerprint
    fields: Mapping[str, object]
    keyring: Keyring
    now: datetime

    async def claim(self, tx: Transaction, company_id: CompanyId, object_id: UUID) -> UUID | None:
        """None when `object_id` is to be made now, else the identifier that was made before.

        First thing of the transaction that makes it: a second request with the key waits here
        until the first one is committed, or takes its place when it is rolled back. Refuses
        `IdempotencyConflict`.
        """
        place = {"company_id": company_id, "operation": self.operation, "key": self.key}
        key = self.keyring.active(Purpose.FINGERPRINT)
        packed = self.layout.pack(key, company_id, self.fields)
        if await CLAIM.run(tx, object_id=object_id, fingerprint=packed, now=self.now, **place):
            return None
        before = await REMEMBERED.one(tx, **place)
        differs = self.layout.differing(
            before.fingerprint,
            company_id,
            self.fields,
            key_numbered=lambda number: self.keyring.get(Purpose.FINGERPRINT, number),
        )
        if differs:
            raise IdempotencyConflict(differs=", ".join(differs))
        return before.object_id
