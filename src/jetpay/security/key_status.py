"""Which root keys are needed, which may be dropped, and what every working key is doing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jetpay.db.transactions import OpensTransactions, Transaction
from jetpay.security.encoding import INSTALLATION
from jetpay.security.key_rows import (
    KEYS_OF_COMPANY,
    OLD_SEAL_KEYS,
    RENEWALS_LEFT,
    ROOT_USES,
    KeyRow,
    KeyState,
    SealKeyNumber,
)
from jetpay.security.rootkeys import RootKey

OLD_KEYS_SHOWN: Final = 1_000


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One working key of the installation, without its secret."""

    purpose: str
    number: int
    state: KeyState
    root_fingerprint: str
    created_at: datetime
    activates_at: datetime
    retires_at: datetime | None


@dataclass(frozen=True, slots=True)
class RootKeyStatus:
    """One root key: given now, needed by some key, or both."""

    fingerprint: str
    given: bool
    wraps: bool
    keys: int

    @property
    def may_be_dropped(self) -> bool:
        """Whether a start without it succeeds."""
        return self.given and not self.wraps and self.keys == 0


@dataclass(frozen=True, slots=True)
class KeysStatus:
    """What `jetpay keys status` shows. `renewals_left`: companies whose old seals and indexes wait.

    `old_seal_keys`: those that have gone out of use, at most `OLD_KEYS_SHOWN`.
    """

    root_keys: tuple[RootKeyStatus, ...]
    working_keys: tuple[KeyStatus, ...]
    old_seal_keys: tuple[SealKeyNumber, ...]
    renewals_left: int


async def status(db: OpensTransactions | Transaction, root_keys: Sequence[RootKey]) -> KeysStatus:
    """Which root keys are needed and which may be dropped, and every working key's state."""
    uses = {use.root_fingerprint: use.keys for use in await ROOT_USES.all(db)}
    given = [key.fingerprint for key in root_keys]
    needed = [fingerprint for fingerprint in uses if fingerprint not in given]
    roots = tuple(
        RootKeyStatus(
            fingerprint=fingerprint.hex(),
            given=fingerprint in given,
            wraps=fingerprint == given[0],
            keys=uses.get(fingerprint, 0),
        )
        for fingerprint in given + needed
    )
    rows = await KEYS_OF_COMPANY.all(db, company_id=INSTALLATION)
    return KeysStatus(
        root_keys=roots,
        working_keys=tuple(status_of(row) for row in rows),
        old_seal_keys=tuple(await OLD_SEAL_KEYS.all(db, maximum=OLD_KEYS_SHOWN)),
        renewals_left=await RENEWALS_LEFT.one(db),
    )


def status_of(row: KeyRow) -> KeyStatus:
    """The row without its secret."""
    return KeyStatus(
        purpose=row.purpose,
        number=row.number,
        state=row.state,
        root_fingerprint=row.root_fingerprint.hex(),
        created_at=row.created_at,
        activates_at=row.activates_at,
        retires_at=row.retires_at,
    )
