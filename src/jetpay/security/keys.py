"""The key ring: every working key of the installation, open in memory and nowhere else."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg.types.json import Jsonb

from jetpay.base.clock import Clock, SystemClock
from jetpay.db.transactions import OpensTransactions, Transaction
from jetpay.security.canonical_json import canonical_json
from jetpay.security.derivation import WorkingKey, company_mac_key
from jetpay.security.encoding import INSTALLATION, b64url
from jetpay.security.key_rows import (
    INSERT_KEY,
    KEYS_OF_COMPANY,
    ROOT_USES,
    KeyRow,
    KeyState,
    Purpose,
)
from jetpay.security.rootkeys import KEY_BYTES, RootKey, named, wrap
from jetpay.security.seal_keys import MissingRootKey, SealKeys, UnknownKey, open_row

__all__ = [
    "KeyState",
    "Keyring",
    "MissingRootKey",
    "Purpose",
    "UnknownKey",
    "WorkingKey",
    "company_mac_key",
]

INSTALLATION_PURPOSES: Final = tuple(each for each in Purpose if each is not Purpose.SEAL)
SIGNING_PURPOSES: Final = frozenset(each for each in Purpose if each.endswith("-rs256"))
RSA_BITS: Final = 2048
REFRESH_EVERY_SECONDS: Final = 60.0
"""Every process reads the table again so often; the times in `rotation.py` rest on it."""

LEARN_AT_MOST_EVERY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Held:
    key: WorkingKey
    row: KeyRow


class Keyring:
    """The installation's working keys by purpose and number, and the companies' data keys."""

    def __init__(
        self,
        root_keys: Sequence[RootKey],
        *,
        clock: Clock,
        rsa_bits: int = RSA_BITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root_keys = tuple(root_keys)
        self.clock = clock
        self.rsa_bits = rsa_bits
        self.seal_keys = SealKeys(self.root_keys, clock, monotonic=monotonic)
        self._monotonic = monotonic
        self._held: Mapping[tuple[str, int], _Held] = {}
        self._active: Mapping[str, WorkingKey] = {}
        self._accepted: Mapping[str, tuple[WorkingKey, ...]] = {}
        self._destroyed: frozenset[tuple[str, int]] = frozenset()
        self._learned_at = -LEARN_AT_MOST_EVERY_SECONDS
        self.missed = asyncio.Event()
        """Set when a key was wanted that is unknown here: another process has rotated."""

    @classmethod
    async def load(
        cls,
        db: OpensTransactions | Transaction,
        root_keys: Sequence[RootKey],
        *,
        clock: Clock | None = None,
        rsa_bits: int = RSA_BITS,
    ) -> Self:
        """Opens every key that is there. Raises `MissingRootKey`, which ends the start."""
        for use in await ROOT_USES.all(db):
            if named(root_keys, use.root_fingerprint) is None:
                raise MissingRootKey(use.root_fingerprint)
        keyring = cls(root_keys, clock=clock or SystemClock(), rsa_bits=rsa_bits)
        await keyring.refresh(db)
        return keyring

    async def refresh(self, db: OpensTransactions | Transaction) -> None:
        """Takes over what other processes changed; to be called every minute."""
        self.missed.clear()
        rows = await KEYS_OF_COMPANY.all(db, company_id=INSTALLATION)
        held = {
            (row.purpose, row.number): _Held(open_row(self.root_keys, row), row)
            for row in rows
            if row.state is not KeyState.DESTROYED
        }
        self._destroyed = frozenset(
            (row.purpose, row.number) for row in rows if row.state is KeyState.DESTROYED
        )
        self._active = {
            each.key.purpose: each.key
            for each in held.values()
            if each.row.state is KeyState.ACTIVE
        }
        # The active key first: nearly everything was made with it.
        in_order = sorted(held.values(), key=lambda each: each.row.state is not KeyState.ACTIVE)
        self._accepted = {
            purpose: tuple(each.key for each in in_order if each.key.purpose == purpose)
            for purpose in INSTALLATION_PURPOSES
        }
        self._held = held

    async def learn(self, db: OpensTransactions, purpose: str, number: int) -> None:
        """Reads the table again, at most every 5 s, when the key is unknown here."""
        now = self._monotonic()
        is_lately = now - self._learned_at < LEARN_AT_MOST_EVERY_SECONDS
        if (purpose, number) in self._held or is_lately:
            return
        self._learned_at = now
        await self.refresh(db)

    async def ensure(self, db: OpensTransactions) -> None:
        """Makes the first key of every purpose that has none; any number of processes may."""
        missing = [each for each in INSTALLATION_PURPOSES if each not in self._active]
        for purpose in missing:
            await self.make(db, purpose, state=KeyState.ACTIVE, activates_at=self.clock.now())
        await self.refresh(db)

    def active(self, purpose: str) -> WorkingKey:
        """The key to make new things with. Raises `UnknownKey` before `ensure`."""
        key = self._active.get(purpose)
        if key is None:
            raise UnknownKey(f"There is no active {purpose} key.")
        return key

    def get(self, purpose: str, number: int) -> WorkingKey:
        """The key that something was made with. Raises `UnknownKey`."""
        held = self._held.get((purpose, number))
        if held is None:
            self.missed.set()
            raise UnknownKey(f"There is no {purpose} key number {number}.")
        return held.key

    def usable(self, purpose: str, number: int) -> WorkingKey | None:
        """As `get`, for numbers that strangers send."""
        held = self._held.get((purpose, number))
        return None if held is None else held.key

    def is_destroyed(self, purpose: str, number: int) -> bool:
        """Whether the key was there and will never be again."""
        return (purpose, number) in self._destroyed

    def accepted(self, purpose: str) -> tuple[WorkingKey, ...]:
        """Every key of the purpose that is not destroyed, the active one first."""
        return self._accepted.get(purpose, ())

    def published(self, purpose: str, *, at: datetime) -> list[dict[str, Any]]:
        """The public keys (JWK) that verifiers shall know now: next, active, lately retired."""
        return [
            held.row.public_jwk
            for held in self._held.values()
            if held.key.purpose == purpose
            and held.row.public_jwk is not None
            and (held.row.retires_at is None or held.row.retires_at > at)
        ]

    def key_id(self, purpose: str) -> str:
        """The `kid` of the active signing key (RFC 7638 thumbprint)."""
        public = self._held[purpose, self.active(purpose).number].row.public_jwk
        if public is None:
            raise UnknownKey(f"The {purpose} key has no public half.")
        return str(public["kid"])

    async def seal_key(self, tx: Transaction, company_id: UUID) -> WorkingKey:
        """The company's data key to seal with, made when first needed."""
        return await self.seal_keys.active(tx, company_id)

    async def seal_key_numbered(self, tx: Transaction, company_id: UUID, number: int) -> WorkingKey:
        """The company's data key that something was sealed with. Raises `UnknownKey`."""
        return await self.seal_keys.numbered(tx, company_id, number)

    async def make(
        self,
        db: OpensTransactions | Transaction,
        purpose: str,
        *,
        state: KeyState,
        activates_at: datetime,
    ) -> bool:
        """Inserts the next number of the purpose; False if somebody else just did."""
        rows = await KEYS_OF_COMPANY.all(db, company_id=INSTALLATION)
        number = 1 + max((row.number for row in rows if row.purpose == purpose), default=0)
        if purpose in SIGNING_PURPOSES:
            # A tenth of a second or more of pure computing.
            secret, public_jwk = await asyncio.to_thread(new_signing_key, self.rsa_bits)
        else:
            secret, public_jwk = os.urandom(KEY_BYTES), None
        root = self.root_keys[0]
        made = await INSERT_KEY.run(
            db,
            company_id=INSTALLATION,
            purpose=purpose,
            number=number,
            state=state,
            root_fingerprint=root.fingerprint,
            wrapped=wrap(root, INSTALLATION, purpose, number, secret),
            public_jwk=None if public_jwk is None else Jsonb(public_jwk),
            created_at=self.clock.now(),
            activates_at=activates_at,
        )
        return bool(made)


def new_signing_key(bits: int) -> tuple[bytes, dict[str, Any]]:
    """A private key (PKCS#8, DER) and its public half as a JWK with its thumbprint as `kid`."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    numbers = private.public_key().public_numbers()
    # RFC 7638, 3.2: exactly these members, in canonical JSON.
    required = {"e": _b64url_integer(numbers.e), "kty": "RSA", "n": _b64url_integer(numbers.n)}
    thumbprint = b64url(hashlib.sha256(canonical_json(required)).digest())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der, {**required, "alg": "RS256", "use": "sig", "kid": thumbprint}


def _b64url_integer(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
