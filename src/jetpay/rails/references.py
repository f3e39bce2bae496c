"""The bank reference of a payment attempt: twelve characters that survive every rail."""

import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH = 12
_MODULUS = len(ALPHABET)
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def check_character(body: str) -> str:
    """ISO 7064 MOD 37,36: finds every single wrong character and every swap of neighbours."""
    remainder = _MODULUS
    for character in body:
        remainder = (remainder + _VALUES[character]) % _MODULUS or _MODULUS
        remainder = remainder * 2 % (_MODULUS + 1)
    return ALPHABET[(_MODULUS + 1 - remainder) % _MODULUS]


def make_reference() -> str:
    """A random reference (57 bits); the database refuses the one that repeats."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
    return body + check_character(body)
