"""The calls about credits: make, read, list, cancel, and what happens to their links."""

import asyncio
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jetpay.api.auth import Caller, Needs, authenticate, services_of
from jetpay.api.body import BULK_BYTES, check_length, check_type, parse, read_bytes, read_json
from jetpay.api.credits_given import (
    CreditGiven,
    LinkGiven,
    OkGiven,
    ResultsGiven,
    StatusGiven,
    TimelineGiven,
    TransactionGiven,
    TransactionsGiven,
)
from jetpay.api.credits_taken import (
    NDJSON,
    BulkTaken,
    CreditTaken,
    LinkTaken,
    asker_of,
    key_of,
    raw_lines,
    read_lines,
)
from jetpay.api.fields import (
    LIST_DEFAULT,
    After,
    ExternalId,
    IdempotencyKey,
    Identifier,
    Limit,
    Time,
)
from jetpay.api.frame import router
from jetpay.api.problems import problem
from jetpay.base.ids import ContactId, CreditId
from jetpay.base.refusals import Refusal
from jetpay.companies.model import Scope
from jetpay.companies.refusals import LacksScope
from jetpay.credits import actions, queries
from jetpay.credits.births import Asker, Born
from jetpay.credits.intake import CreditRequest
from jetpay.credits.model import State
from jetpay.security.links import make_link

LINK_PATH = "/payment/pay/"
JSON = "application/json"

calls = router("Transactions")
Writer = Annotated[Caller, Depends(Needs(Scope.CREDITS))]
Reader = Annotated[Caller, Depends(Needs(Scope.CREDITS_READ))]


# ------------------------------------------------------------------------------- making
async def put_credit(request: Request) -> Response:
    """`PUT /credit`, when `HotPath` did not take it."""
    asker = await asker_of(request)
    try:
        asked = parse(CreditTaken, await read_json(request)).request()
        key = key_of(request)
    except Refusal as refusal:
        raise await credit_refused(request, refusal) from None
    born = await born_of(request, asker, asked, key)
    return _json(answer_of(born, services_of(request).settings.public_url))


async def credit_refused(request: Request, refusal: Refusal) -> Refusal:
    """A dead token is said before anything that is wrong with the request: raises that."""
    await authenticate(request, Scope.CREDITS)
    return refusal


async def born_of(request: Request, asker: Asker, asked: CreditRequest, key: str | None) -> Born:
    """The credit; to pay into a saved account takes a scope more.

    What the shared statement does not make is asked for the token beforehand, or a dead one
    would learn what is there.
    """
    if asked.to_bank_account is not None:
        await _may_pay_accounts(request)
    elif asked.security_question is not None:
        await authenticate(request, Scope.CREDITS)
    return await services_of(request).births.one(asker, asked, key=key)


async def post_credits(request: Request) -> Response:
    """`POST /credits`: each line on its own; a bad one never stops a good one."""
    await authenticate(request, Scope.CREDITS)
    asker, services = await asker_of(request), services_of(request)
    check_length(request, BULK_BYTES)
    check_type(request, JSON, NDJSON)
    with services.births.bulk_call(asker.company_id):
        body = await read_bytes(request, BULK_BYTES)
        lines = await read_lines(await asyncio.to_thread(raw_lines, request, body), key_of(request))
        if any(line.request and line.request.to_bank_account for line in lines):
            await _may_pay_accounts(request)
        asked = [(line.request, line.key) for line in lines if line.request is not None]
        answers = iter(await services.births.many(asker, asked))
    url = services.settings.public_url
    results = [
        {"index": index} | _result(line.refusal or next(answers), url)
        for index, line in enumerate(lines)
    ]
    return _json({"results": results})


def _result(answer: Born | Refusal, public_url: str) -> dict[str, object]:
    if isinstance(answer, Refusal):
        return {"problem": problem(answer)}
    return answer_of(answer, public_url)


def answer_of(born: Born, public_url: str) -> dict[str, object]:
    """What the call answers for one credit."""
    link = born.link and f"{public_url}{LINK_PATH}{born.link}"
    return {"identifier": str(born.credit_id), "link": link, "amount": born.amount}


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type=JSON)


async def _may_pay_accounts(request: Request) -> None:
    caller = await authenticate(request, Scope.CREDITS)
    if not caller.has(Scope.BANK_ACCOUNTS):
        raise LacksScope(scope=Scope.BANK_ACCOUNTS.value)


