"""Commands about bank files, the ledger and the sandbox's clock."""

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import typer

from jetpay.bank_files import actions, queries
from jetpay.bank_files.queries import BankFileView
from jetpay.base.clock import iso
from jetpay.base.ids import BankFileId, CompanyId
from jetpay.base.money import Currency, format_money
from jetpay.cli.frame import (
    AsJson,
    CompanyOption,
    Failure,
    company_of,
    show,
    with_services,
)
from jetpay.events.model import OPERATOR
from jetpay.ledger.prove import Proof, prove
from jetpay.services import Services
from jetpay.worker.advance import Advanced
from jetpay.worker.advance import advance as advance_clock

FileArgument = Annotated[UUID, typer.Argument(metavar="FILE", help="The file's identifier.")]
LIST_MAXIMUM = 200


def list_files(
    company: CompanyOption,
    limit: Annotated[int, typer.Option(min=1, max=LIST_MAXIMUM)] = 50,
    after: Annotated[UUID | None, typer.Option(help="Go on after this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """The company's bank files, newest first."""

    async def work(services: Services) -> list[BankFileView]:
        start = None if after is None else BankFileId(after)
        return await queries.newest(services.db, CompanyId(company), after=start, limit=limit)

    found = with_services(work)
    following = found[-1].identifier if len(found) == limit else None
    listed = {"data": [asdict(each) for each in found], "next": following}
    show(listed, "\n".join(map(_line, found)) or "No bank file yet.", as_json=as_json)


def show_file(company: CompanyOption, file: FileArgument, as_json: AsJson = False) -> None:
    """One bank file; no bank details."""

    async def work(services: Services) -> BankFileView:
        return await queries.view(services.db, CompanyId(company), BankFileId(file))

    found = asdict(with_services(work))
    show(found, "\n".join(f"{name:16} {value}" for name, value in found.items()), as_json=as_json)


def mark_sent(company: CompanyOption, file: FileArgument, as_json: AsJson = False) -> None:
    """Say that the bank has a file that you handed over."""

    async def work(services: Services) -> BankFileView:
        company_id, file_id = CompanyId(company), BankFileId(file)
        at = await _now(services, company)
        await actions.mark_sent(
            services.db, services.vault, company_id, file_id, services.settings.data_dir,
            by=OPERATOR, at=at,
        )  # fmt: skip
        return await queries.view(services.db, company_id, file_id)

    _show_state(with_services(work), as_json=as_json)


def withdraw(company: CompanyOption, file: FileArgument, as_json: AsJson = False) -> None:
    """Take a file back whose hand-over never began; its credits are held."""

    async def work(services: Services) -> BankFileView:
        company_id, file_id = CompanyId(company), BankFileId(file)
        at = await _now(services, company)
        await actions.withdraw(services.db, services.vault, company_id, file_id, by=OPERATOR, at=at)
        return await queries.view(services.db, company_id, file_id)

    _show_state(with_services(work), as_json=as_json)


def write_file(
    company: CompanyOption,
    file: FileArgument,
    to: Annotated[Path, typer.Option(help="A new file; it holds account numbers in clear.")],
    as_json: AsJson = False,
) -> None:
    """Take a file to hand it to the bank yourself; then say so with mark-sent."""

    async def work(services: Services) -> tuple[bytes, BankFileView]:
        company_id, file_id = CompanyId(company), BankFileId(file)
        at = await _now(services, company)
        text = await actions.write_out(
            services.db, services.vault, company_id, file_id, services.settings.data_dir,
            by=OPERATOR, at=at, now=services.clock.now(),
        )  # fmt: skip
        return text, await queries.view(services.db, company_id, file_id)

    # Opened first: what could not be written must not be taken for handed over.
    with _new_file(to) as handle:
        try:
            text, found = with_services(work)
            handle.write(text)
        except BaseException:
            to.unlink()
            raise
    _show_state(found, as_json=as_json)


def send_again(company: CompanyOption, file: FileArgument, as_json: AsJson = False) -> None:
    """Hand the same bytes over once more; only if you know that the bank has not got them."""

    async def work(services: Services) -> BankFileView:
        company_id, file_id = CompanyId(company), BankFileId(file)
        at = await _now(services, company)
        await actions.send_again(
            services.db, company_id, file_id, by=OPERATOR, at=at, now=services.clock.now()
        )
        return await queries.view(services.db, company_id, file_id)

    _show_state(with_services(work), as_json=as_json)


def prove_ledger(as_json: AsJson = False) -> None:
    """Prove that ledger, credits and bank files agree, for every company."""

    async def work(services: Services) -> Proof:
        return await prove(services.db)

    proof = with_services(work)
    summary = f"The books agree (companies: {proof.companies}, credits: {proof.credits})."
    lines = [
        f"{each.company_id} {each.what} {each.subject_id or ''} {each.account}: expected"
        f" {each.expected}, found {each.found} {each.currency}"
        for each in proof.differences
    ]
    shown = {"ok": proof.clean, **asdict(proof)}
    show(shown, "\n".join(lines) or summary, as_json=as_json)
    if not proof.clean:
        raise typer.Exit(1)


def advance(
    company: CompanyOption,
    days: Annotated[int, typer.Option(min=0, help="How far to turn the clock.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Turn a sandbox company's clock and do all that is due by then."""

    async def work(services: Services) -> Advanced:
        return await advance_clock(services, (await company_of(services, company)).company_id, days)

    done = with_services(work)
    show(asdict(done), f"It is now {iso(done.now)} for this company.", as_json=as_json)


def _new_file(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.fdopen(os.open(path, flags, 0o600), "wb")
    except OSError as error:
        raise Failure(f"{path} cannot be written ({error.strerror}).") from None


async def _now(services: Services, company: UUID) -> datetime:
    return services.clock.now() + (await company_of(services, company)).clock_offset


def _show_state(file: BankFileView, *, as_json: bool) -> None:
    show({"identifier": file.identifier, "state": file.state}, _line(file), as_json=as_json)


def _line(file: BankFileView) -> str:
    total = format_money(file.total, Currency(file.currency), "en")
    return f"{file.identifier}  {file.state.value:12} {file.credit_count:6} credits  {total}"
