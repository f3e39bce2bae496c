"""Batches arrive in order, without a gap, whatever the other side and our processes do."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from aiohttp import web

from jetpay.db.rows import Query
from jetpay.events.model import EventType
from jetpay.security.secrets import Secret
from jetpay.webhooks import deliver, queries
from jetpay.webhooks.claims import claim_webhooks
from jetpay.webhooks.deliver import Deliverer, run_webhooks
from jetpay.webhooks.model import WebhookState
from tests.webhooks.stage import API_KEY, Endpoint, Received, Stage, from_one, make_company

LAST_TYPE = Query(
    str,
    """
    select type from event where company_id = %(company_id)s order by event_id desc limit 1
    """,
)


def status(code: int, **headers: str) -> web.Response:
    return web.Response(status=code, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_events_arrive_in_order_in_batches_of_the_given_size(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await stage.register(endpoint.url, max_batch_size=10)
    await stage.happen(25)
    assert await stage.tick() == 3
    assert [len(call.ids) for call in endpoint.calls] == [10, 10, 5]
    assert from_one(endpoint.ids)
    after = await stage.webhook(webhook)
    assert (after.last_sent_event_id, after.state) == (25, WebhookState.ACTIVE)


async def test_the_body_is_the_guides_to_the_byte(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    [call] = endpoint.calls
    [event] = call.content["events"]
    transaction = event["data"]["transactionId"]
    at = stage.clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert (
        call.body
        == (
            f'{{"webhookId":{webhook.number},"events":[{{"id":1,"createdAt":"{at}",'
            '"type":"transactions.credits.created",'
            f'"data":{{"state":"requested","transactionId":"{transaction}"}}}}]}}'
        ).encode()
    )
    assert call.headers["Content-Type"] == "application/json"


async def test_a_webhook_begins_with_the_first_event_after_its_registration(
    stage: Stage, endpoint: Endpoint
) -> None:
    await stage.happen(3)
    await stage.register(endpoint.url)
    assert await stage.tick() == 0
    await stage.happen()
    await stage.tick()
    assert endpoint.ids == [4]


async def test_nothing_leaves_before_the_batch_is_full_or_the_wait_is_over(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await stage.register(endpoint.url, max_batch_size=3, max_wait_seconds=60)
    await stage.happen(2)
    assert await stage.tick() == 0
    assert (await stage.webhook(webhook)).state is WebhookState.SCHEDULED
    await stage.happen(2)
    await stage.tick()
    assert endpoint.ids == [1, 2, 3]
    stage.later(seconds=59)
    assert await stage.tick() == 0
    stage.later(seconds=1)
    await stage.tick()
    assert endpoint.ids == [1, 2, 3, 4]


async def test_a_sandbox_clock_that_is_ahead_delays_nothing(
    stage: Stage, endpoint: Endpoint
) -> None:
    ahead = timedelta(days=30)
    stage.company_id = await make_company(stage.db, clock_offset=ahead)
    await stage.register(endpoint.url, max_wait_seconds=60)
    await stage.happen(at=stage.clock.now() + ahead)
    assert await stage.tick() == 0
    stage.later(seconds=60)
    assert await stage.tick() == 1


@pytest.mark.parametrize("code", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
async def test_everything_but_2xx_is_a_failure(stage: Stage, endpoint: Endpoint, code: int) -> None:
    endpoint.answer = lambda _: status(code, Location=endpoint.url)
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    after = await stage.webhook(webhook)
    assert (after.state, after.last_sent_event_id) == (WebhookState.BACKING_OFF, None)
    assert len(endpoint.calls) == 1


async def test_a_batch_that_failed_goes_again_unchanged_before_anything_else(
    stage: Stage, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: status(500)
    await stage.register(endpoint.url, max_batch_size=5)
    await stage.happen(3)
    await stage.tick()
    await stage.happen(4)
    stage.later(seconds=3)
    assert await stage.tick() == 0
    stage.later(seconds=4)
    endpoint.answer = lambda _: status(204)
    await stage.tick()
    first, again, rest = endpoint.calls
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.headers["Authorization"] != again.headers["Authorization"]
    assert rest.ids == [4, 5, 6, 7]
    assert from_one(endpoint.ids)


async def test_an_answer_that_does_not_come_in_time_is_a_failure(
    stage: Stage, endpoint: Endpoint
) -> None:
    endpoint.gate = asyncio.Event()
    stage.dialler._total_seconds = 1
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    [attempt] = await stage.attempts(webhook)
    assert (attempt.status, attempt.error) == (None, "No answer came in time.")
    assert attempt.duration_ms >= 900


async def test_a_killed_worker_costs_a_double_never_a_gap(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url, max_batch_size=2)
    await stage.happen(3)
    endpoint.gate = asyncio.Event()
    killed = Deliverer(stage)
    assert await killed._start([stage.company_id], 5) == 1
    await endpoint.until(lambda: bool(endpoint.calls))
    for task in killed._tasks:
        task.cancel()
    await asyncio.gather(*killed._tasks, return_exceptions=True)
    assert (await stage.webhook(webhook)).state is WebhookState.DISPATCHING
    assert await stage.tick() == 0  # the lease still runs
    await stage.expire_leases()
    endpoint.gate = None
    await stage.tick()
    assert [call.ids for call in endpoint.calls] == [[1, 2], [1, 2], [3]]
    assert endpoint.calls[0].headers["webhook-id"] == endpoint.calls[1].headers["webhook-id"]


async def test_who_lost_the_lease_moves_no_cursor(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url)
    await stage.happen(2)
    endpoint.gate = asyncio.Event()
    slow = Deliverer(stage)
    await slow._start([stage.company_id], 5)
    await stage.expire_leases()
    token = uuid4()
    [claimed] = await claim_webhooks(stage.db, [stage.company_id], 5, token, at=stage.clock.now())
    assert claimed.webhook_id == webhook.webhook_id
    endpoint.gate.set()
    await slow.close()
    assert len(endpoint.taken) == 1
    assert (await stage.webhook(webhook)).last_sent_event_id is None


async def test_two_workers_never_have_the_same_webhook(stage: Stage, endpoint: Endpoint) -> None:
    for number in range(10):
        await stage.register(f"{endpoint.url}/{number}")
    await stage.happen()
    found = await asyncio.gather(
        *(
            claim_webhooks(stage.db, [stage.company_id], 7, uuid4(), at=stage.clock.now())
            for _ in range(6)
        )
    )
    claimed = [each.webhook_id for some in found for each in some]
    assert len(claimed) == len(set(claimed))
    assert max(len(some) for some in found) <= 7


async def test_the_running_worker_hears_of_events_at_once(
    stage: Stage, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not because it looks at all webhooks now and then."""
    monkeypatch.setattr(deliver, "LOOK_EVERY_SECONDS", 1_000)
    await stage.register(endpoint.url)
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(stage, stop))
    await asyncio.sleep(0.5)
    await stage.happen()
    await endpoint.until(lambda: endpoint.ids == [1])
    await stage.happen()
    await endpoint.until(lambda: endpoint.ids == [1, 2])
    stop.set()
    await running


