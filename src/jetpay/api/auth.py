"""Who calls: the API token, its scopes, and its company's time; before any body is read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from fastapi.openapi.models import HTTPBearer as BearerScheme
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from jetpay.base.ids import CompanyId, TokenId
from jetpay.base.refusals import Unauthorized
from jetpay.companies.model import INCLUDES, Scope
from jetpay.companies.refusals import LacksScope
from jetpay.companies.tokens import HOLDER, note_use
from jetpay.events.model import Actor, ActorKind
from jetpay.security.proxies import client_address
from jetpay.security.tokens import parse_api_token
from jetpay.services import Services

BEARER: Final = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A known token that has the scope of the call. `at`: the company's business time."""

    company_id: CompanyId
    token_id: TokenId
    scopes: frozenset[str]
    sandbox: bool
    short_id: int
    at: datetime

    @property
    def actor(self) -> Actor:
        return Actor(ActorKind.TOKEN, self.token_id)

    def has(self, scope: Scope) -> bool:
        """Whether the token has the scope or one that includes it."""
        return allows(self.scopes, scope)


def allows(scopes: frozenset[str], scope: Scope) -> bool:
    """`credits` allows what `credits:read` does."""
    return scope in scopes or any(
        scope in included for wide, included in INCLUDES.items() if wide in scopes
    )


def services_of(request: Request) -> Services:
    """What the application was made with."""
    return cast("Services", request.app.state.services)


def bearer_token(request: Request) -> bytes | None:
    """The digest of a well-formed token in the one `Authorization` header, else None."""
    headers = request.headers.getlist("authorization")
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    return parse_api_token(token.strip()) if scheme.lower() == BEARER else None


async def authenticate(request: Request, scope: Scope) -> Caller:
    """Raises `Unauthorized` (whatever is wrong with the token, its network too) or `LacksScope`."""
    services = services_of(request)
    digest = bearer_token(request)
    if digest is None:
        raise Unauthorized
    now = services.clock.now()
    client = client_address(request.scope, services.settings.trusted_proxies)
    holder = await HOLDER.first(services.db, digest=digest, client=client, now=now)
    if holder is None:
        raise Unauthorized
    if not allows(frozenset(holder.scopes), scope):
        raise LacksScope(scope=scope.value)
    await note_use(services.db, holder, now=now)
    return Caller(
        company_id=holder.company_id,
        token_id=holder.token_id,
        scopes=frozenset(holder.scopes),
        sandbox=holder.sandbox,
        short_id=holder.short_id,
        at=now + holder.clock_offset,
    )


class Needs(SecurityBase):
    """A dependency that names the scope of a call: `Annotated[Caller, Depends(Needs(…))]`.

    `Call` (in `frame.py`) looks it up and authenticates before it reads the body.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.scheme_name = "API token"
        self.model = BearerScheme(
            bearerFormat="jetpay_live_… or jetpay_test_…",
            description="An API token; each call names the scope it needs.",
        )

    async def __call__(self, request: Request) -> Caller:
        return cast("Caller", request.state.caller)
