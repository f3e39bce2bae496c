"""Private networks are called by the operator's leave alone, company by company."""

import asyncio

import pytest

from jetpay.base.ids import CompanyId, uuid7
from jetpay.base.refusals import Invalid, NotFound
from jetpay.companies import networks
from jetpay.companies.networks import allow_network, granted_networks, remove_network
from jetpay.companies.refusals import TooManyNetworks
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR
from jetpay.security.address_table import parse_allowed
from jetpay.security.dial import Dialler
from jetpay.services import Services
from jetpay.settings import Settings
from jetpay.webhooks.addresses import vet_callback
from tests.companies.test_create_company import make
from tests.world import NOON

NEXT_DOOR = parse_allowed("10.1.2.0/24:9000")
HOOK = "http://10.1.2.7:9000/hook"

AUDITED = Query(
    dict[str, object],
    "select entry from audit where company_id = %(company_id)s order by audit_id",
)


@pytest.fixture
def services(apart: Services) -> Services:
    """Not those of all tests: these companies are live."""
    return apart


async def refusal(
    services: Services, company_id: CompanyId, *, sandbox: bool = False, url: str = HOOK
) -> str | None:
    """Why this URL cannot be registered, where sandboxes may call the network next door."""
    settings = Settings.model_construct(webhook_allowed_networks=(NEXT_DOOR,))
    dialler = Dialler()
    try:
        await vet_callback(services.db, dialler, settings, company_id, url, sandbox=sandbox)
    except Invalid as invalid:
        return invalid.errors[0].code
    finally:
        await dialler.close()
    return None


async def test_the_setting_serves_sandboxes_and_a_grant_the_live_company_it_names(
    services: Services,
) -> None:
    live, other = [await make(services, sandbox=False) for _ in range(2)]
    sandbox = await make(services, sandbox=True)
    assert await refusal(services, sandbox.company_id, sandbox=True) is None
    assert await refusal(services, live.company_id) == "https_only"
    await allow_network(services.db, live.company_id, NEXT_DOOR, by=OPERATOR, now=NOON)
    assert await refusal(services, live.company_id) is None
    assert await refusal(services, other.company_id) == "https_only"
    for url in ("http://10.1.2.7:9001/", "http://10.1.3.7:9000/", "https://10.1.2.7/"):
        assert await refusal(services, live.company_id, url=url) == "not_public"
    await remove_network(services.db, live.company_id, NEXT_DOOR, by=OPERATOR, now=NOON)
    assert await refusal(services, live.company_id) == "https_only"


async def test_grants_and_removals_are_audited_once_each(services: Services) -> None:
    company_id = (await make(services, sandbox=False)).company_id
    for _ in range(2):
        await allow_network(services.db, company_id, NEXT_DOOR, by=OPERATOR, now=NOON)
    assert await granted_networks(services.db, company_id) == (NEXT_DOOR,)
    await remove_network(services.db, company_id, NEXT_DOOR, by=OPERATOR, now=NOON)
    with pytest.raises(NotFound):
        await remove_network(services.db, company_id, NEXT_DOOR, by=OPERATOR, now=NOON)
    entries = await AUDITED.all(services.db, company_id=company_id)
    assert [entry["act"] for entry in entries] == ["network.allow", "network.remove"]
    assert entries[0]["object"] == {"type": "network", "id": "10.1.2.0/24:9000"}
    assert entries[0]["actor"] == {"type": "operator", "id": None}


async def test_a_company_that_is_not_there_is_not_found(services: Services) -> None:
    nobody = CompanyId(uuid7())
    with pytest.raises(NotFound):
        await allow_network(services.db, nobody, NEXT_DOOR, by=OPERATOR, now=NOON)
    with pytest.raises(NotFound):
        await granted_networks(services.db, nobody)


async def test_grants_are_counted_also_when_they_come_at_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "NETWORKS_LIMIT", 5)
    company_id = (await make(services, sandbox=False)).company_id
    wanted = [parse_allowed(f"10.0.{number}.0/24") for number in range(8)]
    grants = (allow_network(services.db, company_id, n, by=OPERATOR, now=NOON) for n in wanted)
    ended = await asyncio.gather(*grants, return_exceptions=True)
    assert [type(each) for each in ended].count(TooManyNetworks) == 3
    assert len(await granted_networks(services.db, company_id)) == 5
