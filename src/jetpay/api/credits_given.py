"""What the calls about credits answer."""

from datetime import date
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from jetpay.api.fields import Identifier, Page, Shown, Time


class CreditGiven(Shown):
    """A credit that was made, or was there already under the same key."""

    identifier: Identifier
    link: str | None
    amount: int


class StatusGiven(Shown):
    """Where a credit stands; the reasons only in `failed` and `action_required`."""

    state: str
    fail_reason: str | None
    fail_direction: str | None


class OkGiven(Shown):
    """It is done."""

    ok: bool = True


class LinkGiven(Shown):
    """The live link."""

    link: str
    expires_at: Time | None


class ResultGiven(Shown):
    """The answer to one line: a credit, or the problem that kept it from being made."""

    index: int
    identifier: Identifier | None = None
    link: str | None = None
    amount: int | None = None
    problem: dict[str, Any] | None = None


class ResultsGiven(Shown):
    """One for each line, in order."""

    results: list[ResultGiven]


class TimelineGiven(Shown):
    """One event of the credit's history."""

    model_config = ConfigDict(populate_by_name=True)

    at: Time
    event_id: int
    type: str
    from_state: Annotated[str | None, Field(alias="from")]
    to_state: Annotated[str | None, Field(alias="to")]
    by: str
    because: str | None


class TransactionGiven(Shown):
    """A credit with its whole story; never its link."""

    identifier: Identifier
    state: str
    waiting_for: str | None
    amount: int
    currency: str
    statement: str
    statement_as_sent: str
    note: str | None
    external_id: str | None
    metadata: dict[str, str] | None
    contact_id: Identifier
    from_bank_account: Identifier
    to_bank_account: Identifier | None
    expires_at: Time | None
    attempt: int
    repairs_left: int
    fail_reason: str | None
    fail_direction: str | None
    cancel_reason: str | None
    decline_reason: str | None
    possible_duplicate_of: Identifier | None
    expected_on: date | None
    created_at: Time
    accepted_at: Time | None
    filed_at: Time | None
    completed_at: Time | None
    returned_at: Time | None
    bank_file: Identifier | None
    reference: str | None
    gate: str | None
    timeline: list[TimelineGiven] | None = None


class TransactionsGiven(Page[TransactionGiven]):
    """A page of credits, newest first, without their timelines."""
