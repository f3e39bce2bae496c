"""A batch is bounded in bytes, and learns from 413 how many events the endpoint takes."""

from datetime import timedelta

import orjson
import pytest
from aiohttp import web

from jetpay.base.ids import uuid7
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.webhooks.model import WebhookState
from jetpay.webhooks.prepare import BATCH_BYTES
from jetpay.webhooks.schedule import HALVED, ONE_TOO_LARGE
from tests.webhooks.stage import Endpoint, Received, Stage, from_one


async def large_events(stage: Stage, *sizes: int) -> None:
    """Events whose payload has about so many bytes."""
    async with stage.db.transaction() as tx:
        for size in sizes:
            record(
                tx,
                Draft(
                    company_id=stage.company_id,
                    type=EventType.CONTACT_UPDATED,
                    subject_id=uuid7(),
                    at=stage.clock.now(),
                    actor=SYSTEM,
                    data={"changed": ["x" * size], "language": "en"},
                ),
            )


def takes(most: int, endpoint: Endpoint) -> None:
    """413 for more events than that."""
    endpoint.answer = lambda call: web.Response(status=413 if len(call.ids) > most else 200)


def sizes(calls: list[Received]) -> list[int]:
    return [len(call.ids) for call in calls]


async def test_a_batch_ends_before_it_has_too_many_bytes(stage: Stage, endpoint: Endpoint) -> None:
    await stage.register(endpoint.url, max_batch_size=100)
    await large_events(stage, *[10_000] * 20)
    await stage.tick()
    assert sizes(endpoint.calls) == [6, 6, 6, 2]
    assert all(len(call.body) <= BATCH_BYTES for call in endpoint.calls)
    assert from_one(endpoint.ids)
    for call in endpoint.calls:  # put together by hand, it is what one would write at once
        assert orjson.dumps(call.content) == call.body


async def test_an_event_that_is_larger_than_a_batch_goes_alone(
    stage: Stage, endpoint: Endpoint
) -> None:
    await stage.register(endpoint.url)
    await large_events(stage, 10, BATCH_BYTES * 2, 10)
    await stage.tick()
    assert sizes(endpoint.calls) == [1, 1, 1]
    assert from_one(endpoint.ids)


async def test_a_batch_that_is_too_large_is_halved_at_once(
    stage: Stage, endpoint: Endpoint
) -> None:
    takes(13, endpoint)
    webhook = await stage.register(endpoint.url, max_batch_size=100)
    await stage.happen(100)
    await stage.tick()  # the clock stands still: nothing waited
    assert from_one(endpoint.ids)
    assert len(endpoint.ids) == 100
    assert sizes(endpoint.calls)[:4] == [100, 50, 25, 12]
    assert (await stage.webhook(webhook)).failures == 0
    said = {(each.status, each.error) for each in await stage.attempts(webhook)}
    assert said == {(413, HALVED), (200, None)}


async def test_what_the_endpoint_takes_is_kept_in_mind_and_tried_again(
    stage: Stage, endpoint: Endpoint
) -> None:
    takes(10, endpoint)
    await stage.register(endpoint.url, max_batch_size=20)
    await stage.happen(60)
    await stage.tick()
    assert sizes(endpoint.calls)[:6] == [20, 10, 11, 5, 6, 7]
    takes(100, endpoint)
    await stage.happen(400)
    await stage.tick()
    assert sizes(endpoint.calls)[-2] == 20
    assert from_one(endpoint.ids)


async def test_one_event_that_is_too_large_backs_off_until_it_is_taken(
    stage: Stage, endpoint: Endpoint
) -> None:
    takes(0, endpoint)
    webhook = await stage.register(endpoint.url, max_batch_size=4)
    await stage.happen(4)
    await stage.tick()
    assert sizes(endpoint.calls) == [4, 2, 1]
    after = await stage.webhook(webhook)
    assert (after.state, after.last_sent_event_id) == (WebhookState.BACKING_OFF, None)
    said = {(each.last_event_id, each.error) for each in await stage.attempts(webhook)}
    assert said == {(4, HALVED), (2, HALVED), (1, ONE_TOO_LARGE)}
    stage.later(seconds=4)
    takes(4, endpoint)
    stage.later(seconds=3)
    await stage.tick()
    assert endpoint.ids == [1, 2, 3, 4]


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_413_that_asks_for_time_gets_it(
    stage: Stage, endpoint: Endpoint, seconds: int
) -> None:
    endpoint.answer = lambda call: web.Response(
        status=413 if len(call.ids) > 1 else 200, headers={"Retry-After": str(seconds)}
    )
    await stage.register(endpoint.url)
    await stage.happen(2)
    await stage.tick()
    assert len(endpoint.calls) == (3 if seconds == 0 else 1)
    stage.clock.at += timedelta(seconds=seconds)
    await stage.tick()
    assert endpoint.ids == [1, 2]
