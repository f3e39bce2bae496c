"""Events go once more on demand, marked, beside the live ones and without disturbing them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import Invalid, NotFound
from jetpay.webhooks import actions
from jetpay.webhooks.deliver import Deliverer
from jetpay.webhooks.model import Start, Webhook, WebhookState
from jetpay.webhooks.refusals import ReplayUnderWay
from jetpay.webhooks.replays import Replay, replay
from tests.webhooks.stage import Endpoint, Received, Stage, from_one, make_company

MARK = "X-Jetpay-Replay"


async def replayed(stage: Stage, webhook: Webhook, event_id: int) -> Replay:
    return await replay(
        stage.db,
        stage.company_id,
        webhook.webhook_id,
        Start(event_id, prefix="from"),
        now=stage.clock.now(),
    )


def live(endpoint: Endpoint) -> list[int]:
    return [n for call in endpoint.taken if MARK not in call.headers for n in call.ids]


def again(endpoint: Endpoint) -> list[int]:
    return [n for call in endpoint.taken if MARK in call.headers for n in call.ids]


async def delivered(stage: Stage, endpoint: Endpoint, count: int, **fields: int) -> Webhook:
    webhook = await stage.register(endpoint.url, **{"max_batch_size": 2} | fields)
    await stage.happen(count)
    await stage.tick()
    return webhook


async def test_replayed_events_are_marked_and_are_messages_of_their_own(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await delivered(stage, endpoint, 5)
    begun = await replayed(stage, webhook, 2)
    assert (begun.first_event_id, begun.last_event_id, begun.sent_through) == (2, 5, 1)
    assert (await stage.webhook(webhook)).state is WebhookState.SCHEDULED
    await stage.tick()
    assert [call.headers.get(MARK) for call in endpoint.calls] == [None] * 3 + ["2-5"] * 2
    assert again(endpoint) == [2, 3, 4, 5]
    ids = [call.headers["webhook-id"] for call in endpoint.calls]
    assert len(set(ids)) == len(ids)
    after = await stage.webhook(webhook)
    assert (after.state, after.last_sent_event_id) == (WebhookState.ACTIVE, 5)
    kinds = [(each.kind.value, each.first_event_id) for each in await stage.attempts(webhook)]
    assert sorted(kinds) == [("live", 1), ("live", 3), ("live", 5), ("replay", 2), ("replay", 4)]


async def test_live_events_keep_their_order_and_their_turn(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await delivered(stage, endpoint, 20)

    def as_if_time_passed(_: Received) -> web.Response:
        stage.later(milliseconds=1)
        return web.Response()

    endpoint.answer = as_if_time_passed
    await replayed(stage, webhook, 1)
    await stage.happen(20)
    await stage.tick()
    marked = [MARK in call.headers for call in endpoint.calls[10:]]
    assert marked == [True, False] * 10
    assert live(endpoint) == list(range(1, 41))
    assert from_one(again(endpoint))
    assert len(again(endpoint)) == 20


async def test_one_call_at_a_time_also_with_a_replay(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await delivered(stage, endpoint, 6)
    await replayed(stage, webhook, 1)
    await stage.happen(6)
    endpoint.delay_seconds = 0.05
    workers = [Deliverer(stage) for _ in range(3)]
    while sum(await asyncio.gather(*(each.tick(stage.company_id) for each in workers))):
        pass
    assert endpoint.most_at_once == 1
    assert live(endpoint) == list(range(1, 13))
    assert again(endpoint) == list(range(1, 7))


async def test_a_killed_worker_goes_on_with_the_replay(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await delivered(stage, endpoint, 4)
    await replayed(stage, webhook, 1)
    endpoint.gate = asyncio.Event()
    killed = Deliverer(stage)
    assert await killed._start([stage.company_id], 5) == 1
    await endpoint.until(lambda: len(endpoint.calls) == 3)
    for task in killed._tasks:
        task.cancel()
    await asyncio.gather(*killed._tasks, return_exceptions=True)
    await stage.expire_leases()
    endpoint.gate = None
    await stage.tick()
    assert [call.ids for call in endpoint.calls[2:]] == [[1, 2], [1, 2], [3, 4]]
    assert endpoint.calls[2].headers["webhook-id"] == endpoint.calls[3].headers["webhook-id"]


async def test_a_replay_that_fails_backs_off_by_itself(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await delivered(stage, endpoint, 2)
    endpoint.answer = lambda call: web.Response(status=500 if MARK in call.headers else 200)
    await replayed(stage, webhook, 1)
    await stage.tick()
    assert (await stage.webhook(webhook)).state is WebhookState.BACKING_OFF
    await stage.happen(4)
    await stage.tick()
    assert live(endpoint) == [1, 2, 3, 4, 5, 6]
    assert sum(MARK in call.headers for call in endpoint.calls) == 1
    stage.later(seconds=7)
    await stage.tick()
    stage.later(seconds=7)  # the second pause is longer
    await stage.tick()
    assert sum(MARK in call.headers for call in endpoint.calls) == 2
    endpoint.answer = lambda _: web.Response()
    stage.later(seconds=40)
    await stage.tick()
    assert again(endpoint) == [1, 2]


async def test_while_the_live_batch_fails_the_replay_waits(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await delivered(stage, endpoint, 2)
    endpoint.answer = lambda _: web.Response(status=500)
    await stage.happen()
    await stage.tick()
    await replayed(stage, webhook, 1)
    assert await stage.tick() == 0
    endpoint.answer = lambda _: web.Response()
    stage.later(seconds=7)
    await stage.tick()
    assert [call.ids for call in endpoint.taken] == [[1, 2], [3], [1, 2]]


async def test_a_replay_answered_with_410_or_for_five_days_with_nothing_fails_the_webhook(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await delivered(stage, endpoint, 2)
    endpoint.answer = lambda _: web.Response(status=500)
    await replayed(stage, webhook, 1)
    for _ in range(30):
        await stage.tick()
        stage.later(hours=8)
    assert (await stage.webhook(webhook)).state is WebhookState.FAILED
    await stage.change(webhook, revive=True)
    endpoint.answer = lambda call: web.Response(status=410 if MARK in call.headers else 200)
    await stage.tick()
    assert (await stage.webhook(webhook)).state is WebhookState.FAILED
    endpoint.answer = lambda _: web.Response()
    await stage.change(webhook, revive=True)
    await stage.tick()
    assert again(endpoint) == [1, 2]
    assert live(endpoint) == [1, 2, 3, 4]  # with two times webhooks.failed


async def test_a_company_has_one_replay_at_a_time(stage: Stage, endpoint: Endpoint) -> None:
    one = await delivered(stage, endpoint, 4)
    other = await stage.register(endpoint.url + "/other")
    await stage.happen(2)
    await stage.tick()
    await replayed(stage, one, 3)
    with pytest.raises(ReplayUnderWay):
        await replayed(stage, other, 5)
    begun = await replayed(stage, one, 3)
    assert (begun.first_event_id, begun.last_event_id) == (3, 6)
    assert (await replayed(stage, one, 2)).first_event_id == 2
    await actions.delete(stage.db, stage.company_id, one.webhook_id, at=stage.clock.now())
    assert (await replayed(stage, other, 5)).webhook_id == other.webhook_id


async def test_the_same_replay_asked_for_again_goes_on(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await delivered(stage, endpoint, 6)
    await replayed(stage, webhook, 1)
    worker = Deliverer(stage)
    await worker._start([stage.company_id], 5)
    await worker._finish()
    assert (await replayed(stage, webhook, 1)).sent_through == 2
    await worker.tick(stage.company_id)
    assert from_one(again(endpoint))


async def test_a_batch_of_a_replay_that_was_replaced_moves_nothing(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await delivered(stage, endpoint, 4)
    await replayed(stage, webhook, 1)
    endpoint.gate = asyncio.Event()
    worker = Deliverer(stage)
    await worker._start([stage.company_id], 5)
    await endpoint.until(lambda: len(endpoint.calls) == 3)
    await replayed(stage, webhook, 3)
    endpoint.gate.set()
    await worker._finish()
    await worker.tick(stage.company_id)
    assert again(endpoint) == [1, 2, 3, 4]


@pytest.mark.parametrize("start", [Start(0), Start(4), Start(99)])
async def test_only_what_was_sent_can_be_sent_again(
    stage: Stage, endpoint: Endpoint, start: Start
) -> None:
    webhook = await delivered(stage, endpoint, 3)
    await stage.happen(2)
    later = Start(from_time=stage.clock.now() + timedelta(days=1))
    for each in (start, later):
        with pytest.raises(Invalid):
            await replay(
                stage.db, stage.company_id, webhook.webhook_id, each, now=stage.clock.now()
            )


async def test_another_companys_webhook_cannot_be_replayed(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await delivered(stage, endpoint, 3)
    stranger = stage.of(CompanyId(await make_company(stage.db)))
    await stranger.happen(3)
    with pytest.raises(NotFound):
        await replayed(stranger, webhook, 1)


async def test_what_was_before_the_registration_is_marked_and_comes_first(
    stage: Stage, endpoint: Endpoint
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(5):
        await stage.happen(at=start + timedelta(days=day))
    webhook = await stage.register(endpoint.url, start=Start(2), max_batch_size=3)
    await stage.happen(2)
    await stage.tick()
    assert [call.headers.get(MARK) for call in endpoint.calls] == ["2-5", "2-5", None]
    assert [call.ids for call in endpoint.calls] == [[2, 3, 4], [5], [6, 7]]
    assert (await stage.webhook(webhook)).last_sent_event_id == 7
    by_time = Start(from_time=start + timedelta(days=3))
    await stage.register(endpoint.url + "/2", start=by_time)
    await stage.tick()
    assert endpoint.calls[-1].ids == [4, 5, 6, 7]
