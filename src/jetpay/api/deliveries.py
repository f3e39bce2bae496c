"""The calls about what is sent to a webhook: attempts, a test, a replay."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends
from pydantic import Field
from starlette.requests import Request

from jetpay.api.auth import Caller, Needs, services_of
from jetpay.api.fields import LIST_DEFAULT, After, Identifier, Limit, Page, Shown, Taken, Time
from jetpay.api.frame import router
from jetpay.base.ids import WebhookId
from jetpay.companies.model import Scope
from jetpay.webhooks import attempts, replays, testing
from jetpay.webhooks.model import Attempt, Kind, Start
from jetpay.webhooks.refusals import no_start

HIGHEST_ID: Final = 2**62

calls = router("Webhooks")
Writer = Annotated[Caller, Depends(Needs(Scope.WEBHOOKS))]
EventId = Annotated[int, Field(ge=1, le=HIGHEST_ID)]


class AttemptGiven(Shown):
    """One call of the callback URL. `identifier` is the token's `jti`, `batch_id` `webhook-id`.

    A test has no events. `error` says in words what the status does not. `answer` is what came
    back, at most 2 kB of it; nothing is kept of an answer from a network that is not public.
    """

    identifier: UUID
    kind: Kind
    batch_id: UUID
    first_event_id: int | None
    last_event_id: int | None
    at: Time
    duration_ms: int
    status: int | None
    error: str | None
    answer: str


class AttemptsGiven(Page[AttemptGiven]):
    """A page of attempts, the latest first."""


class ReplayTaken(Taken):
    """Where to begin: exactly one of the two."""

    from_event_id: EventId | None = None
    from_timestamp: Time | None = None


class ReplayGiven(Shown):
    """The events that are sent again; `sent_through` of them have been."""

    first_event_id: int
    last_event_id: int
    sent_through: int


@calls.get("/webhooks/{identifier}/attempts")
async def list_webhook_attempts(
    request: Request,
    caller: Writer,
    identifier: Identifier,
    limit: Limit = LIST_DEFAULT,
    after: After = None,
) -> AttemptsGiven:
    """What was sent when and how it was answered, the latest first; kept for 30 days."""
    services = services_of(request)
    found = await attempts.attempts(
        services.db,
        caller.company_id,
        WebhookId(identifier),
        after=after,
        limit=limit + 1,
        vault=services.vault,
    )
    return AttemptsGiven.of(found, _attempt, limit=limit)


@calls.post("/webhooks/{identifier}/test")
async def test_webhook(request: Request, caller: Writer, identifier: Identifier) -> AttemptGiven:
    """Send a `webhooks.test` now and tell what came of it, whatever else waits or has failed."""
    made = await testing.test(
        services_of(request), caller.company_id, WebhookId(identifier), created_at=caller.at
    )
    return _attempt(made)


@calls.post("/webhooks/{identifier}/replay")
async def replay_webhook(
    request: Request, caller: Writer, identifier: Identifier, taken: ReplayTaken
) -> ReplayGiven:
    """Send the events from there to the last one sent once more, beside the new ones."""
    services = services_of(request)
    start = Start(taken.from_event_id, taken.from_timestamp, prefix="from")
    if not start.is_given:
        raise no_start(start)
    begun = await replays.replay(
        services.db,
        caller.company_id,
        WebhookId(identifier),
        start,
        now=services.clock.now(),
    )
    services.wake.announce([caller.company_id])
    return ReplayGiven(
        first_event_id=begun.first_event_id,
        last_event_id=begun.last_event_id,
        sent_through=begun.sent_through,
    )


def _attempt(attempt: Attempt) -> AttemptGiven:
    return AttemptGiven(
        identifier=attempt.attempt_id,
        kind=attempt.kind,
        batch_id=attempt.batch_id,
        first_event_id=attempt.first_event_id,
        last_event_id=attempt.last_event_id,
        at=attempt.at,
        duration_ms=attempt.duration_ms,
        status=attempt.status,
        error=attempt.error,
        answer=attempt.answer,
    )