async def test_retry_after_is_obeyed(stage: Stage, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: status(503, Retry_After="600")
    await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    stage.later(seconds=599)
    assert await stage.tick() == 0
    stage.later(seconds=1)
    assert await stage.tick() == 1


async def test_410_fails_the_webhook_and_revival_goes_on_where_it_stopped(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await stage.register(endpoint.url)
    await stage.happen(2)
    await stage.tick()
    endpoint.answer = lambda _: status(410)
    await stage.happen(2)
    await stage.tick()
    assert (await stage.webhook(webhook)).state is WebhookState.FAILED
    assert await LAST_TYPE.one(stage.db, company_id=stage.company_id) == EventType.WEBHOOK_FAILED
    endpoint.answer = lambda _: status(200)
    await stage.happen()
    assert await stage.tick() == 0
    revived = await stage.change(webhook, revive=True)
    assert revived.state is WebhookState.SCHEDULED
    await stage.tick()
    assert endpoint.ids == [1, 2, 3, 4, 5, 6]
    failed = endpoint.taken[-1].content["events"][0]
    assert failed["type"] == "webhooks.failed"
    assert failed["data"] == {"webhook": str(webhook.webhook_id), "reason": "gone"}


async def test_five_days_of_failure_fail_the_webhook_and_keep_its_events(
    stage: Stage, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: status(500)
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    for _ in range(30):
        await stage.tick()
        stage.later(hours=8)
    assert (await stage.webhook(webhook)).state is WebhookState.FAILED
    assert 15 <= len(endpoint.calls) <= 17
    endpoint.answer = lambda _: status(200)
    await stage.change(webhook, revive=True)
    await stage.tick()
    assert endpoint.ids == [1, 2]  # with webhooks.failed


async def test_the_companys_api_key_goes_along_and_secrets_are_in_no_log(
    stage: Stage, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Received) -> web.Response:
        return status(500)

    endpoint.answer = refuse
    webhook = await stage.register(endpoint.url, api_key=Secret(API_KEY))
    await stage.happen()
    await stage.tick()
    [call] = endpoint.calls
    assert call.headers["X-API-Key"] == API_KEY
    [secrets] = await queries.opened(stage.db, [webhook], vault=stage.vault)
    said = "".join(capsys.readouterr())
    for secret in (API_KEY, secrets.signing_secret.reveal(), call.headers["Authorization"]):
        assert secret not in said
        assert secret not in repr((webhook, secrets))
