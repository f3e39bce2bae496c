"""The command that changes how a company looks to its payees."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jetpay.cli.company_settings import reached_at
from jetpay.cli.frame import AsJson, CompanyOption, company_of, show, with_services
from jetpay.companies.brands import Brand, change_brand
from jetpay.companies.terms import change_terms
from jetpay.events.model import OPERATOR
from jetpay.security.logos import UPLOADED_BYTES, NotALogo, make_logo
from jetpay.services import Services

_COLOUR = re.compile(r"#[0-9a-f]{6}")


def brand(
    *,
    company: CompanyOption,
    logo: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="PNG, JPEG or WebP, 512 KiB at most."),
    ] = None,
    no_logo: Annotated[bool, typer.Option("--no-logo", help="The name alone.")] = False,
    colour: Annotated[
        str | None,
        typer.Option(
            help="'#rrggbb'; made darker or lighter where it could not be read. '' for none."
        ),
    ] = None,
    support_contact: Annotated[
        str | None,
        typer.Option(help="How payees reach it: an address or a telephone number; '' for none."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change how a company looks to its payees; without options, show it."""
    wanted = colour if colour is None else colour.strip().lower()
    if wanted and not _COLOUR.fullmatch(wanted):
        raise typer.BadParameter("a colour is written '#rrggbb', such as '#0b5d51'")
    if logo is not None and no_logo:
        raise typer.BadParameter("--logo or --no-logo, not both")
    try:
        made = None if logo is None else make_logo(_read(logo))
    except NotALogo as problem:
        raise typer.BadParameter(str(problem)) from None
    contact = support_contact and reached_at(support_contact)

    async def work(services: Services) -> tuple[Brand, str | None]:
        company_id = (await company_of(services, company)).company_id
        now = services.clock.now()
        async with services.db.transaction() as tx:
            terms = await change_terms(
                tx, company_id, support_contact=contact, by=OPERATOR, now=now
            )
            looks = await change_brand(
                tx, company_id, colour=wanted, logo=made, without_logo=no_logo, by=OPERATOR,
                now=now,
            )  # fmt: skip
        return looks, terms.support_contact

    looks, reached = with_services(work)
    shown = {**asdict(looks), "support_contact": reached}
    lines = [f"{name:16} {'-' if value is None else value}" for name, value in shown.items()]
    show(shown, "\n".join(lines), as_json=as_json)


def _read(logo: Path) -> bytes:
    """No more of it than tells that it is too large."""
    with logo.open("rb") as file:
        return file.read(UPLOADED_BYTES + 1)
