"""Pulling events: the same ones that webhooks get, by number, waiting for the next if wished."""

import time
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Response
from starlette.requests import Request

from jetpay.api.auth import Caller, Needs, services_of
from jetpay.api.fields import LIST_MAXIMUM, Shown
from jetpay.api.frame import router
from jetpay.companies.model import Scope
from jetpay.events.payload import payload
from jetpay.events.queries import DEFAULT_LIMIT, events_after

WAIT_MAXIMUM: Final = 30
HIGHEST_ID: Final = 2**63 - 1
COMPANY_HEADER: Final = "X-Jetpay-Company"
"""In each answer: whose events these are, as `company` is in the token of a webhook."""

calls = router("Events")
Reader = Annotated[Caller, Depends(Needs(Scope.EVENTS_READ))]


class EventGiven(Shown):
    """An event; `data` depends on the type, as docs/events.md lists."""

    id: int
    createdAt: str  # noqa: N815 - the wire's name
    type: str
    data: dict[str, Any]


class EventsGiven(Shown):
    """Ascending by `id`, without a gap."""

    events: list[EventGiven]


@calls.get("/events")
async def list_events(
    request: Request,
    response: Response,
    caller: Reader,
    after: Annotated[int, Query(ge=0, le=HIGHEST_ID, description="The last id you have.")] = 0,
    limit: Annotated[int, Query(ge=1, le=LIST_MAXIMUM)] = DEFAULT_LIMIT,
    wait_seconds: Annotated[
        int, Query(ge=0, le=WAIT_MAXIMUM, description="How long to wait when there is none yet.")
    ] = 0,
) -> EventsGiven:
    """The events after `after`. With `wait_seconds` the answer comes with the next event."""
    services = services_of(request)
    response.headers[COMPANY_HEADER] = str(caller.company_id)
    until = time.monotonic() + wait_seconds
    found = await events_after(services.db, caller.company_id, after, limit=limit)
    if not found and (left := until - time.monotonic()) > 0:
        await services.wake.wait_past(caller.company_id, after, left)
        found = await events_after(services.db, caller.company_id, after, limit=limit)
    return EventsGiven(events=[EventGiven.model_validate(payload(each)) for each in found])
