"""Account numbers by which a test chooses what the simulated bank answers (docs/rails/sandbox.md).

9000000 to 9009999 are reserved; those without a meaning are paid like every other number.
"""

from dataclasses import dataclass
from enum import StrEnum

from jetpay.rails.fail_reasons import FAIL_REASONS, FailReason

FIRST, LAST = 9_000_000, 9_009_999
_DIGITS = len(str(FIRST))
_STEP = 100
"""A block of numbers for each way in which a reason can come."""


class Ending(StrEnum):
    """What the simulated bank does with a payment."""

    PAID = "paid"
    REJECTED = "rejected"
    RETURNED = "returned"
    RETURNED_LATE = "returned_late"
    FILE_REFUSED = "file_refused"
    FILE_SLOW = "file_slow"
    FILE_UNANSWERED = "file_unanswered"
    RETURNED_TWICE = "returned_twice"
    CONTRADICTED = "contradicted"
    CONFIRMED = "confirmed"
    WRONG_AMOUNT = "wrong_amount"


@dataclass(frozen=True, slots=True)
class Magic:
    """`reason`: for those that come back."""

    ending: Ending
    reason: FailReason | None = None


_ACCOUNT_CLOSED = FAIL_REASONS["account_closed"]
_REASONS = tuple(FAIL_REASONS.values())
_BLOCKS = (Ending.REJECTED, Ending.RETURNED, Ending.RETURNED_LATE)

MAGIC: dict[int, Magic] = {
    FIRST + block * _STEP + place: Magic(ending, reason)
    for block, ending in enumerate(_BLOCKS)
    for place, reason in enumerate(_REASONS, 1)
} | {
    FIRST + 901: Magic(Ending.FILE_REFUSED, FAIL_REASONS["rejected_by_bank"]),
    FIRST + 902: Magic(Ending.FILE_SLOW),
    FIRST + 903: Magic(Ending.FILE_UNANSWERED),
    FIRST + 904: Magic(Ending.RETURNED_TWICE, _ACCOUNT_CLOSED),
    FIRST + 905: Magic(Ending.CONTRADICTED, _ACCOUNT_CLOSED),
    FIRST + 906: Magic(Ending.CONFIRMED),
    FIRST + 907: Magic(Ending.WRONG_AMOUNT, _ACCOUNT_CLOSED),
}
PAID = Magic(Ending.PAID)


def magic_of(account: str) -> Magic:
    """What the bank does with a payment to this account: of an IBAN the last digits choose."""
    number = account[-_DIGITS:] if account[:2].isalpha() else account
    return MAGIC.get(int(number), PAID) if number.isdigit() else PAID
