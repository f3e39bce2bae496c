"""Opening what a process works with: its database, its keys, and the production fence."""

import asyncio
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jetpay.base.ids import CompanyId, QuestionId, uuid7
from jetpay.companies.actions import create_company
from jetpay.companies.installation import is_ready
from jetpay.companies.questions import PreparedQuestion
from jetpay.security.passwords import AnswerHash
from jetpay.security.rootkeys import KeyProblem, generate_root_key
from jetpay.security.seal_keys import MissingRootKey
from jetpay.security.secrets import Secret
from jetpay.services import (
    DEMO_QUESTION,
    ROOT_KEYS_FILE,
    NotMigrated,
    open_services,
    root_keys_of,
)
from jetpay.settings import Settings, SettingsProblem
from tests.apart import services_apart
from tests.world import NOON

if TYPE_CHECKING:
    from tests.conftest import TestServer


async def test_a_database_that_is_not_migrated_is_refused_with_what_to_do(
    empty_database: Secret[str],
) -> None:
    settings = Settings(database_url=empty_database, secret_keys=Secret(generate_root_key()))
    with pytest.raises(NotMigrated, match="run 'jetpay migrate' first"):
        await open_services(settings)


async def test_an_embedded_database_is_made_migrated_and_given_back(tmp_path: Path) -> None:
    settings = Settings(data_dir=Path(os.environ["JETPAY_TEST_RUN"]) / "embedded")
    first = await open_services(settings, durable=False)
    second = await open_services(settings, durable=False)
    try:
        assert await is_ready(first.db)
        assert await is_ready(second.db)
        assert first.keyring.active("link").number == second.keyring.active("link").number
    finally:
        await first.close()
        assert await is_ready(second.db)
        await second.close()


def test_a_root_key_is_made_once_for_us_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")

    async def at_once() -> list[str]:
        make = [asyncio.to_thread(root_keys_of, settings, may_make=True) for _ in range(8)]
        keys = await asyncio.gather(*make)
        return [each[0].fingerprint.hex() for each in keys]

    assert len(set(asyncio.run(at_once()))) == 1
    [file] = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_lost_root_key_is_missed_and_never_replaced(
    server: "TestServer", tmp_path: Path
) -> None:
    async with services_apart(server) as services:
        changed = {"secret_keys": None, "data_dir": tmp_path}
        settings = services.settings.model_copy(update=changed)
        file = tmp_path / ROOT_KEYS_FILE
        with pytest.raises(KeyProblem, match=f"{file} is gone.*put it back"):
            await open_services(settings)
        assert not file.exists()
        file.write_text(generate_root_key())
        with pytest.raises(MissingRootKey, match=f"is not in {file}"):
            await open_services(settings)


@pytest.mark.parametrize("question", ["Which ship?", DEMO_QUESTION])
async def test_a_live_company_is_not_served_by_an_unfit_installation(
    question: str, server: "TestServer"
) -> None:
    async with services_apart(server) as services:
        prepared = PreparedQuestion(QuestionId(uuid7()), question, AnswerHash("hash", 1))
        await create_company(
            services.db, CompanyId(uuid7()), name="Live", question=prepared, sandbox=False, now=NOON
        )
        with pytest.raises(SettingsProblem, match="JETPAY_PUBLIC_URL must be https"):
            await open_services(services.settings)
        fit = services.settings.model_copy(update={"public_url": "https://pay.example.com"})
        if question == DEMO_QUESTION:
            with pytest.raises(SettingsProblem, match="demo's security question"):
                await open_services(fit)
        else:
            await (await open_services(fit)).close()
