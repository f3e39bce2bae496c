"""Which addresses the webhooks of a company may go to."""

from urllib.parse import urlsplit

from jetpay.base.ids import CompanyId
from jetpay.db.transactions import OpensTransactions
from jetpay.security.address_table import AllowedNetwork
from jetpay.security.dial import Dialler, DialRefused
from jetpay.settings import Settings
from jetpay.webhooks.queries import allowed_networks
from jetpay.webhooks.refusals import refused_url

USUAL_PORTS = {
    "http": 80,
    "https": 443,
    "smtp": 25,
    "smtps": 465,
    "postgres": 5432,
    "postgresql": 5432,
}


def dialler_of(settings: Settings) -> Dialler:
    """The way out; what we are made of (page and API, database, mail server) is not outside."""
    urls = [settings.public_url]
    urls += [each.reveal() for each in (settings.database_url, settings.smtp_url) if each]
    return Dialler(guarded=[place for url in urls if (place := _place(url)) is not None])


def _place(url: str) -> tuple[str, int] | None:
    """Host and port; None for a database behind a socket or on several hosts."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return (parts.hostname, port or USUAL_PORTS[parts.scheme]) if parts.hostname else None


def networks_for_sandboxes(settings: Settings) -> tuple[AllowedNetwork, ...]:
    """`JETPAY_WEBHOOK_ALLOWED_NETWORKS`."""
    return tuple(
        AllowedNetwork(each.network, each.port) for each in settings.webhook_allowed_networks
    )


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
    allowed = await allowed_networks(
        db, company_id, sandbox=sandbox, for_sandboxes=networks_for_sandboxes(settings)
    )
    try:
        await dialler.vet(callback_url, allowed)
    except DialRefused as refused:
        raise refused_url(refused.code, str(refused)) from None
