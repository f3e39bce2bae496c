"""What the calls about credits take: their bodies, strictly typed, and their lines."""

import asyncio
from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, Field, model_validator
from starlette.requests import Request

from jetpay.api.auth import bearer_token, services_of
from jetpay.api.body import field_name, parse, parse_json
from jetpay.api.fields import (
    ExternalId,
    GuideTaken,
    Identifier,
    Metadata,
    SecretText,
    Taken,
    Text,
    Time,
    checked_key,
    refused,
)
from jetpay.base.money import MAX_AMOUNT_MINOR
from jetpay.base.refusals import FieldError, Invalid, Malformed, Refusal, Unauthorized
from jetpay.base.text import NOTE_LENGTH, STATEMENT_LENGTH
from jetpay.companies.questions import QUESTION_LENGTH
from jetpay.credits.actions import LinkAction
from jetpay.credits.births import Asker
from jetpay.credits.intake import CreditRequest
from jetpay.credits.refusals import IdempotencyKeyRequired
from jetpay.rails.rail import fold_to_ascii
from jetpay.security.proxies import client_address

REPAIRS_MAXIMUM: Final = 20
LINES_MAXIMUM: Final = 10_000
NDJSON: Final = "application/x-ndjson"
LINE_BYTES: Final = 16 * 1024
PARSED_AT_ONCE: Final = 500
"""Lines parsed before others of the process get their turn."""


def _folds_to_something(statement: str) -> str:
    if not statement.isascii() and not fold_to_ascii(statement):
        raise refused("cannot_be_written", "No bank file can hold any character of this text.")
    return statement


