"""Identifiers: UUIDs of version 7, and one type for each thing that is identified by one."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import NewType
from uuid import UUID

CompanyId = NewType("CompanyId", UUID)
ContactId = NewType("ContactId", UUID)
BankAccountId = NewType("BankAccountId", UUID)
CreditId = NewType("CreditId", UUID)
TokenId = NewType("TokenId", UUID)
MemberId = NewType("MemberId", UUID)
QuestionId = NewType("QuestionId", UUID)
BankFileId = NewType("BankFileId", UUID)
WebhookId = NewType("WebhookId", UUID)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MILLISECONDS_LIMIT = 1 << 48
_RANDOM_A_BITS = (1 << 12) - 1
_RANDOM_B_BITS = (1 << 62) - 1
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7(at: datetime | None = None) -> UUID:
    """48 bits of milliseconds, then 74 random bits (RFC 9562, 5.7); now, unless `at` is given.

    Two of the same millisecond are in no order. Raises `ValueError` for a time before 1970 and
    `TypeError` for a time without a zone.
    """
    if at is None:
        milliseconds = time.time_ns() // 1_000_000
    else:
        milliseconds = (at - _EPOCH) // _MILLISECOND
        if not 0 <= milliseconds < _MILLISECONDS_LIMIT:
            message = "a UUID of version 7 holds times from 1970 on"
            raise ValueError(message)
    random = int.from_bytes(os.urandom(10), "big")
    return UUID(
        int=milliseconds << 80
        | _VERSION
        | (random >> 62 & _RANDOM_A_BITS) << 64
        | _VARIANT
        | random & _RANDOM_B_BITS
    )


def lowest_id(identifier: UUID, by: timedelta) -> UUID:
    """Lower than all that are made `by` after this one (before it, if negative) and later."""
    milliseconds = (identifier.int >> 80) + by // _MILLISECOND
    return UUID(int=min(max(milliseconds, 0), _MILLISECONDS_LIMIT - 1) << 80)
