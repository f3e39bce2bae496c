"""Mails on the command line: the list says no word of them, a sandbox's text is shown."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

from jetpay.base.ids import BankAccountId, CompanyId, TokenId
from jetpay.contacts.actions import create_contact
from jetpay.contacts.model import NewContact
from jetpay.events.model import OPERATOR
from jetpay.notices.send import tick_notices
from jetpay.security.secrets import Secret
from jetpay.services import open_services
from jetpay.settings import Settings
from tests.cli.conftest import Command
from tests.stage import Stage
from tests.world import Company

ACCOUNT = (
    *("--title", "Main", "--holder-name", "Lighthouse", "--institution-number", "001"),
    *("--transit-number", "00011", "--account-number-stdin"),
)


async def mailed(jetpay: Command, company: str, account: str, token: dict[str, str]) -> str:
    """A credit whose link was mailed."""
    services = await open_services(
        Settings(
            database_url=Secret(jetpay.environment["JETPAY_DATABASE_URL"]),
            data_dir=Path(jetpay.environment["JETPAY_DATA_DIR"]),
        )
    )
    try:
        company_id = CompanyId(UUID(company))
        contact = await create_contact(
            services.db, company_id, NewContact(email="robin@example.com", name="Robin"),
            by=OPERATOR, at=services.clock.now(),
        )  # fmt: skip
        world = await Company(
            services, company_id, token["token"], TokenId(UUID(token["identifier"])),
            BankAccountId(UUID(account)), contact.contact_id,
        ).identify()  # fmt: skip
        credit_id = await Stage(services, world).requested(notify=True)
        await tick_notices(services, only=company_id)
        return str(credit_id)
    finally:
        await services.close()


def test_a_sandbox_s_mail_is_listed_shown_and_sent_elsewhere(jetpay: Command) -> None:
    company = jetpay.new_company()
    account = jetpay.json("bank-account", "create", "--company", company, *ACCOUNT, stdin="1234567")
    token = jetpay.json(
        *("token", "create", "--company", company, "--name", "T"),
        *(part for scope in ("credits", "contacts") for part in ("--scope", scope)),
    )
    with ThreadPoolExecutor(1) as aside:  # the tests' own loop is this thread's
        making = mailed(jetpay, company, account["identifier"], token)
        credit = aside.submit(asyncio.run, making).result()
    [mail] = jetpay.json("mail", "list", "--company", company)["data"]
    assert (mail["template"], mail["recipient"], mail["state"], mail["credit_id"]) == (
        "claim", "robin@example.com", "kept", credit,
    )  # fmt: skip
    assert "text" not in mail
    listed = jetpay.run("mail", "list", "--company", company, "--credit", credit).stdout
    assert "claim" in listed
    assert "/payment/pay/" not in listed
    show = ("mail", "show", "--company", company, "--identifier")
    assert "/payment/pay/" in jetpay.run(*show, mail["identifier"]).stdout
    assert "no such" in jetpay.refused(*show, str(uuid4()))
    move = ("credit", "readdress", "--company", company, "--identifier", credit, "--email")
    assert jetpay.json(*move, "new@example.com") == {"identifier": credit}
    assert "not an e-mail address" in jetpay.refused(*move, "a@example.com, b@example.com")
