"""After a rotation the worker seals and indexes again what a company has, and nothing else."""

import asyncio
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from structlog.testing import capture_logs

from jetpay.bank_files.seal import open_bytes
from jetpay.base.clock import FixedClock
from jetpay.db.rows import Command, Query
from jetpay.security.blind_index import blind_index
from jetpay.security.key_rows import RENEWAL
from jetpay.security.key_status import status
from jetpay.security.keys import Purpose
from jetpay.security.rotation import SETTLES_IN, maintain, rotate
from jetpay.security.secrets import Secret
from jetpay.webhooks.actions import register, rotate_secret
from jetpay.webhooks.model import NewWebhook, Secrets
from jetpay.webhooks.queries import opened, webhooks
from jetpay.worker import renewal
from jetpay.worker.due import Due
from jetpay.worker.key_ends import uses_of
from jetpay.worker.renewal import renew
from tests.stage import Stage
from tests.world import NOON, make_company

ACCOUNT = ("CA", "003", "00002", "1000001")
INDEXES = Query(
    bytes,
    """
    select account_index from bank_account
    where company_id = %(company_id)s and contact_id is not null
    union all select account_index from payment_attempt where company_id = %(company_id)s
    """,
)
BLOBS = Query(
    bytes,
    """
    select details from bank_account where company_id = %(company_id)s
    union all select details from payment_attempt where company_id = %(company_id)s
    union all select api_key from webhook where company_id = %(company_id)s
    union all select signing_secret from webhook where company_id = %(company_id)s
    union all select previous_secret from webhook where company_id = %(company_id)s
    """,
    never_null=("details",),
)
SPOIL = Command(
    """
    update bank_account set details = set_byte(details, 40, (get_byte(details, 40) + 1) %% 256)
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """
)
WAITING = Query(
    int, "select count(*) as count from due where kind = 'renew_secrets'", never_null=("count",)
)
CLEAR = Command("delete from due where kind = 'renew_secrets'")
WHOLE_SCHEMA = """
    select table_name || '.' || column_name from information_schema.columns
    where table_schema = 'public' and data_type = 'bytea' order by 1
"""
NOT_SEALED = {
    "api_token.digest": "SHA-256",
    "bank_account.account_index": "indexed again beside its details",
    "bank_file.sha256": "SHA-256",
    "bank_report_item.report_sha256": "SHA-256",
    "credit.fingerprint": "keyed hashes, under a key that is kept",
    "idempotency.fingerprint": "keyed hashes, under a key that is kept",
    "audit.salt": "no secret once its details are gone",
    "brand.logo": "public",
    "mail.recipient_mac": "a MAC, under a key that is kept",
    "payee_code.holder": "SHA-256",
    "payee_code.mac": "a MAC that lives for ten minutes",
    "payee_draft.session_digest": "SHA-256",
    "payee_session.digest": "SHA-256",
    "payment_attempt.account_index": "indexed again beside its details",
    "payment_attempt.session_id": "SHA-256",
    "sandbox_bank_file.sha256": "SHA-256",
    "secret_key.root_fingerprint": "names a root key",
    "secret_key.wrapped": "wrapped by a root key, see `keys rotate root`",
}
LEFT_AS_IT_IS = {
    "bank_file_bytes.bytes": "only ever appended, as it was sent",
    "mail.body": "goes within a day",
    "mail.recipient": "goes within 90 days",
    "payee_draft.details": "goes within an hour",
    "webhook_attempt.answer": "goes within 30 days",
}


async def rotate_both(stage: Stage) -> None:
    services = stage.services
    for purpose in (Purpose.SEAL, Purpose.INDEX):
        at = services.clock.now() + timedelta(seconds=1)
        await rotate(services.db, services.keyring, purpose, at=at, now=True)
    services.keyring.seal_keys.forget(stage.company_id)


def pass_time(stage: Stage, time: timedelta) -> None:
    assert isinstance(stage.services.clock, FixedClock)
    stage.services.clock.at += time


async def fill(stage: Stage) -> None:
    """A paid and a waiting payment to the contact's account, a webhook with two secrets."""
    services = stage.services
    await stage.to_account(statement="First")
    await stage.advance(7)
    await stage.to_account(statement="Second")
    hook = NewWebhook(callback_url="https://a.example", api_key=Secret("key-of-theirs"))
    made = await register(services.db, stage.company_id, hook, vault=services.vault, now=NOON)
    await rotate_secret(
        services.db, stage.company_id, made.webhook_id, vault=services.vault, now=NOON
    )


async def secrets_of_webhooks(stage: Stage) -> list[Secrets]:
    db = stage.services.db
    hooks = await webhooks(db, stage.company_id, after=None, limit=10)
    assert hooks
    return await opened(db, hooks, vault=stage.services.vault)


async def key_numbers(stage: Stage) -> set[int]:
    blobs = await BLOBS.all(stage.services.db, company_id=stage.company_id)
    return {int.from_bytes(blob[2:6], "big") for blob in filter(None, blobs)}


async def index_numbers(stage: Stage) -> set[int]:
    return {each[1] for each in await INDEXES.all(stage.services.db, company_id=stage.company_id)}


