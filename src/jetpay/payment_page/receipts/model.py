"""What a receipt says, the token that proves it, and the square that holds the token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, Self
from uuid import UUID

import segno

from jetpay.base.clock import iso
from jetpay.base.ids import CompanyId, CreditId, uuid7
from jetpay.credits.model import State
from jetpay.credits.page_queries import PageAttempt, PageCredit
from jetpay.security.keys import Keyring, Purpose
from jetpay.security.signing import read_receipt, receipt_token, signing_key

CONFIRMED: Final = frozenset({State.PROCESSING, State.COMPLETED})
"""There is a receipt of what is complete, and a confirmation of what the bank has."""
PATH: Final = "/receipt/"
TOKEN_LENGTH: Final = 4_000
QUIET_ZONE: Final = 4
"""Modules of white around the square, as its standard asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is true of a payment at `issued_at`, real time; the others are the company's time.

    `completed_at`: None as long as the bank has it.
    """

    company_id: CompanyId
    company: str
    credit_id: CreditId
    amount: int
    currency: str
    statement: str
    state: State
    account_last3: str
    reference: str
    accepted_at: datetime
    completed_at: datetime | None
    sandbox: bool
    issued_at: datetime

    def claims(self) -> dict[str, Any]:
        """What the token says besides who signed it and when."""
        completed = None if self.completed_at is None else iso(self.completed_at)
        said = {
            "company": str(self.company_id),
            "company_name": self.company,
            "credit": str(self.credit_id),
            "amount": self.amount,
            "currency": self.currency,
            "statement": self.statement,
            "state": self.state.value,
            "account_last3": self.account_last3,
            "reference": self.reference,
            "accepted_at": iso(self.accepted_at),
        }
        more = {"completed_at": completed} if completed else {}
        return said | more | ({"sandbox": True} if self.sandbox else {})

    @classmethod
    def of_claims(cls, claims: Mapping[str, Any]) -> Self:
        """The receipt of a token that we have signed."""
        completed = claims.get("completed_at")
        return cls(
            company_id=CompanyId(UUID(claims["company"])),
            company=claims["company_name"],
            credit_id=CreditId(UUID(claims["credit"])),
            amount=claims["amount"],
            currency=claims["currency"],
            statement=claims["statement"],
            state=State(claims["state"]),
            account_last3=claims["account_last3"],
            reference=claims["reference"],
            accepted_at=datetime.fromisoformat(claims["accepted_at"]),
            completed_at=datetime.fromisoformat(completed) if completed else None,
            sandbox=claims.get("sandbox", False),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        )


def receipt_of(credit: PageCredit, attempt: PageAttempt | None, *, now: datetime) -> Receipt | None:
    """The receipt or confirmation that there is at `now`, real time, if there is one."""
    if credit.state not in CONFIRMED or credit.is_erased or attempt is None:
        return None
    is_complete = credit.state is State.COMPLETED
    return Receipt(
        company_id=credit.company_id,
        company=credit.company_name,
        credit_id=credit.credit_id,
        amount=credit.amount,
        currency=credit.currency,
        statement=credit.statement,
        state=credit.state,
        account_last3=attempt.last3,
        reference=attempt.reference,
        accepted_at=attempt.accepted_at,
        completed_at=attempt.completed_at if is_complete else None,
        sandbox=credit.sandbox,
        issued_at=now,
    )


def signed_path(keyring: Keyring, receipt: Receipt) -> str:
    """Where anybody can check the receipt: the address ends with its token."""
    token = receipt_token(
        signing_key(keyring, Purpose.RECEIPT_RS256),
        receipt.claims(),
        token_id=uuid7(receipt.issued_at),
        at=receipt.issued_at,
    )
    return PATH + token


def checked(keyring: Keyring, token: str, *, now: datetime) -> Receipt | None:
    """The receipt of a genuine token; None of any other text."""
    if len(token) > TOKEN_LENGTH:
        return None
    claims = read_receipt(token, keyring.published(Purpose.RECEIPT_RS256, at=now))
    return None if claims is None else Receipt.of_claims(claims)


@dataclass(frozen=True, slots=True)
class Square:
    """A QR code for a page: a line per run of dark modules, in a square of `side` modules."""

    path: str
    side: int


def code_of(text: str) -> segno.QRCode:
    """The least dense code for it: a camera reads it from a screen, or from paper that is whole.

    Comparing masks takes most of the time and helps plain patterns; a token looks random anyway.
    """
    return segno.make_qr(text, error="l", boost_error=False, mask=0)


def square_of(text: str) -> Square:
    """The code as a path without any style, for inline SVG."""
    matrix = code_of(text).matrix
    path, (x, y) = [], (0, 0)
    for row, modules in enumerate(matrix, QUIET_ZONE):
        column = QUIET_ZONE
        for is_dark, run in groupby(modules):
            length = len(list(run))
            if is_dark:
                path.append(f"m{column - x} {row - y}h{length}")
                x, y = column + length, row
            column += length
    return Square("".join(path), len(matrix) + 2 * QUIET_ZONE)
