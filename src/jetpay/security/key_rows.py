"""The SQL of table `secret_key`; the installation's own keys lie under the zero company."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from jetpay.db.rows import Command, Query


class Purpose(StrEnum):
    """What a working key is for; one key, one purpose."""

    SEAL = "seal"
    INDEX = "index"
    LINK = "link"
    VISIT = "visit"
    CSRF = "csrf"
    PEPPER = "pepper"
    AUDIT = "audit"
    FINGERPRINT = "fingerprint"
    WEBHOOK_RS256 = "webhook-rs256"
    RECEIPT_RS256 = "receipt-rs256"
    AUDIT_HEAD_RS256 = "audit-head-rs256"


RENEWAL: Final = "renew_secrets"
"""The worker's word for what it does after a rotation of `seal` or `index`."""


class KeyState(StrEnum):
    """A key's life, in this order."""

    NEXT = "next"
    ACTIVE = "active"
    VERIFY_ONLY = "verify-only"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class KeyRow:
    company_id: UUID
    purpose: str
    number: int
    state: KeyState
    root_fingerprint: bytes
    wrapped: bytes
    public_jwk: dict[str, Any] | None
    created_at: datetime
    activates_at: datetime
    retires_at: datetime | None


@dataclass(frozen=True, slots=True)
class RootUse:
    root_fingerprint: bytes
    keys: int


@dataclass(frozen=True, slots=True)
class SealKeyNumber:
    company_id: UUID
    number: int


KEYS_OF_COMPANY: Final = Query(
    KeyRow,
    """
    select company_id, purpose, number, state, root_fingerprint, wrapped, public_jwk,
           created_at, activates_at, retires_at
    from secret_key where company_id = %(company_id)s order by purpose, number
    """,
)
ONE_KEY: Final = Query(
    KeyRow,
    """
    select company_id, purpose, number, state, root_fingerprint, wrapped, public_jwk,
           created_at, activates_at, retires_at
    from secret_key
    where company_id = %(company_id)s and purpose = %(purpose)s and number = %(number)s
    """,
)
ACTIVE_KEY: Final = Query(
    KeyRow,
    """
    select company_id, purpose, number, state, root_fingerprint, wrapped, public_jwk,
           created_at, activates_at, retires_at
    from secret_key
    where company_id = %(company_id)s and purpose = %(purpose)s and state = 'active'
    """,
)
# Made by two processes at once, the first one to commit wins; the other reads the winner's.
INSERT_KEY: Final = Command(
    """
    insert into secret_key (company_id, purpose, number, state, root_fingerprint, wrapped,
                            public_jwk, created_at, activates_at)
    values (%(company_id)s, %(purpose)s, %(number)s, %(state)s, %(root_fingerprint)s,
            %(wrapped)s, %(public_jwk)s, %(created_at)s, %(activates_at)s)
    on conflict do nothing
    """
)
# The lock makes two promotions one: who comes second finds nothing that is `next`.
LOCK_NEXT: Final = Query(
    int,
    """
    select number from secret_key
    where company_id = %(company_id)s and purpose = %(purpose)s and state = 'next'
      and activates_at <= %(at)s
    order by number limit 1 for update
    """,
)
DEMOTE: Final = Command(
    """
    update secret_key set state = 'verify-only', retires_at = %(retires_at)s
    where company_id = %(company_id)s and purpose = %(purpose)s and state = 'active'
    """
)
# By number: whoever comes second must not demote the key that the first one just made.
DEMOTE_NUMBER: Final = Command(
    """
    update secret_key set state = 'verify-only'
    where company_id = %(company_id)s and purpose = %(purpose)s and number = %(number)s
      and state = 'active'
    """
)
PROMOTE: Final = Command(
    """
    update secret_key set state = 'active', activates_at = %(at)s
    where company_id = %(company_id)s and purpose = %(purpose)s and number = %(number)s
      and state = 'next'
    """
)
ADVANCE_NEXT: Final = Command(
    """
    update secret_key set activates_at = %(at)s
    where company_id = %(company_id)s and purpose = %(purpose)s and state = 'next'
    """
)
DESTROY: Final = Command(
    """
    update secret_key set state = 'destroyed', wrapped = ''
    where company_id = %(company_id)s and purpose = %(purpose)s and number = %(number)s
      and state = 'verify-only'
    """
)
DESTROY_RETIRED: Final = Command(
    """
    update secret_key set state = 'destroyed', wrapped = ''
    where company_id = %(company_id)s and state = 'verify-only' and retires_at <= %(at)s
    """
)
# Never waits: a row that somebody else is counting on is counted with the next seal.
COUNT_USES: Final = Command(
    """
    update secret_key set uses = uses + %(more)s
    where company_id = %(company_id)s and purpose = 'seal' and number = (
        select number from secret_key
        where company_id = %(company_id)s and purpose = 'seal' and number = %(number)s
        for update skip locked)
    """
)

# The worker comes for what a company has sealed, or indexed, with the key that has gone out of use.
# Armed again while it is there: it comes once more.
ARM_RENEWAL: Final = Command(
    """
    insert into due (company_id, kind, subject_id, due_at)
    values (%(company_id)s, 'renew_secrets', %(company_id)s, %(at)s)
    on conflict (company_id, kind, subject_id) do update set
      due_at = least(due.due_at, excluded.due_at), lease_token = null
    """
)
# One after the other, so that other work finds its place between them.
ARM_RENEWALS: Final = Command(
    """
    insert into due (company_id, kind, subject_id, due_at)
    select company_id, 'renew_secrets', company_id,
           %(at)s::timestamptz + row_number() over (order by company_id) * interval '0.1 s'
    from company
    on conflict (company_id, kind, subject_id) do update set
      due_at = least(due.due_at, excluded.due_at), lease_token = null
    """
)

# The four below go over the keys of all companies: that is what root keys are about.
ROOT_USES: Final = Query(
    RootUse,
    """
    select root_fingerprint, count(*) as keys from secret_key
    where state <> 'destroyed' group by root_fingerprint order by root_fingerprint
    """,
    never_null=("keys",),
)
WRAPPED_OTHERWISE: Final = Query(
    KeyRow,
    """
    select company_id, purpose, number, state, root_fingerprint, wrapped, public_jwk,
           created_at, activates_at, retires_at
    from secret_key
    where state <> 'destroyed' and root_fingerprint <> %(root_fingerprint)s
    order by company_id, purpose, number limit %(maximum)s
    """,
)
SEAL_KEYS_TO_RENEW: Final = Query(
    SealKeyNumber,
    """
    select company_id, number from secret_key
    where purpose = 'seal' and state = 'active'
      and (uses >= %(uses)s or created_at < %(made_before)s) and company_id > %(after)s
    order by company_id limit %(maximum)s
    """,
)
OLD_SEAL_KEYS: Final = Query(
    SealKeyNumber,
    """
    select company_id, number from secret_key
    where purpose = 'seal' and state = 'verify-only'
    order by company_id, number limit %(maximum)s
    """,
)
RENEWALS_LEFT: Final = Query(
    int,
    "select count(*) as companies from due where kind = 'renew_secrets'",
    never_null=("companies",),
)
REWRAP: Final = Command(
    """
    update secret_key set wrapped = %(wrapped)s, root_fingerprint = %(root_fingerprint)s
    where company_id = %(company_id)s and purpose = %(purpose)s and number = %(number)s
      and wrapped = %(wrapped_before)s
    """
)
