"""Helpers of tests about the money's way: accepted credits, files, and what became of them."""

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from jetpay.bank_files.model import BankFile
from jetpay.bank_files.queries import newest, one_file
from jetpay.base.ids import BankAccountId, BankFileId, CompanyId, CreditId
from jetpay.companies.queries import business_now
from jetpay.credits.actions import accept
from jetpay.credits.attempts import Acceptance, AcceptedDetails
from jetpay.credits.model import State
from jetpay.credits.queries import CreditView, view
from jetpay.db.rows import Command, Query
from jetpay.events.queries import events_after
from jetpay.ledger.prove import prove
from jetpay.services import Services
from jetpay.worker.advance import Advanced, advance, return_now
from jetpay.worker.loop import tick
from tests.world import Company

PAID = "1000001"
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

    async def report_items(self) -> list[str]:
        return await ITEMS.all(self.services.db, company_id=self.company_id)


MAKE_SANDBOX = Command("update company set sandbox = %(sandbox)s where company_id = %(company_id)s")
FORGET_TOKENS = Command("delete from api_token where company_id = %(company_id)s")


async def make_sandbox(stage: Stage, *, sandbox: bool) -> None:
    """Change what nobody can change; a token of the other kind would hold it."""
    key = {"company_id": stage.company_id}
    await FORGET_TOKENS.run(stage.services.db, **key)
    await MAKE_SANDBOX.run(stage.services.db, sandbox=sandbox, **key)


@pytest.fixture
async def live(stage: Stage) -> AsyncIterator[Stage]:
    """As `stage`, a live company for the test's time: services do not open beside one."""
    await make_sandbox(stage, sandbox=False)
    yield stage
    await make_sandbox(stage, sandbox=True)


@pytest.fixture
def stage(company: Company, tmp_path: Path) -> Stage:
    """A company with its bank, and a data directory for the journal."""
    return Stage.of(company, tmp_path)


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
