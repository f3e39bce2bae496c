"""Commands about API tokens."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from uuid import UUID

import typer

from jetpay.base.clock import iso
from jetpay.base.ids import CompanyId, TokenId
from jetpay.cli.frame import (
    AsJson,
    CompanyOption,
    Failure,
    company_of,
    show,
    warn,
    with_services,
)
from jetpay.companies import tokens
from jetpay.companies.model import Scope
from jetpay.services import Services


def create_token(
    *,
    company: CompanyOption,
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be repeated.")],
    expires_at: Annotated[
        str | None,
        typer.Option(help="2027-01-31T00:00Z, say. A live token ends after 365 days without."),
    ] = None,
    max_amount: Annotated[
        int | None, typer.Option(min=1, help="Of one credit, in minor units.")
    ] = None,
    max_per_day: Annotated[
        int | None, typer.Option(min=1, help="Of a day's credits (UTC) together, in minor units.")
    ] = None,
    allow_network: Annotated[
        list[str] | None, typer.Option(help="Where it may come from; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token; it is shown once."""
    limits = tokens.TokenLimits(
        max_amount=max_amount,
        max_per_day=max_per_day,
        networks=None if not allow_network else [_network(each) for each in allow_network],
    )
    until = None if expires_at is None else _time(expires_at)

    async def work(services: Services) -> tokens.NewToken:
        now = services.clock.now()
        if until is not None and until <= now:
            raise Failure("--expires-at is in the past.")
        return await tokens.create_token(
            services.db, CompanyId(company), name=name, scopes=scope, now=now,
            expires_at=until, limits=limits,
        )  # fmt: skip

    new = with_services(work)
    token = new.token.reveal()
    show({"identifier": new.token_id, "token": token}, token, as_json=as_json)
    if not as_json:
        warn(f"Its identifier, by which it can be revoked: {new.token_id}")


def list_tokens(company: CompanyOption, as_json: AsJson = False) -> None:
    """Name a company's API tokens; none is shown itself."""

    async def work(services: Services) -> list[tokens.TokenShown]:
        company_id = (await company_of(services, company)).company_id
        return await tokens.TOKENS.all(
            services.db, company_id=company_id, maximum=tokens.TOKENS_SHOWN
        )

    found = with_services(work)
    listed = [{"identifier": each.token_id} | _token(each) for each in found]
    lines = [
        f"{each.token_id}  …{each.last4}  {'revoked' if each.revoked_at else each.name}"
        f"  {' '.join(each.scopes)}  last used"
        f" {iso(each.last_used_at) if each.last_used_at else 'never'}"
        for each in found
    ]
    show({"data": listed}, "\n".join(lines) or "No token yet.", as_json=as_json)


def _token(token: tokens.TokenShown) -> dict[str, object]:
    names = ("name", "scopes", "last4", "created_at", "expires_at", "revoked_at", "last_used_at")
    return {name: getattr(token, name) for name in names}


def revoke_token(
    company: CompanyOption,
    token: Annotated[str, typer.Argument(help="The token's identifier, not the token.")],
    as_json: AsJson = False,
) -> None:
    """End an API token at once."""
    try:
        token_id = TokenId(UUID(token))
    except ValueError:
        sentence = "give the token's identifier: 'jetpay token list' names it"
        raise typer.BadParameter(sentence) from None

    async def work(services: Services) -> None:
        await tokens.revoke_token(
            services.db, CompanyId(company), token_id, now=services.clock.now()
        )

    with_services(work)
    show({"identifier": token_id}, f"{token_id} is revoked.", as_json=as_json)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = datetime.min  # noqa: DTZ901 - has no zone, either
    if time.tzinfo is None:
        sentence = f"'{text}' is no time with a zone, as in 2027-01-31T00:00Z"
        raise typer.BadParameter(sentence)
    return time


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        sentence = f"'{text}' is no network, as in 192.0.2.0/24"
        raise typer.BadParameter(sentence) from None
