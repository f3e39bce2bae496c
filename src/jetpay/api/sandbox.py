"""The calls of the sandbox: turn the clock, let the bank return a payment."""

from typing import Annotated

from fastapi import Depends
from pydantic import Field
from starlette.requests import Request

from jetpay.api.auth import Caller, Needs, services_of
from jetpay.api.fields import Identifier, Shown, Taken, Text, Time
from jetpay.api.frame import router
from jetpay.api.problems import refuses
from jetpay.bank_files.refusals import NotAtTheBank
from jetpay.base.ids import CreditId
from jetpay.base.refusals import FieldError, Forbidden, Invalid, NotFound
from jetpay.companies.model import Scope
from jetpay.sandbox.clock import DAYS_MAXIMUM
from jetpay.worker import advance as clock

REASON_LENGTH = 40

calls = router("Sandbox")
Tester = Annotated[Caller, Depends(Needs(Scope.SANDBOX))]
Reason = Text(minimum=1, maximum=REASON_LENGTH)


class AdvanceTaken(Taken):
    """How far to turn the clock."""

    days: Annotated[int, Field(ge=0, le=DAYS_MAXIMUM)]


class ReturnTaken(Taken):
    """`reason`: a fail reason, or a return code of any rail."""

    identifier: Identifier
    reason: Reason  # type: ignore[valid-type]


class AdvancedGiven(Shown):
    """The company's time, and the events this made: the first is null when there were none."""

    now: Time
    first_event_id: int | None
    last_event_id: int


@calls.post("/sandbox/advance")
async def advance_clock(request: Request, caller: Tester, taken: AdvanceTaken) -> AdvancedGiven:
    """Turn the company's clock; answers when all that is due by then is done."""
    _check_sandbox(caller)
    done = await clock.advance(services_of(request), caller.company_id, taken.days)
    return AdvancedGiven.model_validate(done)


@calls.post("/sandbox/return", responses=refuses(NotAtTheBank))
async def return_payment(request: Request, caller: Tester, taken: ReturnTaken) -> AdvancedGiven:
    """Let the bank return a payment that is processing or completed."""
    _check_sandbox(caller)
    credit = CreditId(taken.identifier)
    try:
        done = await clock.return_now(
            services_of(request), caller.company_id, credit, reason=taken.reason
        )
    except NotFound:
        message = "There is no credit with this identifier."
        raise Invalid([FieldError("identifier", NotFound.code, message)]) from None
    return AdvancedGiven.model_validate(done)


def _check_sandbox(caller: Caller) -> None:
    if not caller.sandbox:
        raise Forbidden
