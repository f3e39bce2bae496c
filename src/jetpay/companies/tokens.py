"""API tokens: shown once, stored as a digest, found by it before the company is known."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID

from jetpay.base.ids import CompanyId, TokenId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.base.text import NAME_LENGTH, clean
from jetpay.companies.model import Scope, TokenHolder
from jetpay.companies.queries import COMPANY
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.security.secrets import Secret
from jetpay.security.tokens import make_api_token

LIVE_TOKEN_LIFE = timedelta(days=365)
USE_NOTED_EVERY = timedelta(minutes=1)

TOKENS_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class TokenShown:
    """A token without what would let anybody in; `last4`: its last characters."""

    token_id: UUID
    name: str
    scopes: list[str]
    last4: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


ADD = Command(
    """
    insert into api_token (company_id, token_id, sandbox, digest, last4, name, scopes, made_by,
                           max_amount, max_per_day, allowed_networks, created_at, expires_at)
    values (%(company_id)s, %(token_id)s, %(sandbox)s, %(digest)s, %(last4)s, %(name)s,
            %(scopes)s, %(made_by)s, %(max_amount)s, %(max_per_day)s, %(networks)s::cidr[],
            %(now)s, %(expires_at)s)
    """
)
REVOKE = Command(
    """
    update api_token set revoked_at = coalesce(revoked_at, %(now)s)
    where company_id = %(company_id)s and token_id = %(token_id)s
    """
)
HOLDER = Query(
    TokenHolder,
    """
    select t.company_id, t.token_id, t.scopes, t.sandbox, c.short_id, c.clock_offset,
           t.last_used_at
    from api_token t join company c on c.company_id = t.company_id
    where t.digest = %(digest)s and t.revoked_at is null
      and (t.expires_at is null or t.expires_at > %(now)s)
      and (t.allowed_networks is null
           or coalesce(%(client)s::inet <<= any(t.allowed_networks), false))
    """,
)
TOKENS = Query(
    TokenShown,
    """
    select token_id, name, scopes, last4, created_at, expires_at, revoked_at, last_used_at
    from api_token where company_id = %(company_id)s order by token_id limit %(maximum)s
    """,
)
NOTE_USE = Command(
    """
    update api_token set last_used_at = %(now)s
    where company_id = %(company_id)s and token_id = %(token_id)s
      and (last_used_at is null or last_used_at < %(before)s)
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimits:
    """What a token is held to; amounts in minor units."""

    max_amount: int | None = None
    max_per_day: int | None = None
    networks: Sequence[IPv4Network | IPv6Network] | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """`token` is shown once and never again."""

    token_id: TokenId
    token: Secret[str]


NO_LIMITS = TokenLimits()


@action
async def create_token(
    tx: Transaction,
    company_id: CompanyId,
    *,
    name: str,
    scopes: Sequence[Scope],
    now: datetime,
    expires_at: datetime | None = None,
    limits: TokenLimits = NO_LIMITS,
    made_by: UUID | None = None,
) -> NewToken:
    """Live or test as the company is; a live one ends after a year unless `expires_at` is given.

    Refuses `NotFound` for an unknown company, `TextProblem` for the name.
    """
    company = await COMPANY.first(tx, company_id=company_id)
    if company is None:
        raise NotFound
    token = make_api_token(company.sandbox)
    token_id = TokenId(uuid7())
    life = None if company.sandbox else now + LIVE_TOKEN_LIFE
    text = token.reveal()
    await ADD.run(
        tx,
        company_id=company_id,
        token_id=token_id,
        sandbox=company.sandbox,
        digest=hashlib.sha256(text.encode("ascii")).digest(),
        last4=text[-4:],
        name=clean(name, minimum=1, maximum=NAME_LENGTH),
        scopes=sorted({scope.value for scope in scopes}),
        made_by=made_by,
        max_amount=limits.max_amount,
        max_per_day=limits.max_per_day,
        networks=None if limits.networks is None else [str(each) for each in limits.networks],
        now=now,
        expires_at=expires_at or life,
    )
    return NewToken(token_id, token)


@action
async def revoke_token(
    tx: Transaction, company_id: CompanyId, token_id: TokenId, *, now: datetime
) -> None:
    """It holds from the next statement on. Refuses `NotFound`."""
    if not await REVOKE.run(tx, company_id=company_id, token_id=token_id, now=now):
        raise NotFound


async def note_use(db: OpensTransactions, holder: TokenHolder, *, now: datetime) -> None:
    """Remember when the token was last used, at most once a minute."""
    before = now - USE_NOTED_EVERY
    if holder.last_used_at is None or holder.last_used_at < before:
        await NOTE_USE.run(
            db,
            company_id=holder.company_id,
            token_id=holder.token_id,
            now=now,
            before=before,
        )