async def test_after_a_rotation_everything_is_sealed_and_indexed_by_the_new_keys(
    own: Stage,
) -> None:
    services, company_id = own.services, own.company_id
    await fill(own)
    before = await secrets_of_webhooks(own)
    [file] = [each for each in await own.files() if each.state == "acknowledged"]
    text = await open_bytes(services.db, services.vault, company_id, file.bank_file_id)
    await rotate_both(own)
    pass_time(own, SETTLES_IN + timedelta(minutes=1))
    assert (await status(services.db, services.keyring.root_keys)).renewals_left == 1

    await own.tick()

    assert await key_numbers(own) == {2}
    assert await index_numbers(own) == {2}
    assert (await status(services.db, services.keyring.root_keys)).renewals_left == 0
    assert await secrets_of_webhooks(own) == before
    expected = blind_index(services.keyring, company_id, "bank_account", ACCOUNT)
    assert set(await INDEXES.all(services.db, company_id=company_id)) == {expected}
    assert text == await open_bytes(services.db, services.vault, company_id, file.bank_file_id)
    left = await uses_of(services, Purpose.SEAL, 1, company_id)
    assert [use.what.partition(",")[0] for use in left] == ["bank files"]
    assert await uses_of(services, Purpose.INDEX, 1, UUID(int=0)) == []
    await own.advance(7)  # the second payment goes out of what was sealed again
    assert {each.state for each in await own.files()} == {"acknowledged"}


async def test_the_worker_comes_when_no_process_can_use_the_old_keys_any_more(own: Stage) -> None:
    await fill(own)
    await rotate_both(own)
    due = Due(own.company_id, RENEWAL, own.company_id, NOON, NOON, 0, UUID(int=1))
    now = await own.now()
    assert await renew(own.services, due) == now + SETTLES_IN + timedelta(seconds=1)
    await own.tick()
    assert await key_numbers(own) == {1}
    await own.advance(1)  # what was due in five minutes is due, but the real time is the same
    assert await key_numbers(own) == {1}
    pass_time(own, SETTLES_IN + timedelta(seconds=1))
    await own.tick()
    assert await key_numbers(own) == {2}


async def test_it_goes_on_page_by_page_and_gives_way_between_them(
    own: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        await own.company.contact_account(f"100000{number}")
    await rotate_both(own)
    pass_time(own, SETTLES_IN + timedelta(seconds=1))
    monkeypatch.setattr(renewal, "PAGE", 2)
    monkeypatch.setattr(renewal, "RUN_SECONDS", 0.0)
    due = Due(own.company_id, RENEWAL, own.company_id, NOON, NOON, 0, UUID(int=1))
    assert await renew(own.services, due) == await own.now()
    assert await key_numbers(own) == {1, 2}
    await asyncio.gather(*(renew(own.services, due) for _ in range(3)))
    await own.tick()
    assert await key_numbers(own) == {2}
    assert await index_numbers(own) == {2}


async def test_what_cannot_be_opened_is_left_and_told_and_stops_nothing(
    own: Stage,
) -> None:
    spoilt = await own.company.contact_account("7654321")
    await own.company.contact_account("1000001")
    await SPOIL.run(own.services.db, company_id=own.company_id, bank_account_id=spoilt)
    await rotate_both(own)
    pass_time(own, SETTLES_IN + timedelta(seconds=1))
    with capture_logs() as told:
        await own.tick()
    assert [(each["event"], each["row"]) for each in told] == [("cannot_renew", str(spoilt))]
    assert await key_numbers(own) == {1, 2}
    left = await uses_of(own.services, Purpose.SEAL, 1, own.company_id)
    assert [(use.what, use.count) for use in left] == [("bank accounts", 1)]


async def test_a_rotation_concerns_every_company(own: Stage) -> None:
    await make_company(own.services, "Other Example")
    db, keyring = own.services.db, own.services.keyring
    at = NOON + timedelta(seconds=1)
    await rotate(db, keyring, Purpose.INDEX, at=at)
    assert await WAITING.one(db) == 0
    await maintain(db, keyring, at=at + SETTLES_IN)
    assert await WAITING.one(db) == 2
    await CLEAR.run(db)
    await rotate(db, keyring, Purpose.SEAL, at=at)
    assert await WAITING.one(db) == 2


async def test_nothing_else_may_change_the_details_of_an_attempt(own: Stage) -> None:
    """The database lets through what bears a newer key's number and the same length."""
    await own.to_account()
    change = "update payment_attempt set {} where company_id = %s"
    newer = "overlay(details placing '\\x00000002'::bytea from 3 for 4)"
    refused = [
        "details = set_byte(details, 40, (get_byte(details, 40) + 1) %% 256)",
        "details = overlay(details placing '\\x00000000'::bytea from 3 for 4)",
        f"details = {newer} || '\\x00'::bytea",
        "account_index = set_byte(account_index, 5, (get_byte(account_index, 5) + 1) %% 256)",
        "account_index = set_byte(account_index, 1, 0)",
    ]
    async with own.services.db.connection() as connection:
        for each in refused:
            with pytest.raises(psycopg.errors.CheckViolation):
                await connection.execute(change.format(each).encode(), [own.company_id])
        await connection.execute(
            change.format(f"details = {newer}, account_index = set_byte(account_index, 1, 9)")
            .encode(),
            [own.company_id],
        )  # fmt: skip


async def test_every_column_of_bytes_is_renewed_or_has_its_reason(own: Stage) -> None:
    async with own.services.db.connection() as connection:
        found = await (await connection.execute(WHOLE_SCHEMA)).fetchall()
    renewed = {
        "bank_account.details", "payment_attempt.details", "webhook.api_key",
        "webhook.signing_secret", "webhook.previous_secret",
    }  # fmt: skip
    assert {row[0] for row in found} == renewed | NOT_SEALED.keys() | LEFT_AS_IT_IS.keys()
