"""Networks that a company's webhooks may call although they are private: the operator's grants."""

from datetime import datetime

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import NotFound
from jetpay.companies.refusals import TooManyNetworks
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import Actor
from jetpay.security.address_table import AllowedNetwork, parse_allowed_list

NETWORKS_LIMIT = 20

GRANTED = Query(
    tuple[str, ...],
    "select allowed_networks from company where company_id = %(company_id)s",
)
LOCK_GRANTED = Query(
    tuple[str, ...],
    "select allowed_networks from company where company_id = %(company_id)s for update",
)
ALLOW = Command(
    """
    update company set allowed_networks = array_append(allowed_networks, %(network)s)
    where company_id = %(company_id)s
    """
)
REMOVE = Command(
    """
    update company set allowed_networks = array_remove(allowed_networks, %(network)s)
    where company_id = %(company_id)s
    """
)


async def granted_networks(
    tx: OpensTransactions | Transaction, company_id: CompanyId
) -> tuple[AllowedNetwork, ...]:
    """In the order in which they were granted. Refuses `NotFound`."""
    found = await GRANTED.first(tx, company_id=company_id)
    if found is None:
        raise NotFound
    return parse_allowed_list(found)


@action
async def allow_network(
    tx: Transaction, company_id: CompanyId, network: AllowedNetwork, *, by: Actor, now: datetime
) -> None:
    """Does nothing where it is allowed already. Refuses `NotFound` and `TooManyNetworks`."""
    found = await LOCK_GRANTED.first(tx, company_id=company_id)
    if found is None:
        raise NotFound
    if str(network) in found:
        return
    if len(found) >= NETWORKS_LIMIT:
        raise TooManyNetworks(limit=NETWORKS_LIMIT)
    await ALLOW.run(tx, company_id=company_id, network=str(network))
    await _audit(tx, company_id, "allow", network, by=by, now=now)


@action
async def remove_network(
    tx: Transaction, company_id: CompanyId, network: AllowedNetwork, *, by: Actor, now: datetime
) -> None:
    """From the next call on it is refused. Refuses `NotFound` where it was not allowed."""
    found = await LOCK_GRANTED.first(tx, company_id=company_id)
    if found is None or str(network) not in found:
        raise NotFound
    await REMOVE.run(tx, company_id=company_id, network=str(network))
    await _audit(tx, company_id, "remove", network, by=by, now=now)


async def _audit(
    tx: Transaction,
    company_id: CompanyId,
    act: str,
    network: AllowedNetwork,
    *,
    by: Actor,
    now: datetime,
) -> None:
    await audit(
        tx, company_id, act=f"network.{act}", by=by, object_type="network",
        object_id=str(network), at=now,
    )  # fmt: skip
