"""Helpers of tests about the money's way: accepted credits, files, and what became of them."""

import dataclasses
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jetpay.bank_files import actions, journal
from jetpay.bank_files.model import BankFile
from jetpay.bank_files.queries import newest, one_file
from jetpay.base.ids import BankAccountId, BankFileId, CompanyId, CreditId
from jetpay.companies.queries import business_now
from jetpay.credits.actions import accept
from jetpay.credits.attempts import Acceptance, AcceptedDetails
from jetpay.credits.holds import release
from jetpay.credits.model import State
from jetpay.credits.queries import CreditView, view
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from jetpay.events.queries import events_after
from jetpay.ledger.prove import prove
from jetpay.security.secrets import Secret
from jetpay.services import Services
from jetpay.worker.advance import Advanced, advance, return_now
from jetpay.worker.loop import tick
from tests.conftest import TestServer
from tests.world import NOON, Company

PAID = "1000001"
NUMBERS = itertools.count(1)
ATTEMPTS = Query(
    str,
    """
    select coalesce(outcome, 'open') || coalesce(' ' || outcome_reason, '') as outcome
    from payment_attempt where company_id = %(company_id)s and credit_id = %(credit_id)s
    order by attempt
    """,
    never_null=("outcome",),
)
LIMITS = Command(
    """
    update bank_account set credit_limit = %(credit)s, file_limit = %(file)s,
      daily_limit = %(daily)s
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """
)
PROFILE = Command(
    """
    update bank_account set profile = %(profile)s
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """
)
ITEMS = Query(
    str,
    """
    select kind || ' ' || result || coalesce(' ' || explanation, '') as said
    from bank_report_item where company_id = %(company_id)s
    order by left(item_id::text, 13), position
    """,
    never_null=("said",),
)


@dataclass
class Stage:
    """A company with its bank: every step is followed by a proof of the books."""

    services: Services
    company: Company
    superuser: Secret[str] | None = None

    @classmethod
    def of(cls, company: Company, folder: Path) -> "Stage":
        """With a data directory of the test's own, for the journal."""
        settings = company.services.settings.model_copy(update={"data_dir": folder})
        return cls(dataclasses.replace(company.services, settings=settings), company)

    @property
    def company_id(self) -> CompanyId:
        return self.company.company_id

    @property
    def account(self) -> BankAccountId:
        return self.company.bank_account

    async def now(self) -> datetime:
        return await business_now(self.services.db, self.company_id, self.services.clock)

    async def requested(self, **changes: object) -> CreditId:
        """Equal to no other, unless the statement is given."""
        changes = {"statement": f"Payment {next(NUMBERS)}"} | changes
        born = await self.services.births.one(
            self.company.asker, self.company.request(**changes), key=None
        )
        return born.credit_id

    async def accepted(
        self, number: str = PAID, *, holder: str = "Robin Example", **changes: object
    ) -> CreditId:
        credit_id = await self.requested(**changes)
        await self.accept(credit_id, number, holder=holder)
        return credit_id

    async def accept(
        self, credit_id: CreditId, number: str = PAID, *, holder: str = "Robin Example"
    ) -> None:
        await accept(
            self.services.db,
            self.company_id,
            credit_id,
            vault=self.services.vault,
            details=details(number, holder),
            evidence=Acceptance(gate="question"),
            at=await self.now(),
        )

    async def to_account(self, number: str = PAID, **changes: object) -> CreditId:
        """A credit to a saved account: born initiated, never repaired."""
        account = await self.company.contact_account(number)
        return await self.requested(to_bank_account=account, **changes)

    async def tick(self) -> None:
        await tick(self.services, only=self.company_id)
        await self.prove()

    async def advance(self, days: int) -> Advanced:
        done = await advance(self.services, self.company_id, days)
        await self.prove()
        return done

    async def return_now(self, credit_id: CreditId, reason: str) -> Advanced:
        done = await return_now(self.services, self.company_id, credit_id, reason=reason)
        await self.prove()
        return done

    async def prove(self) -> None:
        proof = await prove(self.services.db, self.company_id)
        assert proof.differences == ()

    async def view(self, credit_id: CreditId) -> CreditView:
        return await view(self.services.db, self.company_id, credit_id)

    async def state(self, credit_id: CreditId) -> State:
        return (await self.view(credit_id)).state

    async def attempts(self, credit_id: CreditId) -> list[str]:
        return await ATTEMPTS.all(self.services.db, company_id=self.company_id, credit_id=credit_id)

    async def files(self) -> list[BankFile]:
        """Newest first."""
        found = await newest(self.services.db, self.company_id, after=None, limit=200)
        return [await self.file(each.identifier) for each in found]

    async def file(self, bank_file_id: BankFileId) -> BankFile:
        return await one_file(self.services.db, self.company_id, bank_file_id)

    async def events(self) -> list[str]:
        """`type from>to because`, in the order of their numbers, which have no gap."""
        found = await events_after(self.services.db, self.company_id, 0, limit=10_000)
        assert [each.event_id for each in found] == list(range(1, len(found) + 1))
        return [
            f"{each.type} {each.from_state or ''}>{each.to_state or ''} {each.because or ''}"
            for each in found
        ]

    async def limit(
        self, *, credit: int | None = None, file: int | None = None, daily: int | None = None
    ) -> None:
        await LIMITS.run(
            self.services.db,
            company_id=self.company_id,
            bank_account_id=self.account,
            credit=credit,
            file=file,
            daily=daily,
        )

    async def use_profile(self, name: str) -> None:
        await PROFILE.run(
            self.services.db,
            company_id=self.company_id,
            bank_account_id=self.account,
            profile=name,
        )

    def journal(self) -> list[dict[str, Any]]:
        """The whole lines of `sent.jsonl`, oldest first."""
        return journal_of(self.services.settings.data_dir)

    async def send_again(self, file: BankFile) -> None:
        at = await self.now()
        await actions.send_again(
            self.services.db, self.company_id, file.bank_file_id, by=OPERATOR, at=at, now=NOON
        )

    async def release(self, *credit_ids: CreditId) -> None:
        at = await self.now()
        await release(self.services.db, self.company_id, credit_ids, by=OPERATOR, at=at, now=NOON)

    async def report_items(self) -> list[str]:
        return await ITEMS.all(self.services.db, company_id=self.company_id)


