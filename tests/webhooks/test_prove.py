"""A live company's address answers a test first, and is one company's at a time."""

import asyncio
import secrets

import pytest
from aiohttp import web

from jetpay.base.refusals import NotFound, RateLimited
from jetpay.companies.queries import business_now
from jetpay.security.vetting import URL_LENGTH
from jetpay.webhooks import actions
from jetpay.webhooks.model import Attempt, Kind, Webhook, WebhookState
from jetpay.webhooks.proofs import TAKEN, address_of
from jetpay.webhooks.testing import test as try_now
from tests.webhooks.stage import Endpoint, Received, Stage, from_one, make_company

NO_EVENT = 0


@pytest.fixture
async def live(stage: Stage) -> Stage:
    return stage.of(await make_company(stage.db, sandbox=False))


@pytest.fixture
async def thief(stage: Stage) -> Stage:
    return stage.of(await make_company(stage.db, sandbox=False))


async def try_out(stage: Stage, webhook: Webhook) -> Attempt:
    at = await business_now(stage.db, stage.company_id, stage.clock)
    return await try_now(stage, stage.company_id, webhook.webhook_id, created_at=at)


def is_test(call: Received) -> bool:
    return [event["type"] for event in call.content["events"]] == ["webhooks.test"]


def events(endpoint: Endpoint) -> list[int]:
    return [n for n in endpoint.ids if n != NO_EVENT]


def accept(webhook: Webhook) -> web.Response:
    return web.Response(headers={"X-Jetpay-Accept": str(webhook.webhook_id)})


async def test_a_live_companys_address_is_tested_before_the_first_batch(
    live: Stage, endpoint: Endpoint
) -> None:
    webhook = await live.register(endpoint.url)
    assert (await live.webhook(webhook)).state is WebhookState.SCHEDULED
    assert await live.tick() == 1  # although nothing has happened
    assert is_test(endpoint.calls[0])
    assert (await live.webhook(webhook)).state is WebhookState.ACTIVE
    live.later(seconds=1)
    await live.happen(3)
    await live.tick()
    assert len(endpoint.calls) == 2
    assert from_one(events(endpoint))
    [_, first] = await live.attempts(webhook)
    assert (first.kind, first.first_event_id, first.status) == (Kind.TEST, None, 200)


async def test_a_test_is_no_event(live: Stage, endpoint: Endpoint) -> None:
    """So it is in nobody's numbers: what came with last + 1 has missed nothing."""
    webhook = await live.register(endpoint.url)
    await live.tick()
    assert endpoint.calls[0].content == {
        "webhookId": webhook.number,
        "events": [
            {
                "id": 0,
                "createdAt": endpoint.calls[0].content["events"][0]["createdAt"],
                "type": "webhooks.test",
                "data": {"webhook": str(webhook.webhook_id)},
            }
        ],
    }
    after = await live.webhook(webhook)
    assert (after.last_event_id, after.last_sent_event_id) == (0, None)


