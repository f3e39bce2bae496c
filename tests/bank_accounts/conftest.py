"""Live companies live on a database of their own: with one, an installation is in production."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from jetpay.services import Services
from tests.apart import services_apart

if TYPE_CHECKING:
    from tests.conftest import TestServer


@pytest.fixture
async def apart(server: "TestServer") -> AsyncIterator[Services]:
    async with services_apart(server) as services:
        yield services
