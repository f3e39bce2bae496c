"""Around every answer: host, headers, HEAD, request id, defects without detail, the log line."""

import io
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from jetpay import __version__
from jetpay.api.frame import HEADERS, AccessLog, Frame, frame
from jetpay.settings import Settings

SEED = "4711-seed"


async def broken(_: Request) -> Response:
    raise RuntimeError(SEED)


async def away(_: Request) -> Response:
    raise psycopg.OperationalError(SEED)


async def no_connection(_: Request) -> Response:
    raise PoolTimeout(SEED)


async def own_headers(_: Request) -> Response:
    return PlainTextResponse("hello", headers={"Referrer-Policy": "same-origin"})


@pytest.fixture
async def bare() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.router.routes.extend(
        [
            Route("/broken", broken),
            Route("/away", away),
            Route("/no_connection", no_connection),
            Route("/own", own_headers),
        ]
    )
    frame(app, Settings.read({"JETPAY_PUBLIC_URL": "https://pay.example.com"}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.com") as client:
        yield client


async def test_every_answer_has_the_security_headers_unless_it_says_otherwise(
    bare: httpx.AsyncClient,
) -> None:
    for path in ("/own", "/nowhere", "/broken"):
        answer = await bare.get(path)
        expected = {**HEADERS, "strict-transport-security": "max-age=31536000"}
        if path == "/own":
            expected["referrer-policy"] = "same-origin"
        assert {name: answer.headers[name] for name in expected} == expected
        assert len(answer.headers.get_list("referrer-policy")) == 1
        assert len(answer.headers["x-request-id"]) == 24


async def test_the_right_address_is_told_under_a_wrong_host(bare: httpx.AsyncClient) -> None:
    for host in ("localhost", "pay.example.com.example.net"):
        answer = await bare.get("/own", headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")
        assert "https://pay.example.com." in answer.json()["detail"]


async def test_a_browser_is_refused_with_a_page_in_both_languages(bare: httpx.AsyncClient) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path, host, status, words in (
        ("/broken", "pay.example.com", 500, "try again"),
        ("/away", "pay.example.com", 503, "try again"),
        (
            '/payment/pay/"><b>',
            "localhost",
            421,
            'href="https://pay.example.com/payment/pay/&quot;',
        ),
    ):
        answer = await bare.get(path, headers=browser | {"Host": host})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert words in answer.text
        assert 'lang="fr-CA"' in answer.text
        assert SEED not in answer.text
        assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "path, status, code",
    [
        ("/broken", 500, "internal_error"),
        ("/away", 503, "unavailable"),
        ("/no_connection", 503, "unavailable"),
    ],
)
async def test_a_defect_tells_strangers_nothing(
    path: str,
    status: int,
    code: str,
    bare: httpx.AsyncClient,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer = await bare.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert SEED not in answer.text
    assert (answer.headers.get("retry-after") is not None) == (status == 503)


@pytest.mark.parametrize(
    "host, path, status",
    [
        ("pay.example.com", "/own", 200),
        ("PAY.example.com", "/own", 200),
        ("pay.example.com:443", "/own", 421),
        ("evil.example", "/own", 421),
        ("127.0.0.1:8080", "/own", 421),
        ("evil.example", "/healthz", 404),  # nobody mounted it here, but the host was let in
    ],
)
async def test_another_host_is_not_answered(
    host: str, path: str, status: int, bare: httpx.AsyncClient
) -> None:
    answer = await bare.get(path, headers={"Host": host})
    assert answer.status_code == status


async def test_head_answers_wherever_get_does_without_a_body(client: httpx.AsyncClient) -> None:
    for path in ("/contact", "/healthz", "/openapi.json", "/docs"):
        get, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
    assert (await client.head("/credits")).status_code == 405


async def test_a_method_that_a_path_does_not_take_is_told_those_it_takes(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put(f"/contact/{uuid4()}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert (await client.options("/contact")).status_code == 405


async def test_a_trailing_slash_is_another_path(client: httpx.AsyncClient) -> None:
    assert (await client.get("/contact/")).status_code == 404


async def test_a_log_line_has_the_route_and_nothing_of_the_request(app: FastAPI) -> None:
    said = io.StringIO()
    logged = Frame(app, Settings.read({}))
    logged._access_log = AccessLog(said)
    transport = httpx.ASGITransport(logged)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        await client.get(f"/contact/{SEED}?email={SEED}", headers={"User-Agent": SEED})
        await client.get(f"/{SEED}%0A")
        await client.get("/healthz")
        await client.request(f"X{SEED}", "/healthz")
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/contact/{identifier}", 401),
        (None, 404),
        ("/healthz", 200),
        ("/healthz", 405),
    ]
    assert [line["method"] for line in lines] == ["GET", "GET", "GET", "other"]
    assert SEED not in said.getvalue()
    assert all(len(line["request_id"]) == 24 for line in lines)


async def test_health_needs_neither_token_nor_host(stranger: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await stranger.get(path, headers={"Host": "10.1.2.3"})
        assert (answer.status_code, answer.json()) == (200, {"ok": True})


async def test_the_root_leads_people_on_and_says_nothing_of_the_release(
    stranger: httpx.AsyncClient,
) -> None:
    answer = await stranger.get("/")
    assert answer.status_code == 200
    assert 'href="/docs"' in answer.text
    assert "payment link" in answer.text
    assert __version__ not in answer.text
    assert (await stranger.get("/favicon.ico")).status_code == 204