def journal_of(folder: Path) -> list[dict[str, Any]]:
    """What `sent.jsonl` says; a line that a crash cut is left out: its file never left."""
    path, whole = folder / journal.NAME, []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            whole.append(json.loads(line))
    return whole


MAKE_SANDBOX = "update company set sandbox = %s where company_id = %s"
FORGET_TOKENS = Command("delete from api_token where company_id = %(company_id)s")


async def make_sandbox(stage: Stage, *, sandbox: bool) -> None:
    """Change what nobody can change: tokens and accounts of the other kind would hold it."""
    await FORGET_TOKENS.run(stage.services.db, company_id=stage.company_id)
    assert stage.superuser is not None
    async with await psycopg.AsyncConnection.connect(stage.superuser.reveal()) as connection:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(MAKE_SANDBOX, [sandbox, stage.company_id])


@pytest.fixture
async def live_stage(stage: Stage) -> AsyncIterator[Stage]:
    """As `stage`, a live company for the test's time: services do not open beside one."""
    await make_sandbox(stage, sandbox=False)
    yield stage
    await make_sandbox(stage, sandbox=True)


@pytest.fixture
def stage(company: Company, tmp_path: Path, server: TestServer, database_name: str) -> Stage:
    """A company with its bank, and a data directory for the journal."""
    superuser = server.dsn("super", database_name)
    return dataclasses.replace(Stage.of(company, tmp_path), superuser=superuser)


def details(number: str, holder: str = "Robin Example") -> AcceptedDetails:
    return AcceptedDetails(
        scheme="ca",
        holder_name=holder,
        numbers={
            "institution_number": "003",
            "transit_number": "00002",
            "account_number": number,
        },
        account_index=number.encode().rjust(18, b"0"),
        last3=number[-3:],
    )
