"""Commands that make companies, and what belongs to them."""

from enum import StrEnum
from typing import Annotated

import typer

from jetpay.bank_accounts.actions import add_company_account
from jetpay.bank_accounts.model import NewBankAccount, Rail
from jetpay.bank_accounts.numbers import account_of
from jetpay.base.ids import BankAccountId, CompanyId, MemberId, uuid7
from jetpay.base.text import HOLDER_LENGTH, NAME_LENGTH, TITLE_LENGTH, TextProblem, clean
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
from jetpay.companies import actions
from jetpay.companies.installation import ALL_COMPANIES
from jetpay.companies.model import Company, Role
from jetpay.companies.questions import prepare_question
from jetpay.companies.refusals import NotInProduction
from jetpay.events.model import OPERATOR
from jetpay.rails.profiles import SANDBOX_BY_HAND
from jetpay.security.secrets import Secret
from jetpay.services import Services
from jetpay.settings import production_problems

PASSWORD_MINIMUM = 12
PASSWORD_MAXIMUM = 128
IN_ARGUMENTS = "Warning: {option} can be seen in the process list; next time use {option}-stdin."

LimitOption = Annotated[
    int | None,
    typer.Option(min=1, help="As agreed with the bank, in minor units; without: none."),
]


class Currency(StrEnum):
    """What a company's account is kept in."""

    CAD = "CAD"
    USD = "USD"
    EUR = "EUR"


def create_company(
    *,
    name: Annotated[str, typer.Option(help="As payees shall read it.")],
    question: Annotated[str, typer.Option(help="What payees are asked.")],
    answer: Annotated[str | None, typer.Option(help="What they must answer.")] = None,
    answer_stdin: Annotated[bool, typer.Option("--answer-stdin")] = False,
    support_contact: Annotated[
        str | None, typer.Option(help="How payees reach it: an address or a telephone number.")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="No money ever moves.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a company."""
    given = secret_from(answer, from_stdin=answer_stdin, option="--answer")
    reached = support_contact and _cleaned("support_contact", support_contact, NAME_LENGTH)
    if answer is not None and not sandbox:
        warn(IN_ARGUMENTS.format(option="--answer"))

    async def work(services: Services) -> tuple[CompanyId, str]:
        problems = [] if sandbox else production_problems(services.settings, True)  # noqa: FBT003
        if problems:
            raise NotInProduction(problem=" ".join(problems).rstrip("."))
        company_id = CompanyId(uuid7())
        cleaned = _clean_name(name)
        prepared = await prepare_question(
            services.hasher, company_id, question=question, answer=given, company_name=cleaned
        )
        await actions.create_company(
            services.db, company_id, name=cleaned, question=prepared, sandbox=sandbox,
            support_contact=reached, now=services.clock.now(),
        )  # fmt: skip
        return company_id, cleaned

    identifier, kept = with_services(work)
    show({"identifier": identifier, "name": kept}, f"{identifier}  {kept}", as_json=as_json)


def list_companies(as_json: AsJson = False) -> None:
    """Name every company of this installation."""

    async def work(services: Services) -> list[Company]:
        return await ALL_COMPANIES.all(services.db)

    found = with_services(work)
    listed = [
        {"identifier": each.company_id, "name": each.name, "sandbox": each.sandbox,
         "created_at": each.created_at}
        for each in found
    ]  # fmt: skip
    kinds = {True: "sandbox", False: "live"}
    lines = [f"{each.company_id}  {kinds[each.sandbox]:8} {each.name}" for each in found]
    show({"data": listed}, "\n".join(lines) or "No company yet.", as_json=as_json)


def create_member(
    company: CompanyOption,
    email: Annotated[str, typer.Option(help="Where they are reached.")],
    role: Annotated[Role, typer.Option(help="What they may do.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a member of a company."""
    password = secret_from(None, from_stdin=True, option="--password") if password_stdin else None
    if password is not None and not PASSWORD_MINIMUM <= len(password.reveal()) <= PASSWORD_MAXIMUM:
        sentence = f"a password has {PASSWORD_MINIMUM} to {PASSWORD_MAXIMUM} characters"
        raise typer.BadParameter(sentence)

    async def work(services: Services) -> MemberId:
        member_id, hashed = MemberId(uuid7()), None
        company_id = (await company_of(services, company)).company_id
        if password is not None:
            hashed = await services.hasher.hash(company_id, member_id, password)
        return await actions.create_member(
            services.db, company_id, email=email, role=role, password=hashed,
            member_id=member_id, now=services.clock.now(),
        )  # fmt: skip

    identifier = with_services(work)
    show({"identifier": identifier}, str(identifier), as_json=as_json)


def create_bank_account(
    *,
    company: CompanyOption,
    title: Annotated[str, typer.Option(help="How the company calls it.")],
    holder_name: Annotated[str, typer.Option()],
    institution_number: Annotated[str | None, typer.Option(help="In Canada.")] = None,
    transit_number: Annotated[str | None, typer.Option(help="In Canada.")] = None,
    routing_number: Annotated[str | None, typer.Option(help="In the United States.")] = None,
    account_number: Annotated[str | None, typer.Option(help="Or the whole IBAN.")] = None,
    account_number_stdin: Annotated[bool, typer.Option("--account-number-stdin")] = False,
    currency: Annotated[
        Currency | None, typer.Option(help="Without: CAD, USD or EUR by the kind of account.")
    ] = None,
    rail: Annotated[
        Rail | None, typer.Option(help="How the bank takes files; a sandbox has its own.")
    ] = None,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="Sandbox: you hand its files over yourself.")
    ] = False,
    credit_limit: LimitOption = None,
    file_limit: LimitOption = None,
    daily_limit: LimitOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a bank account that the company pays from."""
    if by_hand and rail not in (None, Rail.SANDBOX):
        raise typer.BadParameter("--by-hand belongs to the sandbox rail")
    number = secret_from(account_number, from_stdin=account_number_stdin, option="--account-number")
    is_iban = number.reveal()[:1].isalpha()
    new = NewBankAccount(
        account=account_of(
            institution_number=institution_number,
            transit_number=transit_number,
            account_number=None if is_iban else number,
            routing_number=Secret(routing_number) if routing_number else None,
            iban=number if is_iban else None,
        ),
        title=_cleaned("title", title, TITLE_LENGTH),
        holder_name=_cleaned("holder_name", holder_name, HOLDER_LENGTH),
        currency=currency and currency.value,
    )

    async def work(services: Services) -> BankAccountId:
        found = await company_of(services, company)
        if account_number is not None and not found.sandbox:
            warn(IN_ARGUMENTS.format(option="--account-number"))
        at = services.clock.now() + found.clock_offset
        return await add_company_account(
            services.db, found.company_id, new, rail=Rail.SANDBOX if by_hand else rail,
            profile=SANDBOX_BY_HAND if by_hand else None,
            limits=(credit_limit, file_limit, daily_limit), vault=services.vault,
            keyring=services.keyring, by=OPERATOR, at=at,
        )  # fmt: skip

    identifier = with_services(work)
    show({"identifier": identifier}, str(identifier), as_json=as_json)


def _clean_name(name: str) -> str:
    try:
        return actions.company_name(name)
    except TextProblem as problem:
        raise refused_text("name", problem) from None


def _cleaned(field: str, text: str, maximum: int) -> str:
    try:
        return clean(text, minimum=1, maximum=maximum)
    except TextProblem as problem:
        raise refused_text(field, problem) from None
