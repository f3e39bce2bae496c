"""What every command shares: settings, an open database, one object or one sentence out."""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, NoReturn, TypeVar
from uuid import UUID

import psycopg
import typer
import uvloop
from psycopg_pool import PoolTimeout

from jetpay.base.clock import iso
from jetpay.base.refusals import FieldError, Invalid, NotFound, Refusal
from jetpay.base.text import TextProblem
from jetpay.companies.model import Company
from jetpay.companies.queries import COMPANY
from jetpay.db.migrate import MigrationRefused
from jetpay.db.pool import why_unreachable
from jetpay.db.postgres_account import ServerRefused
from jetpay.metrics import CannotListen
from jetpay.security.logs import configure_logging
from jetpay.security.rootkeys import KeyProblem
from jetpay.security.secrets import Secret
from jetpay.services import Services, open_services
from jetpay.settings import Settings, SettingsProblem

R = TypeVar("R")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
CompanyOption = Annotated[UUID, typer.Option("--company", help="The company's identifier.")]

SECRET_LENGTH = 1_000
"""More than any secret is long; a line on stdin beyond it is a mistake."""


class Failure(Exception):
    """A command cannot do what it was asked; the text is one sentence."""


def with_services(work: Callable[[Services], Awaitable[R]]) -> R:
    """Run it with the same database that a running `jetpay serve` uses."""
    configure_logging(level="warning")

    async def run() -> R:
        # An installation that must not serve as it is can still be mended by commands.
        services = await open_services(Settings.read(), check_production=False)
        try:
            return await work(services)
        finally:
            await services.close()

    return uvloop.run(run())


async def company_of(services: Services, company: UUID) -> Company:
    """Refuses `NotFound`."""
    found = await COMPANY.first(services.db, company_id=company)
    if found is None:
        raise NotFound
    return found


def show(value: Mapping[str, object], text: str, *, as_json: bool) -> None:
    """`value` for programs, `text` for people."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False) if as_json else text)


def secret_from(given: str | None, *, from_stdin: bool, option: str) -> Secret[str]:
    """From the option or, with `…-stdin`, the first line of stdin."""
    if from_stdin == (given is not None):
        raise typer.BadParameter(f"give either {option} or {option}-stdin")
    if given is not None:
        return Secret(given)
    return Secret(sys.stdin.readline(SECRET_LENGTH).rstrip("\r\n"))


def warn(sentence: str) -> None:
    """To stderr, whatever stdout is for."""
    typer.echo(sentence, err=True)


def refused_text(field: str, problem: TextProblem) -> Invalid:
    """A text that breaks the rule for texts, as an option's refusal."""
    return Invalid([FieldError(field, problem.code, problem.message)])


def sentence_of(error: Exception) -> str | None:
    """What to tell the operator, or None for a defect."""
    if isinstance(error, Invalid):
        return " ".join(f"{each.field}: {each.message}" for each in error.errors)
    if isinstance(error, NotFound):
        return "There is no such thing here: please check the identifiers."
    if isinstance(error, Refusal):
        return error.detail
    if isinstance(error, TextProblem):
        return error.message
    if isinstance(error, PoolTimeout):
        return "The database has stopped answering, or too many use it: 'jetpay check' says more."
    if isinstance(error, psycopg.OperationalError | psycopg.errors.InsufficientPrivilege):
        return f"The database cannot be used: {why_unreachable(error)}"
    told = (SettingsProblem, ServerRefused, MigrationRefused, KeyProblem, CannotListen, Failure)
    return str(error) if isinstance(error, told) else None


def leave(sentence: str, code: int) -> NoReturn:
    """One line on stderr, and out."""
    warn(" ".join(sentence.split()))
    raise SystemExit(code)


def _plain(value: object) -> str:
    """What JSON does not know: times, dates, identifiers and enums."""
    return iso(value) if isinstance(value, datetime) else str(value)
