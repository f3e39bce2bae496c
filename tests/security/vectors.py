"""What the test vectors of the security design have in common."""

from uuid import UUID

from jetpay.security.derivation import WorkingKey
from jetpay.security.secrets import Secret

KEY_BYTES = bytes(range(32))
COMPANY = UUID("01980000-0000-7000-8000-000000000001")
OTHER_COMPANY = UUID("01980000-0000-7000-8000-000000000002")
CREDIT = UUID("01980000-0000-7000-8000-0000000000aa")
ROW = UUID("01980000-0000-7000-8000-0000000000bb")
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def working_key(purpose: str, number: int = 1, secret: bytes = KEY_BYTES) -> WorkingKey:
    return WorkingKey(purpose, number, Secret(secret))


def flipped(data: bytes, position: int, bits: int = 1) -> bytes:
    """The bytes with some bits of one byte turned."""
    changed = bytearray(data)
    changed[position] ^= bits
    return bytes(changed)
