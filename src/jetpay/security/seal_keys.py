"""Each company's own data keys, made when first needed and remembered for a minute."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.base.clock import Clock
from jetpay.db.transactions import Transaction
from jetpay.security.derivation import WorkingKey
from jetpay.security.key_rows import (
    ACTIVE_KEY,
    COUNT_USES,
    DEMOTE_NUMBER,
    INSERT_KEY,
    ONE_KEY,
    KeyRow,
    KeyState,
    Purpose,
)
from jetpay.security.rootkeys import KEY_BYTES, KeyProblem, RootKey, named, unwrap, wrap
from jetpay.security.secrets import Secret

REMEMBERED: Final = 4_096
REMEMBERED_SECONDS: Final = 60.0
"""A destroyed key is forgotten by every process within this time."""

USES_AT_ONCE: Final = 1_024
"""Seals are counted in the database in steps of so many, before they are made."""

MAX_USES: Final = 2**30
MAX_AGE: Final = timedelta(days=2 * 365)


class UnknownKey(KeyProblem):
    """No working key of this purpose has this number, or it was destroyed."""


class MissingRootKey(KeyProblem):
    """Keys are wrapped by a root key that was not given; `place`: where it was looked for."""

    def __init__(self, fingerprint: bytes, place: str = "JETPAY_SECRET_KEYS") -> None:
        self.fingerprint = fingerprint
        super().__init__(
            f"Root key {fingerprint.hex()} wraps keys of this database and is not in {place}: put"
            " it there."
        )


def open_row(root_keys: Sequence[RootKey], row: KeyRow) -> WorkingKey:
    """The key in a row. Raises `MissingRootKey`, `CannotUnwrap`, or `UnknownKey` if destroyed."""
    if row.state is KeyState.DESTROYED:
        raise UnknownKey(f"The {row.purpose} key number {row.number} was destroyed.")
    root = named(root_keys, row.root_fingerprint)
    if root is None:
        raise MissingRootKey(row.root_fingerprint)
    secret = unwrap(root, row.company_id, row.purpose, row.number, row.wrapped)
    return WorkingKey(row.purpose, row.number, Secret(secret))


class SealKeys:
    """The data keys of all companies, as far as they were asked for lately."""

    def __init__(
        self,
        root_keys: Sequence[RootKey],
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root_keys = root_keys
        self._clock = clock
        self._monotonic = monotonic
        # Number None: the active one.
        self._known: OrderedDict[tuple[UUID, int | None], tuple[WorkingKey, float]] = OrderedDict()
        self._unsure: dict[tuple[UUID, int], bytes] = {}
        self._uses_left: OrderedDict[tuple[UUID, int], int] = OrderedDict()

    async def active(self, tx: Transaction, company_id: UUID) -> WorkingKey:
        """The key to seal with; made now if the company has none. Counts one use."""
        key = self._remembered(company_id, None)
        if key is None:
            row = await ACTIVE_KEY.first(tx, company_id=company_id, purpose=Purpose.SEAL)
            if row is None:
                await self.make(tx, company_id, number=1, at=self._clock.now())
                row = await ACTIVE_KEY.first(tx, company_id=company_id, purpose=Purpose.SEAL)
            if row is None:
                raise UnknownKey(f"The seal keys of company {company_id} were destroyed.")
            key = self._learn(row, as_number=None)
        await self._count_use(tx, company_id, key.number)
        return key

    async def numbered(self, tx: Transaction, company_id: UUID, number: int) -> WorkingKey:
        """The key that something was sealed with. Raises `UnknownKey`."""
        key = self._remembered(company_id, number)
        if key is not None:
            return key
        row = await ONE_KEY.first(tx, company_id=company_id, purpose=Purpose.SEAL, number=number)
        if row is None:
            raise UnknownKey(f"Company {company_id} has no seal key number {number}.")
        return self._learn(row, as_number=number)

    async def make(self, tx: Transaction, company_id: UUID, *, number: int, at: datetime) -> bool:
        """Makes key `number` the company's active one, after `number - 1`; False if not needed."""
        if number > 1 and not await DEMOTE_NUMBER.run(
            tx, company_id=company_id, purpose=Purpose.SEAL, number=number - 1
        ):
            return False
        root = self._root_keys[0]
        wrapped = wrap(root, company_id, Purpose.SEAL, number, os.urandom(KEY_BYTES))
        made = await INSERT_KEY.run(
            tx,
            company_id=company_id,
            purpose=Purpose.SEAL,
            number=number,
            state=KeyState.ACTIVE,
            root_fingerprint=root.fingerprint,
            wrapped=wrapped,
            public_jwk=None,
            created_at=at,
            activates_at=at,
        )
        if made:
            self._unsure[company_id, number] = wrapped
            tx.after_commit(lambda: self._committed(company_id, number))
        return bool(made)

    def forget(self, company_id: UUID) -> None:
        """The company's active key may have changed."""
        self._known.pop((company_id, None), None)

    def _remembered(self, company_id: UUID, number: int | None) -> WorkingKey | None:
        held = self._known.get((company_id, number))
        if held is None or self._monotonic() >= held[1]:
            return None
        self._known.move_to_end((company_id, number))
        return held[0]

    def _learn(self, row: KeyRow, *, as_number: int | None) -> WorkingKey:
        key = open_row(self._root_keys, row)
        identity = (row.company_id, row.number)
        if self._unsure.get(identity) == row.wrapped:
            # Ours, and not committed: remembered now and rolled back later, what is sealed with
            # it afterwards would never open again.
            return key
        self._unsure.pop(identity, None)
        self._known[row.company_id, as_number] = (key, self._monotonic() + REMEMBERED_SECONDS)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return key

    def _committed(self, company_id: UUID, number: int) -> None:
        self._unsure.pop((company_id, number), None)
        self.forget(company_id)

    async def _count_use(self, tx: Transaction, company_id: UUID, number: int) -> None:
        identity = (company_id, number)
        left = self._uses_left.get(identity, 0)
        if left == 0:
            counted = await COUNT_USES.run(
                tx, company_id=company_id, number=number, more=USES_AT_ONCE
            )
            left = USES_AT_ONCE if counted else 1
        self._uses_left[identity] = left - 1
        self._uses_left.move_to_end(identity)
        while len(self._uses_left) > REMEMBERED:
            self._uses_left.popitem(last=False)
