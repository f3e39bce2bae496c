"""A company whose mails go to a mail server of the test, or nowhere."""

import dataclasses
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from jetpay.base.clock import FixedClock
from jetpay.base.ids import CreditId
from jetpay.companies.actions import create_member
from jetpay.companies.model import Role
from jetpay.companies.terms import change_terms
from jetpay.contacts.actions import create_contact
from jetpay.contacts.model import NewContact
from jetpay.events.model import OPERATOR
from jetpay.notices.queries import MailView, ShownMail, list_mails, show_mail
from jetpay.notices.send import tick_notices
from jetpay.security.secrets import Secret
from jetpay.services import Services
from jetpay.worker.loop import tick
from tests.notices.postbox import Postbox, postbox
from tests.world import Company

NUMBERS = itertools.count(1)
SENDER = "payments@jetpay.example"


@dataclass
class Office:
    """A company, and what becomes of its mails."""

    services: Services
    company: Company
    payee: str

    async def credit(self, **changes: object) -> CreditId:
        born = await self.company.services.births.one(
            self.company.asker, self.company.request(**{"notify": True} | changes), key=None
        )
        return born.credit_id

    async def deliver(self) -> None:
        await tick_notices(self.services, only=self.company.company_id)

    async def work(self) -> None:
        await tick(self.services, only=self.company.company_id)
        await self.deliver()

    async def mails(self, credit_id: CreditId | None = None) -> list[MailView]:
        """Oldest first."""
        services, company_id = self.services, self.company.company_id
        found = await list_mails(
            services.db, services.vault, company_id, credit_id=credit_id, limit=200
        )
        return sorted(found, key=lambda each: each.identifier)

    async def told(self) -> list[str]:
        """`template to recipient: state`, oldest first."""
        return [f"{each.template} to {each.recipient}: {each.state}" for each in await self.mails()]

    async def outcomes(self) -> list[str | None]:
        return [each.outcome for each in await self.mails()]

    async def shown(self, mail: MailView) -> ShownMail:
        services = self.services
        return await show_mail(
            services.db, services.vault, self.company.company_id, mail.identifier
        )

    async def settle(self, **terms: object) -> None:
        await change_terms(
            self.services.db, self.company.company_id, by=OPERATOR,
            now=self.services.clock.now(), **terms,  # type: ignore[arg-type]
        )  # fmt: skip

    async def member(self, email: str, role: Role = Role.OWNER) -> None:
        await create_member(
            self.services.db, self.company.company_id, email=email, role=role, password=None,
            now=self.services.clock.now(),
        )  # fmt: skip


def mailing(services: Services, box: Postbox) -> Services:
    update = {"smtp_url": Secret(box.url), "mail_from": SENDER}
    return dataclasses.replace(services, settings=services.settings.model_copy(update=update))


@pytest.fixture
async def box() -> AsyncIterator[Postbox]:
    async with postbox() as box:
        yield box


async def new_office(
    services: Services, company: Company, payee: str | None = None, name: str = "Robin Example"
) -> Office:
    """With a payee of its own: an address gets only so many mails a day."""
    payee = payee or f"payee{next(NUMBERS)}@example.com"
    contact = await create_contact(
        services.db, company.company_id, NewContact(email=payee, name=name), by=OPERATOR,
        at=services.clock.now(),
    )  # fmt: skip
    company.contact = contact.contact_id
    return Office(services, company, payee)


@pytest.fixture
async def quiet(company: Company) -> Office:
    """A sandbox without a mail server."""
    return await new_office(company.services, company)


@pytest.fixture
async def office(company: Company, box: Postbox) -> Office:
    """A sandbox with a mail server, whose payee is a member as well."""
    office = await new_office(mailing(company.services, box), company)
    await office.member(office.payee, Role.VIEWER)
    return office


@pytest.fixture
def turned(clock: FixedClock) -> Iterator[FixedClock]:
    """The real clock, which the next test finds as it was."""
    before = clock.at
    yield clock
    clock.at = before


def link_in(text: str) -> str:
    """The one address of a mail's text that leads to a page."""
    [found] = re.findall(r"http://127\.0\.0\.1:8080(/payment/\S+)", text)
    return str(found)


def code_in(text: str) -> str:
    [found] = re.findall(r"^ +([0-9]{6})$", text, re.MULTILINE)
    return str(found)


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