put_credit_route = Route("/credit", put_credit, methods=["PUT"])
raw_routes = [
    put_credit_route,
    Route("/credits", post_credits, methods=["POST"]),
]
"""Stand in front of the declared operations: they read their own bodies."""


@calls.put("/credit", response_model=CreditGiven)
async def create_credit(caller: Writer, taken: CreditTaken, key: IdempotencyKey = None) -> None:
    """Make a credit. By link the payee gets `link`; with `to_bank_account` they do nothing."""
    raise AssertionError("the raw route stands in front of this")


@calls.post("/credits", response_model=ResultsGiven)
async def create_credits(caller: Writer, taken: BulkTaken, key: IdempotencyKey = None) -> None:
    """Make up to 10,000 credits. Not atomic: send the same keys again after a failure."""
    raise AssertionError("the raw route stands in front of this")


# ------------------------------------------------------------------------------ reading
@calls.get("/transaction/{identifier}/status")
async def transaction_status(
    request: Request, caller: Reader, identifier: Identifier
) -> StatusGiven:
    """Where the credit stands."""
    db = services_of(request).db
    found = await queries.status(db, caller.company_id, CreditId(identifier))
    return StatusGiven.model_validate(found)


@calls.get("/transaction/{identifier}")
async def get_transaction(
    request: Request, caller: Reader, identifier: Identifier
) -> TransactionGiven:
    """The credit with its whole story."""
    db, credit_id = services_of(request).db, CreditId(identifier)
    found = await queries.view(db, caller.company_id, credit_id)
    timeline = await queries.TIMELINE.all(db, company_id=caller.company_id, credit_id=credit_id)
    entries = [TimelineGiven.model_validate(entry) for entry in timeline]
    return _transaction(found, caller.at, timeline=entries)


@calls.get("/transaction")
async def list_transactions(
    request: Request,
    caller: Reader,
    state: State | None = None,
    contact_id: Identifier | None = None,
    external_id: ExternalId | None = None,
    created_after: Time | None = None,
    limit: Limit = LIST_DEFAULT,
    after: After = None,
) -> TransactionsGiven:
    """Credits, newest first."""
    filters = queries.Filters(
        state=state,
        contact_id=ContactId(contact_id) if contact_id else None,
        external_id=external_id,
        created_after=created_after,
    )
    found = await queries.newest(
        services_of(request).db,
        caller.company_id,
        filters,
        after=CreditId(after) if after else None,
        limit=limit + 1,
    )
    return TransactionsGiven.of(found, lambda each: _transaction(each, caller.at), limit=limit)


def _transaction(
    found: queries.CreditView, at: datetime, timeline: list[TimelineGiven] | None = None
) -> TransactionGiven:
    said = {name: getattr(found, name, None) for name in TransactionGiven.model_fields}
    said |= {"expected_on": found.expected_on(at), "timeline": timeline}
    return TransactionGiven.model_validate(said)


# ----------------------------------------------------------------------------- changing
@calls.delete("/transaction/{identifier}")
async def cancel_transaction(request: Request, caller: Writer, identifier: Identifier) -> OkGiven:
    """Take the credit back, while it is in no bank file."""
    services = services_of(request)
    await actions.cancel(
        services.db, caller.company_id, CreditId(identifier), by=caller.actor, at=caller.at
    )
    return OkGiven()


@calls.post("/transaction/{identifier}/link")
async def transaction_link(
    request: Request, caller: Writer, identifier: Identifier, taken: LinkTaken
) -> LinkGiven:
    """Show the link, make a new one, give a locked one its tries back, or let it live longer."""
    services, credit_id = services_of(request), CreditId(identifier)
    link = await actions.act_on_link(
        services.db,
        caller.company_id,
        credit_id,
        taken.action,
        expires_at=taken.expires_at,
        link_key_id=services.keyring.active("link").number,
        by=caller.actor,
        at=caller.at,
        now=services.clock.now(),
    )
    await services.keyring.learn(services.db, "link", link.link_key_id)
    key = services.keyring.get("link", link.link_key_id)
    token = make_link(key, caller.company_id, link.short_id, link.credit_id, link.link_version)
    url = f"{services.settings.public_url}{LINK_PATH}{token}"
    return LinkGiven(link=url, expires_at=link.expires_at)