async def test_an_address_that_does_not_answer_gets_no_event(
    live: Stage, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: web.Response(status=404)
    webhook = await live.register(endpoint.url)
    await live.happen(2)
    await live.tick()
    assert (await live.webhook(webhook)).state is WebhookState.BACKING_OFF
    stage_calls = len(endpoint.calls)
    for _ in range(30):
        live.later(hours=8)
        await live.tick()
    assert (await live.webhook(webhook)).state is WebhookState.FAILED
    assert len(endpoint.calls) > stage_calls
    assert all(is_test(call) for call in endpoint.calls)
    endpoint.answer = lambda _: web.Response()
    await live.change(webhook, revive=True)
    await live.tick()
    assert events(endpoint) == [1, 2, 3]  # with webhooks.failed


async def test_the_longest_url_there_is_can_be_kept_and_proved(
    live: Stage, endpoint: Endpoint
) -> None:
    """Of signs that no compression makes less: an index does not hold everything."""
    room = URL_LENGTH - len(endpoint.base) - 1
    long = "".join(chr(secrets.randbelow(0x4000) + 0x4E00) for _ in range(room // 3))
    await live.register(f"{endpoint.base}/{long}")
    await live.happen()
    await live.tick()
    assert endpoint.ids == [NO_EVENT, 1]


async def test_nobody_gets_his_events_to_anothers_address(
    live: Stage, thief: Stage, endpoint: Endpoint
) -> None:
    await live.register(endpoint.url)
    await live.happen(2)
    await live.tick()
    webhook = await thief.register(endpoint.url + "?mine")
    await thief.happen(5)
    for _ in range(30):
        await thief.tick()
        thief.later(hours=8)
    companies = {
        event["data"].get("webhook")
        for call in endpoint.calls[2:]
        for event in call.content["events"]
    }
    assert companies == {str(webhook.webhook_id)}  # tests, with a number that is no event's
    assert events(endpoint) == [1, 2]
    assert (await thief.webhook(webhook)).state is WebhookState.FAILED
    [*_, first] = await thief.attempts(webhook)
    assert (first.status, first.error) == (200, TAKEN.format(webhook_id=webhook.webhook_id))


async def test_an_address_may_let_a_second_company_in(
    live: Stage, thief: Stage, endpoint: Endpoint
) -> None:
    first = await live.register(endpoint.url)
    await live.tick()
    second = await thief.register(endpoint.url)
    await thief.happen(2)
    endpoint.answer = lambda _: accept(first)  # not the one that asks
    await thief.tick()
    assert events(endpoint) == []
    endpoint.answer = lambda _: accept(second)
    thief.later(seconds=7)
    await thief.tick()
    assert events(endpoint) == [1, 2]


async def test_of_two_at_the_same_moment_one_has_the_address(
    live: Stage, thief: Stage, endpoint: Endpoint
) -> None:
    endpoint.delay_seconds = 0.1
    stages = [live, thief, *[live.of(await make_company(live.db, sandbox=False)) for _ in "abc"]]
    for each in stages:
        await each.register(endpoint.url)
        await each.happen()
    await asyncio.gather(*(each.tick() for each in stages))
    assert events(endpoint) == [1]


async def test_another_webhook_of_the_same_company_may_be_there(
    live: Stage, endpoint: Endpoint
) -> None:
    for query in ("?a", "?b"):
        await live.register(endpoint.url + query)
    await live.happen()
    await live.tick()
    assert events(endpoint) == [1, 1]


@pytest.mark.parametrize("how", ["deleted", "moved", "failed"])
async def test_who_has_left_an_address_holds_it_no_longer(
    live: Stage, thief: Stage, endpoint: Endpoint, how: str
) -> None:
    first = await live.register(endpoint.url)
    await live.tick()
    if how == "deleted":
        await actions.delete(live.db, live.company_id, first.webhook_id, at=live.clock.now())
    elif how == "moved":
        await live.change(first, callback_url=endpoint.url + "/elsewhere")
    else:
        endpoint.answer = lambda _: web.Response(status=410)
        await live.happen()
        await live.tick()
        endpoint.answer = lambda _: web.Response()
    second = await thief.register(endpoint.url)
    await thief.happen(1)
    await thief.tick()
    assert (await thief.webhook(second)).last_sent_event_id == 1
    if how == "failed":  # and comes back only by leave
        await live.change(first, revive=True)
        await live.tick()
        assert (await live.webhook(first)).state is WebhookState.BACKING_OFF


async def test_a_changed_url_is_tested_before_it_gets_anything(
    live: Stage, endpoint: Endpoint
) -> None:
    webhook = await live.register(endpoint.url)
    await live.happen()
    await live.tick()
    endpoint.answer = lambda call: web.Response(status=500 if is_test(call) else 200)
    await live.change(webhook, callback_url=endpoint.url + "/new")
    await live.happen()
    await live.tick()
    assert events(endpoint) == [1]
    endpoint.answer = lambda _: web.Response()
    live.later(seconds=7)
    await live.tick()
    assert events(endpoint) == [1, 2]


async def test_a_test_of_the_old_url_proves_nothing_of_the_new_one(
    live: Stage, endpoint: Endpoint
) -> None:
    webhook = await live.register(endpoint.url)
    endpoint.gate = asyncio.Event()
    testing = asyncio.create_task(try_out(live, webhook))
    await endpoint.until(lambda: bool(endpoint.calls))
    await live.change(webhook, callback_url=endpoint.url + "/new")
    endpoint.gate.set()
    await testing
    assert (await live.webhook(webhook)).is_unproved


async def test_a_sandboxs_address_needs_no_proof(stage: Stage, endpoint: Endpoint) -> None:
    await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    assert endpoint.ids == [1]


@pytest.mark.parametrize(
    "url",
    [
        "https://Example.com/hook",
        "https://example.com:443/hook",
        "https://example.com/hook/",
        "https://example.com//hook",
        "https://example.com/a/../hook",
        "https://example.com/h%6Fok",
        "https://example.com/hook?a=b",
    ],
)
def test_an_address_has_one_spelling(url: str) -> None:
    assert address_of(url) == "https://example.com:443/hook"


@pytest.mark.parametrize(
    "url",
    ["https://example.com/Hook", "https://example.com:8443/hook", "https://a.example.com/hook"],
)
def test_another_address_is_another(url: str) -> None:
    assert address_of(url) != address_of("https://example.com/hook")


# ------------------------------------------------------------------------ tests on demand
async def test_a_test_is_made_at_once_whatever_waits(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url, max_wait_seconds=3600)
    await stage.happen(3)
    made = await try_out(stage, webhook)
    assert [is_test(call) for call in endpoint.calls] == [True]
    assert (made.kind, made.status, made.error) == (Kind.TEST, 200, None)
    assert await stage.attempts(webhook) == [made]


async def test_a_failed_webhook_can_be_tested_and_stays_failed(
    stage: Stage, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: web.Response(status=410)
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    assert (await try_out(stage, webhook)).status == 410
    endpoint.answer = lambda _: web.Response(text="here again")
    assert (await try_out(stage, webhook)).status == 200
    assert (await stage.webhook(webhook)).state is WebhookState.FAILED


async def test_a_test_proves_a_live_companys_address(live: Stage, endpoint: Endpoint) -> None:
    webhook = await live.register(endpoint.url)
    await try_out(live, webhook)
    assert not (await live.webhook(webhook)).is_unproved
    await live.happen()
    await live.tick()
    assert len(endpoint.calls) == 2


async def test_a_company_may_make_six_tests_a_minute(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url)
    results = await asyncio.gather(
        *(try_out(stage, webhook) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(each, RateLimited) for each in results) == 4
    assert len(endpoint.calls) == 6
    other = stage.of(await make_company(stage.db))
    await try_out(other, await other.register(endpoint.url))
    stage.later(seconds=71)
    await try_out(stage, webhook)


async def test_another_companys_webhook_cannot_be_tested(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url)
    with pytest.raises(NotFound):
        await try_out(stage.of(await make_company(stage.db)), webhook)
    assert endpoint.calls == []


async def test_a_tests_time_is_the_companys(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url)
    at = stage.clock.now().replace(year=2030)
    await try_now(stage, stage.company_id, webhook.webhook_id, created_at=at)
    [event] = endpoint.calls[0].content["events"]
    assert event["createdAt"].startswith("2030")