class CreditTaken(GuideTaken):
    """A credit to be made; amounts in minor units of the bank account's currency."""

    amount: Annotated[
        int,
        Field(ge=1, le=MAX_AMOUNT_MINOR, examples=[10000], description="10000 is 100.00."),
    ]
    statement: Annotated[
        Text(minimum=1, maximum=STATEMENT_LENGTH),  # type: ignore[valid-type]
        AfterValidator(_folds_to_something),
        Field(description="What the payee reads on the page and on their bank statement."),
    ]
    note: Text(maximum=NOTE_LENGTH, multiline=True) | None = Field(  # type: ignore[valid-type]
        None, description="For yourself; the payee never sees it."
    )
    from_bank_account: Identifier = Field(description="The company's account that pays.")
    contact_id: Identifier = Field(description="Who is paid.")
    to_bank_account: Identifier | None = Field(
        None, description="An account of the contact to pay into. Without it they get a link."
    )
    expires_at: Time | None = Field(
        None, description="Until when the link can be accepted: from 15 minutes to 365 days from "
        "now, 30 days if nothing is said.",
    )  # fmt: skip
    security_question: Text(minimum=3, maximum=QUESTION_LENGTH) | None = Field(  # type: ignore[valid-type]
        None, description="What this payee is asked instead of the contact's or company's question."
    )
    security_answer: SecretText | None = Field(
        None, description="Its answer; capitals and accents make no difference."
    )
    external_id: ExternalId | None = Field(
        None, description="Your own name of the credit; each can be given once."
    )
    metadata: Metadata | None = Field(
        None, description="Up to 20 texts by name, for yourself; they come back as they were sent."
    )
    repairs: Annotated[int, Field(ge=0, le=REPAIRS_MAXIMUM)] | None = Field(
        None, description="How often the payee may give other details after the bank returned "
        "the payment; 3 times if nothing is said.",
    )  # fmt: skip
    notify: bool | None = Field(
        None, description="Whether to mail the payee the link, reminders, and what becomes of the "
        "payment. 422 for a live company where there is no mail server.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _goes_together(self) -> "CreditTaken":
        if (self.security_question is None) != (self.security_answer is None):
            raise refused("incomplete", "A question and its answer go together.")
        if self.to_bank_account is not None and self.security_question is not None:
            raise refused("not_both", "With to_bank_account nobody is asked a question.")
        return self

    def request(self) -> CreditRequest:
        """As the births of credits take it."""
        return CreditRequest(*_ASKED(self))


_ASKED: Final = attrgetter(*CreditRequest._fields)


class LineTaken(CreditTaken):
    """A line of `POST /credits`."""

    idempotency_key: str | None = Field(
        None, description="The line's own key; without it the Idempotency-Key header, `#` and the "
        "line's index from 0.",
    )  # fmt: skip


class BulkTaken(Taken):
    """The JSON form of `POST /credits`; as `application/x-ndjson` a credit per line instead."""

    credits: Annotated[list[LineTaken], Field(min_length=1, max_length=LINES_MAXIMUM)]


class LinkTaken(Taken):
    """What shall happen to a credit's link; `expires_at` with `extend`."""

    action: Annotated[
        LinkAction,
        Field(
            strict=False,
            description="show tells the link, reissue makes a new one in its place, unlock gives "
            "a locked one its tries back, extend lets it live until expires_at.",
        ),
    ]
    expires_at: Time | None = None

    @model_validator(mode="after")
    def _extends_until(self) -> "LinkTaken":
        if (self.action is LinkAction.EXTEND) != (self.expires_at is not None):
            raise refused("incomplete", "extend needs expires_at, and nothing else takes it.")
        return self


class Line(NamedTuple):
    """A line that was read: a request with its key, or why it is none."""

    request: CreditRequest | None
    key: str
    refusal: Refusal | None = None


async def asker_of(request: Request) -> Asker:
    """Whose token it is. Whether it is alive says the statement that acts."""
    services = services_of(request)
    digest = bearer_token(request)
    identity = None if digest is None else await services.identities.of(digest)
    if digest is None or identity is None:
        raise Unauthorized
    return Asker(
        company_id=identity.company_id,
        token_id=identity.token_id,
        short_id=identity.short_id,
        digest=digest,
        client=client_address(request.scope, services.settings.trusted_proxies),
    )


def key_of(request: Request) -> str | None:
    """The Idempotency-Key. Raises `Invalid`."""
    return checked_key(request.headers.get("idempotency-key"))


def raw_lines(request: Request, body: bytes) -> Sequence[Any]:
    """The lines of the body, each parsed JSON, or for NDJSON the bytes of a line."""
    if request.headers["content-type"].partition(";")[0].strip().lower() == NDJSON:
        lines: Sequence[Any] = [line for line in body.split(b"\n") if line.strip()]
    else:
        value = parse_json(body)
        if not isinstance(value, dict) or not isinstance(value.get("credits"), list):
            raise Invalid([FieldError("credits", "required", "This must be a list of credits.")])
        for name in value.keys() - {"credits"}:
            unknown = FieldError(
                field_name([name]), "unknown_field", "This call has no such field."
            )
            raise Invalid([unknown])
        lines = value["credits"]
    if not 1 <= len(lines) <= LINES_MAXIMUM:
        message = f"Send 1 to {LINES_MAXIMUM} credits at once."
        raise Invalid([FieldError("credits", "out_of_range", message)])
    return lines


async def read_lines(raw: Sequence[Any], header_key: str | None) -> list[Line]:
    """Each line on its own. Raises `IdempotencyKeyRequired` when one has no key at all."""
    lines: list[Line] = []
    for index, value in enumerate(raw):
        lines.append(_line(value, header_key and f"{header_key}#{index}"))
        if index % PARSED_AT_ONCE == PARSED_AT_ONCE - 1:
            await asyncio.sleep(0)
    return lines


def _line(value: object, header_key: str | None) -> Line:
    try:
        if isinstance(value, bytes):
            if len(value) > LINE_BYTES:
                raise Malformed
            value = parse_json(value)
        taken = parse(LineTaken, value)
        key = checked_key(taken.idempotency_key, "idempotency_key") or header_key
        line = Line(taken.request(), key or "")
    except Refusal as refusal:
        return Line(None, "", refusal)
    if not key:
        raise IdempotencyKeyRequired
    return line
