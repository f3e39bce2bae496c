"""The application of one process, and a client of it that signs in as the test's company."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from jetpay.app import create_api
from jetpay.services import Services
from tests.world import Company

BASE_URL = "http://127.0.0.1:8080"
Connect = Callable[[str | None], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
async def app(services: Services) -> FastAPI:
    return create_api(services)


@pytest.fixture(scope="session")
def connect(app: FastAPI) -> Connect:
    """Opens a client that signs in with the token; None for one without."""

    @asynccontextmanager
    async def open_client(token: str | None) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url=BASE_URL, headers=headers
        ) as client:
            yield client

    return open_client


@pytest.fixture
async def client(connect: Connect, company: Company) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(company.token) as client:
        yield client


@pytest.fixture
async def stranger(connect: Connect) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(None) as client:
        yield client
