"""Services on a database of their own, for tests that would change what other tests see."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from jetpay.base.clock import FixedClock
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from jetpay.services import Services, open_services
from jetpay.settings import Settings
from tests.world import NOON

if TYPE_CHECKING:
    from tests.conftest import TestServer


@asynccontextmanager
async def services_apart(server: "TestServer") -> AsyncIterator[Services]:
    """A migrated database without any company, dropped afterwards."""
    name = f"{server.template}_apart_{secrets.token_hex(4)}"
    server.create(name, server.template)
    settings = Settings(
        database_url=server.dsn("app", name),
        secret_keys=Secret(generate_root_key()),
        data_dir=server.folder / name,
    )
    try:
        services = await open_services(settings, clock=FixedClock(NOON))
        try:
            yield services
        finally:
            await services.close()
    finally:
        server.drop(name)
