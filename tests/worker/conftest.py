"""An installation of the test's own: a rotation of keys concerns all companies of one."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jetpay.base.clock import FixedClock
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from jetpay.services import open_services
from jetpay.settings import Settings
from tests.conftest import TestServer
from tests.stage import Stage
from tests.world import NOON, database_url, make_company


@pytest.fixture
async def own(server: TestServer, tmp_path: Path) -> AsyncIterator[Stage]:
    """A company with its bank; its clock is nobody else's."""
    name = f"{server.template}_own_{secrets.token_hex(4)}"
    server.create(name, server.template)
    url = database_url(server.dsn("app", name))
    settings = Settings(database_url=url, secret_keys=Secret(generate_root_key()))
    services = await open_services(settings, clock=FixedClock(NOON))
    yield Stage.of(await make_company(services), tmp_path)
    await services.close()
    server.drop(name)
