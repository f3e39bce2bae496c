"""Whatever a company sends to a declared call, the answer is one that the OpenAPI file declares."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from requests import Request
from requests.exceptions import InvalidHeader
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jetpay.webhooks.actions import register
from jetpay.webhooks.model import NewWebhook
from tests.api.conftest import BASE_URL, Connect
from tests.stage import Stage
from tests.world import Company

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ANSWER_SECONDS = 120
FITTING = {
    "statement": "Lamp",
    "expires_at": None,
    "security_question": None,
    "security_answer": None,
    "external_id": None,
    "email": "ana@example.com",
    "name": "Ana",
    "holder_name": "Ana",
    "institution_number": "003",
    "transit_number": "00002",
    "account_number": "1000001",
    "routing_number": None,
    "iban": None,
    "callback_url": "http://127.0.0.1:4711/hook",
    "callback_api_key": None,
    "audience": None,
    "reason": "account_closed",
}
"""For fields whose text must mean something: or nothing but refusals would be tried."""
GRANT = "update company set allowed_networks = '{127.0.0.1/32}' where company_id = %s"
NEEDED = {"/contact/bank_account": ("institution_number", "transit_number", "account_number")}
"""Fields that a call cannot do without although each of them is optional."""
load_all_checks()

Things = dict[str, str]
Sent = Case[Any]
Send = Callable[[Sent], httpx.Response]


@pytest.fixture
async def things(company: Company, tmp_path: Path) -> Things:
    """What calls can be about, by the first part of their path or by the name of a field."""
    stage = Stage.of(company, tmp_path)
    credit = await stage.accepted()
    await stage.advance(1)
    [file] = await stage.files()
    services, account = company.services, await company.contact_account()
    webhook = await register(
        services.db,
        company.company_id,
        NewWebhook(callback_url="https://example.com/hook"),
        vault=services.vault,
        now=services.clock.now(),
    )
    async with services.db.connection() as connection:
        await connection.execute(GRANT, [company.company_id])
    found = {
        "contact": company.contact,
        "bank_account": account,
        "transaction": credit,
        "webhooks": webhook.webhook_id,
        "bank_files": file.bank_file_id,
        "sandbox": credit,
        "contact_id": company.contact,
        "from_bank_account": company.bank_account,
        "to_bank_account": account,
    }
    return {name: str(identifier) for name, identifier in found.items()}


def fitting(value: Any, things: Things, kind: str) -> Any:
    """The same with identifiers that exist and texts that fit, where it has any."""
    if isinstance(value, list):
        return [fitting(each, things, kind) for each in value]
    if not isinstance(value, dict):
        return value
    known = {**FITTING, **things, "identifier": things.get(kind)}
    return {
        name: known[name] if name in known and item else fitting(item, things, kind)
        for name, item in value.items()
    }


@pytest.fixture
async def send(company: Company, connect: Connect) -> AsyncIterator[Send]:
    """Sends a case with a valid token, from another thread than the application's."""
    loop = asyncio.get_running_loop()
    async with connect(company.token) as client:

        def send_case(case: Sent) -> httpx.Response:
            if str(case.query.get("wait_seconds")).isdigit():
                case.query["wait_seconds"] = 0  # there may be nothing to wait for
            try:
                asked = Request(**case.as_transport_kwargs(base_url=BASE_URL)).prepare()
            except InvalidHeader:
                reject()
            assert asked.body is None or isinstance(asked.body, str | bytes)
            request = client.build_request(str(asked.method), str(asked.url), content=asked.body)
            request.headers.update({name: as_text(each) for name, each in asked.headers.items()})
            request.headers["Authorization"] = f"Bearer {company.token}"
            answer = asyncio.run_coroutine_threadsafe(client.send(request), loop)
            return answer.result(ANSWER_SECONDS)

        yield send_case


def as_text(header: str | bytes) -> str:
    return header if isinstance(header, str) else header.decode("latin-1")


def fuzz(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    send: Send,
    things: Things,
    examples: int,
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode), fits=st.booleans())
    def run(case: Sent, fits: bool) -> None:
        if fits:
            kind = case.path.split("/")[1]
            case.path_parameters = fitting(case.path_parameters, things, kind)
            case.body = fitting(case.body, things, kind)
            if isinstance(case.body, dict):
                case.body |= {name: FITTING[name] for name in NEEDED.get(case.path, ())}
        case.validate_response(send(case), checks=CHECKS)

    run()


async def faults(
    document: dict[str, Any], send: Send, things: Things, examples: int
) -> dict[str, str]:
    found = {}
    schema = schemathesis.openapi.from_dict(document)
    read = list(schema.get_all_operations())
    operations = [each.ok() for each in read if isinstance(each, Ok)]
    assert len(operations) == len(read)
    # What takes something away comes last.
    for operation in sorted(operations, key=lambda each: each.method == "delete"):
        takes_anything = operation.definition.raw.keys() & {"parameters", "requestBody"}
        for mode in GenerationMode if takes_anything else [GenerationMode.POSITIVE]:
            try:
                await asyncio.to_thread(fuzz, operation, mode, send, things, examples)
            except FailureGroup as group:
                said = [f"{each.title}: {each.message}" for each in group.exceptions]
                said += getattr(group, "__notes__", [])  # the request
                found[f"{operation.label} {mode.value}"] = "\n".join(said)
    return found


@pytest.fixture
async def document(stranger: httpx.AsyncClient) -> dict[str, Any]:
    published: dict[str, Any] = (await stranger.get("/openapi.json")).json()
    return published


@pytest.mark.slow
async def test_no_request_is_answered_otherwise_than_declared(
    document: dict[str, Any], send: Send, things: Things
) -> None:
    assert await faults(document, send, things, examples=15) == {}


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
async def test_none_of_many_requests_is_answered_otherwise_than_declared(
    document: dict[str, Any], send: Send, things: Things
) -> None:
    assert await faults(document, send, things, examples=500) == {}
