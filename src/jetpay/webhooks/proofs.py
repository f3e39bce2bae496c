"""That a live company's address is its own: it answers a test, and for one company at a time."""

from posixpath import normpath
from typing import Final
from urllib.parse import unquote

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.vetting import parse

TAKEN: Final = (
    "Another company's webhook has this address. To have this one there as well, answer with the"
    " header X-Jetpay-Accept: {webhook_id}"
)

# Proofs are few: they go one after the other, so that of two companies at once one comes second.
LOCK_PROOFS = Query(bool, "select only_row from installation for no key update")
TAKEN_BY = Query(
    CompanyId,
    """
    select company_id from webhook
    where proved_address = %(address)s and company_id <> %(company_id)s limit 1
    """,
)
# Not the URL that was tested, if it was changed meanwhile.
PROVE = Command(
    """
    update webhook set proved_address = %(address)s
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
      and callback_url = %(callback_url)s and state = 'active' and deleted_at is null
    """
)


@action
async def prove(
    tx: Transaction,
    company_id: CompanyId,
    webhook_id: WebhookId,
    callback_url: str,
    *,
    accepted: str | None,
) -> str | None:
    """The URL answered a test with 2xx; None, or in words why that is not enough.

    `accepted`: what the answer said in `X-Jetpay-Accept`.
    """
    await LOCK_PROOFS.one(tx)
    address = address_of(callback_url)
    taken_by = await TAKEN_BY.first(tx, company_id=company_id, address=address)
    if taken_by is not None and accepted != str(webhook_id):
        return TAKEN.format(webhook_id=webhook_id)
    await PROVE.run(
        tx,
        company_id=company_id,
        webhook_id=webhook_id,
        callback_url=callback_url,
        address=address,
    )
    return None


def address_of(url: str) -> str:
    """Scheme, host, port and path, the same for every spelling; a query does not matter."""
    parsed = parse(url)
    path = normpath("/" + unquote(parsed.target.partition("?")[0]).lstrip("/"))
    return f"{parsed.scheme}://{parsed.host}:{parsed.port}{path}"
