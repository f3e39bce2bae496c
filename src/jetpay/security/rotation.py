"""Changing keys while everything runs: rotate, promote, re-wrap and destroy."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.base.clock import iso
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.security.encoding import INSTALLATION
from jetpay.security.key_rows import (
    ADVANCE_NEXT,
    ARM_RENEWAL,
    ARM_RENEWALS,
    DEMOTE,
    DESTROY,
    DESTROY_RETIRED,
    KEYS_OF_COMPANY,
    LOCK_NEXT,
    PROMOTE,
    REWRAP,
    SEAL_KEYS_TO_RENEW,
    WRAPPED_OTHERWISE,
    KeyRow,
    KeyState,
    Purpose,
)
from jetpay.security.key_status import KeyStatus, status_of
from jetpay.security.keys import INSTALLATION_PURPOSES, SIGNING_PURPOSES, Keyring
from jetpay.security.rootkeys import KeyProblem, RootKey, wrap
from jetpay.security.seal_keys import MAX_AGE, MAX_USES, open_row

PUBLISHED_BEFORE: Final = timedelta(hours=24)
PUBLISHED_AFTER: Final = timedelta(hours=24)
SETTLES_IN: Final = timedelta(minutes=5)
"""Every process has read the table within this time, so all know a key before it is used."""

KEPT_AFTER: Final = timedelta(hours=24)
"""A visit lasts 12 hours and a form no longer than its session."""

MAX_NUMBER: Final = 255
"""Links, visits, indexes and fingerprints carry the number in one byte."""

PAGE: Final = 500

_RETIRES_AFTER: Final = {
    Purpose.WEBHOOK_RS256: PUBLISHED_AFTER + SETTLES_IN,
    Purpose.VISIT: KEPT_AFTER,
    Purpose.CSRF: KEPT_AFTER,
}
_FIRST_PAGE: Final = UUID(int=0)


class KeyNumbersUsedUp(KeyProblem):
    """A purpose had its 255 keys."""


async def rotate(
    db: OpensTransactions, keyring: Keyring, purpose: str, *, at: datetime, now: bool = False
) -> KeyStatus | None:
    """Makes a new working key; the newest one is told, or None for `seal` (one per company).

    The key is `next` until every process and, for signatures, every receiver can know it;
    `promote` then makes it the active one. `now`, after a compromise, does that at once: what
    verifies signatures may refuse for as long as it caches the published keys, and the webhooks'
    old key is withdrawn, so that nobody can sign with it for those who fetch them.
    """
    if purpose == Purpose.SEAL:
        await renew_seal_keys(db, keyring, at=at, all_made_before=at)
        return None
    if purpose not in INSTALLATION_PURPOSES:
        raise KeyProblem(f"There are no keys for '{purpose}'.")
    of_purpose = await _rows(db, purpose)
    if not any(row.state is KeyState.NEXT for row in of_purpose):
        if len(of_purpose) >= MAX_NUMBER:
            raise KeyNumbersUsedUp(f"All {MAX_NUMBER} numbers of {purpose} keys are used.")
        wait = SETTLES_IN + (PUBLISHED_BEFORE if purpose in SIGNING_PURPOSES else timedelta())
        await keyring.make(db, purpose, state=KeyState.NEXT, activates_at=at + wait)
    if now:
        await ADVANCE_NEXT.run(db, company_id=INSTALLATION, purpose=purpose, at=at)
        await promote(db, purpose, at=at, withdraws=purpose == Purpose.WEBHOOK_RS256)
    await keyring.refresh(db)
    return status_of((await _rows(db, purpose))[-1])


@action
async def promote(tx: Transaction, purpose: str, *, at: datetime, withdraws: bool = False) -> bool:
    """Makes the `next` key active if its time has come, and the active one verify-only.

    `withdraws`: that one retires at once.
    """
    number = await LOCK_NEXT.first(tx, company_id=INSTALLATION, purpose=purpose, at=at)
    if number is None:
        return False
    retires_after = timedelta() if withdraws else _RETIRES_AFTER.get(Purpose(purpose))
    await DEMOTE.run(
        tx,
        company_id=INSTALLATION,
        purpose=purpose,
        retires_at=None if retires_after is None else at + retires_after,
    )
    await PROMOTE.run(tx, company_id=INSTALLATION, purpose=purpose, number=number, at=at)
    if purpose == Purpose.INDEX:
        await ARM_RENEWALS.run(tx, at=at + SETTLES_IN)
    return True


async def maintain(db: OpensTransactions, keyring: Keyring, *, at: datetime) -> None:
    """What the worker does with keys, once a minute: promote, destroy the retired, renew."""
    for purpose in INSTALLATION_PURPOSES:
        await promote(db, purpose, at=at)
    await DESTROY_RETIRED.run(db, company_id=INSTALLATION, at=at)
    await renew_seal_keys(db, keyring, at=at, all_made_before=at - MAX_AGE)
    await keyring.refresh(db)


async def renew_seal_keys(
    db: OpensTransactions, keyring: Keyring, *, at: datetime, all_made_before: datetime
) -> int:
    """New data keys for companies whose key is that old or was used 2^30 times; how many.

    What the old ones sealed is sealed again by the worker.
    """
    after, renewed = _FIRST_PAGE, 0
    while True:
        page = await SEAL_KEYS_TO_RENEW.all(
            db, uses=MAX_USES, made_before=all_made_before, after=after, maximum=PAGE
        )
        for each in page:
            async with db.transaction() as tx:
                made = await keyring.seal_keys.make(
                    tx, each.company_id, number=each.number + 1, at=at
                )
                if made:
                    await ARM_RENEWAL.run(tx, company_id=each.company_id, at=at + SETTLES_IN)
                    renewed += 1
        if len(page) < PAGE:
            return renewed
        after = page[-1].company_id


async def refuse_to_destroy(
    db: OpensTransactions | Transaction,
    purpose: str,
    number: int,
    *,
    company_id: UUID = INSTALLATION,
    at: datetime,
) -> None:
    """Raises `KeyProblem` unless the key has gone out of use everywhere."""
    rows = await KEYS_OF_COMPANY.all(db, company_id=company_id)
    states = {row.number: row for row in rows if row.purpose == purpose}
    if number not in states or states[number].state is not KeyState.VERIFY_ONLY:
        raise KeyProblem(f"There is no {purpose} key number {number} that has gone out of use.")
    active = [row for row in states.values() if row.state is KeyState.ACTIVE]
    if active and at < active[0].activates_at + SETTLES_IN:
        until = iso(active[0].activates_at + SETTLES_IN)
        raise KeyProblem(
            f"Until {until} a process may still use the {purpose} key number {number}: wait."
        )


@action
async def destroy(
    tx: Transaction, purpose: str, number: int, *, company_id: UUID = INSTALLATION, at: datetime
) -> None:
    """Erases a verify-only key for good; who calls has made sure that nothing names it.

    Raises what `refuse_to_destroy` raises.
    """
    await refuse_to_destroy(tx, purpose, number, company_id=company_id, at=at)
    await DESTROY.run(tx, company_id=company_id, purpose=purpose, number=number)


async def rewrap(db: OpensTransactions, keyring: Keyring) -> int:
    """Wraps every key under the first root key; no working key changes. How many it wrapped."""
    root, rewrapped = keyring.root_keys[0], 0
    while True:
        page = await WRAPPED_OTHERWISE.all(db, root_fingerprint=root.fingerprint, maximum=PAGE)
        if not page:
            break
        for row in page:
            rewrapped += await _rewrap_one(db, keyring.root_keys, row)
    await keyring.refresh(db)
    return rewrapped


async def _rewrap_one(db: OpensTransactions, root_keys: Sequence[RootKey], row: KeyRow) -> int:
    root = root_keys[0]
    key = open_row(root_keys, row).secret.reveal()
    return await REWRAP.run(
        db,
        company_id=row.company_id,
        purpose=row.purpose,
        number=row.number,
        wrapped=wrap(root, row.company_id, row.purpose, row.number, key),
        root_fingerprint=root.fingerprint,
        wrapped_before=row.wrapped,
    )


async def _rows(db: OpensTransactions, purpose: str) -> list[KeyRow]:
    rows = await KEYS_OF_COMPANY.all(db, company_id=INSTALLATION)
    return [row for row in rows if row.purpose == purpose]
