"""Commands that change what a company has settled."""

import re
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
from jetpay.companies.terms import (
    LINK_DAYS,
    MAILS_A_DAY,
    NO_CODES,
    REMINDER_DAYS,
    REMINDERS,
    REPAIR_DAYS,
    REPAIRS,
    USUAL_CODES,
    Terms,
    change_terms,
)
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
    code_from_amount: Annotated[
        str | None,
        typer.Option(help="A code by mail from this amount on, as 1000.00; 'never', or 'usual'."),
    ] = None,
    reminders: Annotated[
        str | None,
        typer.Option(help="Days after which `notify` reminds a payee, as 3,7,14; '' for never."),
    ] = None,
    mails_a_day: Annotated[
        int | None, typer.Option(min=1, max=MAILS_A_DAY, help="In place of the usual limit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change what a company has settled for its next credits; without options, show it."""
    contact = support_contact and reached_at(support_contact)
    codes = None if code_from_amount is None else _codes(code_from_amount)
    days = None if reminders is None else _days(reminders)

    async def work(services: Services) -> Terms:
        company_id = (await company_of(services, company)).company_id
        return await change_terms(
            services.db, company_id, support_contact=contact, link_days=link_days,
            repairs=repairs, repair_days=repair_days, code_from_amount=codes,
            reminder_days=days, mails_a_day=mails_a_day, by=OPERATOR, now=services.clock.now(),
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


def _codes(text: str) -> int:
    """In minor units. The currencies that there are have two places."""
    if text in ("never", "usual"):
        return NO_CODES if text == "never" else USUAL_CODES
    if not re.fullmatch(r"[0-9]{1,8}(\.[0-9]{2})?", text):
        raise typer.BadParameter("--code-from-amount is an amount such as 1000.00, never or usual")
    whole, _, cents = text.partition(".")
    return int(whole) * 100 + int(cents or 0)


def _days(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    days = [int(part) for part in parts if part.isascii() and part.isdigit()]
    is_right = len(days) == len(parts) <= REMINDERS
    if not is_right or not all(0 < day <= REMINDER_DAYS for day in days):
        raise typer.BadParameter(f"--reminders are at most {REMINDERS} numbers of days, as 3,7,14")
    return days


def reached_at(text: str) -> str:
    """How payees reach the company, as it is kept."""
    try:
        return clean(text, minimum=1, maximum=NAME_LENGTH)
    except TextProblem as problem:
        raise refused_text("support_contact", problem) from None
