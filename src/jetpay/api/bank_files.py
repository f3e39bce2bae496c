"""The calls about bank files: look, say that one was sent, withdraw one."""

from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import Field
from starlette.requests import Request

from jetpay.api.auth import Caller, Needs, services_of
from jetpay.api.fields import LIST_DEFAULT, After, Identifier, Limit, Page, Shown, Taken, Time
from jetpay.api.frame import router
from jetpay.api.problems import refuses
from jetpay.bank_files import actions, queries
from jetpay.bank_files.model import FileState
from jetpay.bank_files.refusals import HandOverBegan, NotTheNewest, NotWithYou
from jetpay.base.ids import BankFileId
from jetpay.companies.model import Scope

calls = router("Bank Files")
Reader = Annotated[Caller, Depends(Needs(Scope.BANK_FILES_READ))]
Writer = Annotated[Caller, Depends(Needs(Scope.BANK_FILES))]


class BankFileGiven(Shown):
    """A bank file, without any bank detail. `overdue_at`: since when the bank owes an answer."""

    identifier: UUID
    bank_account: UUID
    rail: str
    state: FileState
    number: int | None
    currency: str
    cutoff_at: Time
    value_date: date
    credit_count: int
    total: int
    size_bytes: int | None
    sha256: str | None
    created_at: Time
    sealed_at: Time | None
    sent_at: Time | None
    overdue_at: Time | None
    acknowledged_at: Time | None
    debited_at: Time | None
    debited_amount: int | None


class BankFilesGiven(Page[BankFileGiven]):
    """A page of bank files, the newest first."""


class FileAction(StrEnum):
    """What a company does with a bank file."""

    MARK_SENT = "mark_sent"
    WITHDRAW = "withdraw"


class FileActionTaken(Taken):
    """`mark_sent`: the bank has it. `withdraw`: it shall not go; its credits are held."""

    action: Annotated[FileAction, Field(strict=False)]


@calls.get("/bank_files")
async def list_bank_files(
    request: Request, caller: Reader, limit: Limit = LIST_DEFAULT, after: After = None
) -> BankFilesGiven:
    """The company's bank files, the newest first."""
    start = None if after is None else BankFileId(after)
    found = await queries.newest(
        services_of(request).db, caller.company_id, after=start, limit=limit + 1
    )
    return BankFilesGiven.of(found, BankFileGiven.model_validate, limit=limit)


@calls.get("/bank_files/{identifier}")
async def get_bank_file(request: Request, caller: Reader, identifier: Identifier) -> BankFileGiven:
    """One bank file."""
    db = services_of(request).db
    return BankFileGiven.model_validate(
        await queries.view(db, caller.company_id, BankFileId(identifier))
    )


@calls.post("/bank_files/{identifier}", responses=refuses(HandOverBegan, NotTheNewest, NotWithYou))
async def act_on_bank_file(
    request: Request, caller: Writer, identifier: Identifier, taken: FileActionTaken
) -> BankFileGiven:
    """Say that a file was sent, or withdraw one whose hand-over never began."""
    services, file = services_of(request), BankFileId(identifier)
    db, vault, company, at = services.db, services.vault, caller.company_id, caller.at
    if taken.action is FileAction.WITHDRAW:
        await actions.withdraw(db, vault, company, file, by=caller.actor, at=at)
    else:
        folder = services.settings.data_dir
        await actions.mark_sent(db, vault, company, file, folder, by=caller.actor, at=at)
    return await get_bank_file(request, caller, identifier)
