"""Commands that change what a company has settled."""

from dataclasses import asdict
from typing import Annotated

import typer

from jetpay.base.text import NAME_LENGTH, TextProblem, clean
from jetpay.cli.frame import (
    AsJson,
    CompanyOption,
    company_of,
    refused_text,
    secret_from,
    show,
    warn,
    with_services,
)
from jetpay.companies.questions import change_question, prepare_question
from jetpay.companies.terms import LINK_DAYS, REPAIR_DAYS, REPAIRS, Terms, change_terms
from jetpay.events.model import OPERATOR
from jetpay.services import Services

IN_ARGUMENTS = "Warning: --answer can be seen in the process list; next time use --answer-stdin."


def set_company(
    *,
    company: CompanyOption,
    support_contact: Annotated[
        str | None,
        typer.Option(help="How payees reach it: an address or a telephone number; '' for none."),
    ] = None,
    link_days: Annotated[
        int | None, typer.Option(min=1, max=LINK_DAYS, help="How long a new link lives.")
    ] = None,
    repairs: Annotated[
        int | None,
        typer.Option(min=0, max=REPAIRS, help="How often a payee may correct an account."),
    ] = None,
    repair_days: Annotated[
        int | None, typer.Option(min=1, max=REPAIR_DAYS, help="How long for, each time.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change what a company has settled for its next credits; without options, show it."""
    contact = support_contact and _contact(support_contact)

    async def work(services: Services) -> Terms:
        company_id = (await company_of(services, company)).company_id
        return await change_terms(
            services.db, company_id, support_contact=contact, link_days=link_days,
            repairs=repairs, repair_days=repair_days, by=OPERATOR, now=services.clock.now(),
        )  # fmt: skip

    terms = asdict(with_services(work))
    lines = [f"{name:16} {'-' if value is None else value}" for name, value in terms.items()]
    show(terms, "\n".join(lines), as_json=as_json)


def ask(
    *,
    company: CompanyOption,
    question: Annotated[str, typer.Option(help="What payees are asked from now on.")],
    answer: Annotated[str | None, typer.Option(help="What they must answer.")] = None,
    answer_stdin: Annotated[bool, typer.Option("--answer-stdin")] = False,
    as_json: AsJson = False,
) -> None:
    """Change a company's security question; credits that were made keep the one they have."""
    given = secret_from(answer, from_stdin=answer_stdin, option="--answer")

    async def work(services: Services) -> str:
        found = await company_of(services, company)
        if answer is not None and not found.sandbox:
            warn(IN_ARGUMENTS)
        prepared = await prepare_question(
            services.hasher, found.company_id, question=question, answer=given,
            company_name=found.name,
        )  # fmt: skip
        at = services.clock.now() + found.clock_offset
        await change_question(services.db, found.company_id, prepared, by=OPERATOR, at=at)
        return prepared.question

    kept = with_services(work)
    show({"identifier": company, "question": kept}, f"From now on: {kept}", as_json=as_json)


def _contact(text: str) -> str:
    try:
        return clean(text, minimum=1, maximum=NAME_LENGTH)
    except TextProblem as problem:
        raise refused_text("support_contact", problem) from None
