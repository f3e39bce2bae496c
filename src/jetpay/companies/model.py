"""What a company, a member's role and an API token's scopes are."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jetpay.base.ids import CompanyId, QuestionId, TokenId


class Scope(StrEnum):
    """What an API token may be allowed."""

    CONTACTS = "contacts"
    CREDITS = "credits"
    CREDITS_READ = "credits:read"
    BANK_ACCOUNTS = "bank_accounts"
    BANK_FILES = "bank_files"
    BANK_FILES_READ = "bank_files:read"
    WEBHOOKS = "webhooks"
    EVENTS_READ = "events:read"
    SANDBOX = "sandbox"


INCLUDES = {
    Scope.CREDITS: frozenset({Scope.CREDITS_READ}),
    Scope.BANK_FILES: frozenset({Scope.BANK_FILES_READ}),
}
"""A scope that needs no other one to be given beside it."""


class Role(StrEnum):
    """What a member may do in the dashboard."""

    OWNER = "owner"
    ADMIN = "admin"
    APPROVER = "approver"
    PREPARER = "preparer"
    DEVELOPER = "developer"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Company:
    """`short_id`: the pseudonym in links; `clock_offset`: how far a sandbox is ahead."""

    company_id: CompanyId
    short_id: int
    name: str
    sandbox: bool
    clock_offset: timedelta
    question_id: QuestionId | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """A living token and its company, as found by the token's digest and who sent it."""

    company_id: CompanyId
    token_id: TokenId
    scopes: tuple[str, ...]
    sandbox: bool
    short_id: int
    clock_offset: timedelta
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Question:
    """A version of a security question; the answer is stored as a hash alone."""

    question_id: QuestionId
    question: str
    answer_hash: str
    pepper_key_id: int
