"""Commands that let a company's webhooks into networks that are not public."""

from typing import Annotated
from uuid import UUID

import typer

from jetpay.base.ids import CompanyId
from jetpay.cli.frame import AsJson, CompanyOption, show, with_services
from jetpay.companies import networks
from jetpay.events.model import OPERATOR
from jetpay.security.address_table import AllowedNetwork, parse_allowed
from jetpay.services import Services


def _network(text: str) -> AllowedNetwork:
    try:
        return parse_allowed(text)
    except ValueError:
        raise typer.BadParameter(
            "give a network such as 10.1.2.0/24, 10.1.2.7:9200 or [fd00:1::/64]:9200;"
            " metadata and multicast addresses and networks wider than /8 cannot be allowed"
        ) from None


Network = Annotated[
    AllowedNetwork,
    typer.Argument(parser=_network, metavar="NETWORK[:PORT]", help="Such as 10.1.2.0/24:9200."),
]


def allow_network(company: CompanyOption, network: Network, as_json: AsJson = False) -> None:
    """Let a company's webhooks call a network that is not public, also with plain http."""

    async def work(services: Services) -> tuple[AllowedNetwork, ...]:
        company_id, now = CompanyId(company), services.clock.now()
        await networks.allow_network(services.db, company_id, network, by=OPERATOR, now=now)
        return await networks.granted_networks(services.db, company_id)

    _show(company, with_services(work), as_json=as_json)


def list_networks(company: CompanyOption, as_json: AsJson = False) -> None:
    """Name the networks that a company's webhooks may call although they are not public."""

    async def work(services: Services) -> tuple[AllowedNetwork, ...]:
        return await networks.granted_networks(services.db, CompanyId(company))

    _show(company, with_services(work), as_json=as_json)


def remove_network(company: CompanyOption, network: Network, as_json: AsJson = False) -> None:
    """Take a network back; the next call is refused."""

    async def work(services: Services) -> tuple[AllowedNetwork, ...]:
        company_id, now = CompanyId(company), services.clock.now()
        await networks.remove_network(services.db, company_id, network, by=OPERATOR, now=now)
        return await networks.granted_networks(services.db, company_id)

    _show(company, with_services(work), as_json=as_json)


def _show(company: UUID, allowed: tuple[AllowedNetwork, ...], *, as_json: bool) -> None:
    told = [str(each) for each in allowed]
    value = {"identifier": company, "allowed_networks": told}
    show(value, "\n".join(told) or "No network is allowed.", as_json=as_json)
