"""Which addresses the webhooks of a company may go to, and how we get there."""

from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from jetpay.base.ids import CompanyId
from jetpay.companies.networks import granted_networks
from jetpay.db.transactions import OpensTransactions
from jetpay.security.address_table import AllowedNetwork
from jetpay.security.dial import Dialler, DialRefused
from jetpay.security.egress import EgressProxy
from jetpay.security.ourselves import Ourselves, Place
from jetpay.security.secrets import Secret
from jetpay.settings import Settings
from jetpay.webhooks.refusals import refused_url

USUAL_PORTS = {"http": 80, "https": 443, "smtp": 587, "smtps": 465}
POSTGRESQL_PORT = "5432"


def dialler_of(settings: Settings) -> Dialler:
    """The way out; what we are made of (page and API, database, mail server) is not outside."""
    places = [_place(settings.public_url), *_database_places(settings.database_url)]
    if settings.smtp_url is not None:
        places.append(_place(settings.smtp_url.reveal()))
    proxy = None
    if settings.egress_proxy is not None:
        proxy = EgressProxy.of(settings.egress_proxy, vets=settings.egress_proxy_vets)
        places.append(proxy.place)
    listens = settings.metrics_listen.rpartition(":")[2]
    ports = [settings.port, *([int(listens)] if listens.isdigit() else [])]
    return Dialler(ourselves=Ourselves(places, ports=ports), proxy=proxy)


def _place(url: str) -> Place:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or USUAL_PORTS[parts.scheme]


def _database_places(dsn: Secret[str] | None) -> list[Place]:
    """Every host of a connection string that is not the folder of a socket."""
    if dsn is None:
        return []
    parts = {name: str(value) for name, value in conninfo_to_dict(dsn.reveal()).items() if value}
    hosts = (parts.get("host") or "").split(",") + (parts.get("hostaddr") or "").split(",")
    ports = (parts.get("port") or POSTGRESQL_PORT).split(",")
    return [
        (host, int(port or POSTGRESQL_PORT))
        for host in hosts
        if host and not host.startswith(("/", "@"))
        for port in ports
    ]


async def allowed_networks(
    db: OpensTransactions, settings: Settings, company_id: CompanyId, *, sandbox: bool
) -> tuple[AllowedNetwork, ...]:
    """Private networks that this company may call: a live one those granted to it alone."""
    granted = await granted_networks(db, company_id)
    return (*granted, *(settings.webhook_allowed_networks if sandbox else ()))


async def vet_callback(
    db: OpensTransactions,
    dialler: Dialler,
    settings: Settings,
    company_id: CompanyId,
    callback_url: str,
    *,
    sandbox: bool,
) -> None:
    """Looks the host up, so never inside a transaction. Refuses `Invalid` for `callback_url`."""
    allowed = await allowed_networks(db, settings, company_id, sandbox=sandbox)
    try:
        await dialler.vet(callback_url, allowed)
    except DialRefused as refused:
        raise refused_url(refused.code, str(refused)) from None
