"""Fixtures of a running Jetpay: the services of a process, and companies made for one test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from argon2 import PasswordHasher
from psycopg.conninfo import conninfo_to_dict

from jetpay.bank_accounts.actions import add_company_account, add_contact_account
from jetpay.bank_accounts.model import NewBankAccount
from jetpay.banking.canada import CanadianAccount
from jetpay.base.clock import FixedClock
from jetpay.base.ids import BankAccountId, CompanyId, ContactId, TokenId, uuid7
from jetpay.companies.actions import create_company
from jetpay.companies.model import Scope
from jetpay.companies.questions import PreparedQuestion, prepare_question
from jetpay.companies.tokens import NO_LIMITS, TokenLimits, create_token
from jetpay.contacts.actions import create_contact
from jetpay.contacts.model import NewContact
from jetpay.credits.births import Asker
from jetpay.credits.intake import CreditRequest
from jetpay.events.model import OPERATOR
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from jetpay.security.tokens import parse_api_token
from jetpay.services import Services, open_services
from jetpay.settings import Settings

ANSWER = "Orcas Rock"
QUESTION = "On which rock stands the lighthouse?"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday without a holiday near."""


@dataclass
class Company:
    """A sandbox company with a token for everything, an account to pay from, and a contact."""

    services: Services
    company_id: CompanyId
    token: str
    token_id: TokenId
    bank_account: BankAccountId
    contact: ContactId
    asker: Asker = field(init=False)

    async def identify(self) -> "Company":
        digest = parse_api_token(self.token)
        assert digest is not None
        identity = await self.services.identities.of(digest)
        assert identity is not None
        self.asker = Asker(
            company_id=identity.company_id,
            token_id=identity.token_id,
            short_id=identity.short_id,
            digest=digest,
            client="127.0.0.1",
        )
        return self

    def request(self, **changes: object) -> CreditRequest:
        """A credit by link over 100.00."""
        asked: dict[str, object] = {
            "amount": 10_000,
            "statement": "Payment 4711",
            "note": None,
            "from_bank_account": self.bank_account,
            "contact_id": self.contact,
        }
        return CreditRequest(**asked | changes)  # type: ignore[arg-type]

    async def new_token(
        self, *scopes: Scope, limits: TokenLimits = NO_LIMITS, now: datetime | None = None
    ) -> "Company":
        """The same company seen through another token."""
        made = await create_token(
            self.services.db,
            self.company_id,
            name="another",
            scopes=scopes or list(Scope),
            limits=limits,
            now=now or self.services.clock.now(),
        )
        other = Company(
            self.services,
            self.company_id,
            made.token.reveal(),
            made.token_id,
            self.bank_account,
            self.contact,
        )
        return await other.identify()

    async def contact_account(self, number: str = "1000001") -> BankAccountId:
        """An account of the contact at the Royal Bank."""
        made = await add_contact_account(
            self.services.db,
            self.company_id,
            self.contact,
            NewBankAccount(
                account=CanadianAccount("003", "00002", number), holder_name="Robin Example"
            ),
            vault=self.services.vault,
            keyring=self.services.keyring,
            by=OPERATOR,
            at=self.services.clock.now(),
        )
        return made.bank_account_id


async def _question(services: Services, company_id: CompanyId) -> PreparedQuestion:
    return await prepare_question(
        services.hasher,
        company_id,
        question=QUESTION,
        answer=Secret(ANSWER),
        company_name="Acme Example",
    )


async def make_company(services: Services, name: str = "Acme Example") -> Company:
    """A fresh sandbox company."""
    now = services.clock.now()
    company_id = CompanyId(uuid7())
    question = await _question(services, company_id)
    async with services.db.transaction() as tx:
        await create_company(tx, company_id, name=name, question=question, sandbox=True, now=now)
        token = await create_token(tx, company_id, name="tests", scopes=list(Scope), now=now)
        contact = await create_contact(
            tx,
            company_id,
            NewContact(email="robin@example.com", name="Robin Example"),
            by=OPERATOR,
            at=now,
        )
        bank_account = await add_company_account(
            tx,
            company_id,
            NewBankAccount(account=CanadianAccount("004", "12342", "1234567"), holder_name=name),
            rail=None,
            vault=services.vault,
            keyring=services.keyring,
            by=OPERATOR,
            at=now,
        )
    company = Company(
        services,
        company_id,
        token.token.reveal(),
        token.token_id,
        bank_account,
        contact.contact_id,
    )
    return await company.identify()


def database_url(dsn: Secret[str]) -> Secret[str]:
    """The connection string as `JETPAY_DATABASE_URL` takes it."""
    return Secret("postgresql://?" + urlencode(conninfo_to_dict(dsn.reveal())))


@pytest.fixture(scope="session")
def root_key() -> Secret[str]:
    """One for the run: the working keys in the process's database are wrapped by it."""
    return Secret(generate_root_key())


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    """Noon, until a test turns it."""
    return FixedClock(NOON)


@pytest.fixture(scope="session")
async def services(
    app_dsn: Secret[str],
    root_key: Secret[str],
    clock: FixedClock,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Services]:
    """The services of one process on the test process's database."""
    settings = Settings(
        database_url=database_url(app_dsn),
        secret_keys=root_key,
        data_dir=tmp_path_factory.mktemp("data"),
    )
    services = await open_services(settings, clock=clock)
    # argon2id as ever, but cheap: nearly every test makes a company with an answer.
    services.hasher._argon2 = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield services
    await services.close()


@pytest.fixture
async def company(services: Services) -> Company:
    """A company of the test's own."""
    return await make_company(services)
