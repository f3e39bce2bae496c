"""Commands about mails: what was sent to whom and how it ended; of sandboxes also what it said."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from jetpay.base.ids import CreditId
from jetpay.cli.frame import AsJson, CompanyOption, company_of, show, with_services
from jetpay.credits.readdress import readdress as readdress_credit
from jetpay.events.model import OPERATOR
from jetpay.notices.queries import MailView, ShownMail, list_mails, show_mail
from jetpay.services import Services

LIST_MAXIMUM = 200


def list_sent(
    company: CompanyOption,
    credit: Annotated[UUID | None, typer.Option(help="Of this credit alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LIST_MAXIMUM)] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest mails: template, address, time and outcome; never what they said."""

    async def work(services: Services) -> list[MailView]:
        found = await company_of(services, company)
        return await list_mails(
            services.db, services.vault, found.company_id, credit_id=credit, limit=limit
        )

    found = with_services(work)
    lines = [
        f"{each.identifier}  {each.state:8} {each.template:15} {each.recipient or '(erased)'}"
        f"  {each.outcome or ''}"
        for each in found
    ]
    listed = {"data": [asdict(each) for each in found]}
    show(listed, "\n".join(lines) or "There are no mails.", as_json=as_json)


def show_one(
    company: CompanyOption,
    identifier: Annotated[UUID, typer.Option(help="The mail's identifier.")],
    as_json: AsJson = False,
) -> None:
    """One mail; with its text, codes included, only of a sandbox without a mail server."""

    async def work(services: Services) -> ShownMail:
        found = await company_of(services, company)
        return await show_mail(services.db, services.vault, found.company_id, identifier)

    found = with_services(work)
    head = f"{found.template} to {found.recipient or '(erased)'}: {found.outcome or found.state}"
    text = "\n\n".join(filter(None, [head, found.subject, found.text]))
    show(asdict(found), text, as_json=as_json)


def readdress(
    company: CompanyOption,
    identifier: Annotated[UUID, typer.Option(help="The credit's identifier.")],
    email: Annotated[str, typer.Option(help="Where its mails shall go from now on.")],
    as_json: AsJson = False,
) -> None:
    """Send a credit's mails elsewhere: a new link, the old address is told, the payment is held."""

    async def work(services: Services) -> None:
        found, now = await company_of(services, company), services.clock.now()
        await readdress_credit(
            services.db, found.company_id, CreditId(identifier), email=email,
            link_key_id=services.keyring.active("link").number, by=OPERATOR,
            at=now + found.clock_offset, now=now,
        )  # fmt: skip

    with_services(work)
    text = f"{identifier} has a new link, and is held when it is accepted."
    show({"identifier": identifier}, text, as_json=as_json)
