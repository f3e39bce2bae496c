"""Commands about credits that wait for a person."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from jetpay.base.ids import CompanyId, CreditId
from jetpay.base.money import Currency, format_money
from jetpay.cli.frame import AsJson, CompanyOption, company_of, show, with_services
from jetpay.credits import holds
from jetpay.credits.holds import HeldCredit
from jetpay.events.model import OPERATOR
from jetpay.services import Services

LIST_MAXIMUM = 200


def list_held(
    company: CompanyOption,
    limit: Annotated[int, typer.Option(min=1, max=LIST_MAXIMUM)] = 50,
    after: Annotated[UUID | None, typer.Option(help="Go on after this credit.")] = None,
    as_json: AsJson = False,
) -> None:
    """The credits that are in no bank file until somebody releases them, and why."""

    async def work(services: Services) -> list[HeldCredit]:
        start = None if after is None else CreditId(after)
        return await holds.held_credits(services.db, CompanyId(company), after=start, limit=limit)

    found = with_services(work)
    following = found[-1].identifier if len(found) == limit else None
    listed = {"data": [asdict(each) for each in found], "next": following}
    show(listed, "\n".join(map(_line, found)) or "No credit is held.", as_json=as_json)


def release_held(
    company: CompanyOption,
    identifier: Annotated[list[UUID], typer.Option(help="A credit; may be repeated.")],
    as_json: AsJson = False,
) -> None:
    """Let held credits into the next bank file; all of them or, with a refusal, none."""

    async def work(services: Services) -> None:
        found, now = await company_of(services, company), services.clock.now()
        await holds.release(
            services.db, found.company_id, [CreditId(each) for each in identifier],
            by=OPERATOR, at=now + found.clock_offset, now=now,
        )  # fmt: skip

    with_services(work)
    lines = [f"{each} goes into the next bank file." for each in identifier]
    show({"released": identifier}, "\n".join(lines), as_json=as_json)


def _line(credit: HeldCredit) -> str:
    amount = format_money(credit.amount, Currency(credit.currency), "en")
    equal = f"  of {credit.possible_duplicate_of}" if credit.possible_duplicate_of else ""
    return f"{credit.identifier}  {amount:>14}  {credit.held}{equal}"
