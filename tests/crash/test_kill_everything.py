"""`kill -9` of everything under load: what was acknowledged is there once, and is paid once."""

import asyncio
import hashlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from jetpay.bank_files.seal import open_bytes
from jetpay.base.ids import BankFileId, CompanyId
from jetpay.db.embedded import EmbeddedServer
from jetpay.rails.sandbox import ReadFile, read
from jetpay.services import open_services
from jetpay.settings import Settings
from tests.cli.conftest import Command
from tests.crash.load import Load
from tests.patience import wait_until
from tests.processes import born_at, is_alive, kill
from tests.serve.conftest import Installation
from tests.stage import journal_of

FAMILY = 3
"""Two HTTP workers and the process of the worker loop."""
ACKNOWLEDGED_ANEW = 40
DAYS_UNTIL_SETTLED = 20
# Who was killed does not finish. In a second we see what otherwise comes when leases run out;
# the leases of those who live run out too, which must harm as little.
END_LEASES = "update due set lease_until = now() where lease_until is not null"
CREDITS = "select idempotency_key, credit_id, state from credit"
EVENTS = "select event_id, type, subject_id from event order by event_id"
FILED = "select reference, bank_file_id, credit_id, amount from payment_attempt where line > 0"
AT_THE_BANK = "select company_id, bank_file_id, sha256 from sandbox_bank_file"
MADE_FILES = "select bank_file_id from bank_file"


@contextmanager
def database(installation: Installation) -> Iterator[psycopg.Connection]:
    with EmbeddedServer.acquire(installation.folder) as server:
        dsn = server.dsn("super").reveal()
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection


def new_load(installation: Installation) -> Load:
    """A company, as its operator makes it."""
    jetpay = Command(installation.environment)
    company = jetpay.new_company()
    account = jetpay.json(
        *("bank-account", "create", "--company", company, "--title", "A", "--holder-name", "A"),
        *("--institution-number", "001", "--transit-number", "00011", "--account-number-stdin"),
        stdin="1000001\n",
    )
    scopes = ("credits", "contacts", "bank_accounts", "sandbox")
    token = jetpay.json(
        *("token", "create", "--company", company, "--name", "A"),
        *(word for scope in scopes for word in ("--scope", scope)),
    )
    load = Load(installation.port, token["token"], account["identifier"])
    load.prepare()
    return load


def kill_the_oldest_child(installation: Installation) -> None:
    """Which makes it everybody's turn."""
    oldest = min(installation.children, key=born_at)
    kill(oldest)
    wait_until(lambda: oldest not in installation.children)


def kill_postmaster(installation: Installation) -> None:
    postmaster = installation.postmaster
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    wait_until(lambda: installation.postmaster not in {None, postmaster})


def kill_all(installation: Installation) -> None:
    """As if the machine had lost its power."""
    process, postmaster = installation.process, installation.postmaster
    assert process is not None
    family = (*installation.children, postmaster)
    for each in (process.pid, *family):
        kill(each)
    process.wait()
    wait_until(lambda: not any(is_alive(each) for each in family))


def recover(installation: Installation, load: Load, *, end_leases: bool) -> None:
    """Returns when the family is complete and credits are acknowledged again."""
    wait_until(lambda: len(installation.children) == FAMILY and installation.is_ready())
    if end_leases:
        with database(installation) as connection:
            connection.execute(END_LEASES)
    wanted = len(load.acknowledged) + ACKNOWLEDGED_ANEW
    wait_until(lambda: load.faults or len(load.acknowledged) >= wanted)
    assert load.faults == [], installation.log


def check_credits(installation: Installation, load: Load) -> None:
    with database(installation) as connection:
        known = connection.execute(CREDITS).fetchall()
        events = connection.execute(EVENTS).fetchall()
    there = Counter((key, str(credit)) for key, credit, _ in known)
    assert there == Counter((key, each.identifier) for key, each in load.acknowledged.items())
    assert [number for number, *_ in events] == list(range(1, len(events) + 1))
    born = Counter(subject for _, type_, subject in events if type_.endswith("credits.created"))
    assert born == Counter(credit for _, credit, _ in known)


async def files_at_the_bank(
    installation: Installation, rows: list[Any]
) -> dict[UUID, tuple[bytes, ReadFile]]:
    """Each with its hash, read from the very bytes."""
    services = await open_services(Settings.read(installation.environment))
    try:
        found = {}
        for company, file, _ in rows:
            text = await open_bytes(
                services.db, services.vault, CompanyId(company), BankFileId(file)
            )
            found[file] = hashlib.sha256(text).digest(), read(text)
        return found
    finally:
        await services.close()


def check_payments(installation: Installation, load: Load) -> None:
    """Nobody is paid twice, and everybody who accepted is paid, by the bank's own books."""
    with database(installation) as connection:
        filed = connection.execute(FILED).fetchall()
        books = connection.execute(AT_THE_BANK).fetchall()
        made = {file for (file,) in connection.execute(MADE_FILES)}
        known = connection.execute(CREDITS).fetchall()
    files = asyncio.run(files_at_the_bank(installation, books))
    assert {file: sha256 for _, file, sha256 in books} == {f: h for f, (h, _) in files.items()}
    assert files.keys() == made
    paid = [
        (entry.reference, file, entry.amount)
        for file, (_, text) in files.items()
        for entry in text.entries
    ]
    assert max(Counter(reference for reference, *_ in paid).values()) == 1
    credit_of = {(reference, file, amount): credit for reference, file, credit, amount in filed}
    assert set(paid) == credit_of.keys()
    payees = Counter(str(credit_of[each]) for each in paid)
    assert max(payees.values()) == 1
    assert payees.keys() == {str(credit) for _, credit, state in known if state == "completed"}
    saved = {each.identifier for each in load.acknowledged.values() if each.link is None}
    assert load.accepted | saved <= payees.keys()
    check_journal(installation, {file: sha256 for file, (sha256, _) in files.items()})


def check_journal(installation: Installation, files: dict[UUID, bytes]) -> None:
    """What went to a bank stands there, under one number and one hash however often."""
    lines = journal_of(installation.folder)
    assert {(UUID(line["bank_file"]), line["sha256"]) for line in lines} == {
        (file, sha256.hex()) for file, sha256 in files.items()
    }
    numbers = {(line["bank_account"], line["number"]): line["bank_file"] for line in lines}
    assert len(numbers) == len(files)


ROUND = (
    kill_the_oldest_child,
    kill_postmaster,
    kill_the_oldest_child,
    kill_the_oldest_child,
)


def live_through(installation: Installation, *, rounds: int, end_leases: bool) -> Load:
    """Load, and all that dies dies: one by one, and at the end of each round all at once."""
    installation.start("--workers", "2")
    load = new_load(installation)
    with ThreadPoolExecutor(8) as pool:
        load.start(pool)
        try:
            for _ in range(rounds):
                recover(installation, load, end_leases=end_leases)
                for kill in ROUND:
                    kill(installation)
                    recover(installation, load, end_leases=end_leases)
                kill_all(installation)
                installation.start("--workers", "2")
            recover(installation, load, end_leases=end_leases)
        finally:
            load.stop()
        list(pool.map(load.check_again, list(load.acknowledged)))
    load.get("POST", "/sandbox/advance", {"days": DAYS_UNTIL_SETTLED})
    return load


def check(installation: Installation, load: Load) -> None:
    print(
        f"{len(load.acknowledged)} credits, {len(load.accepted)} accepted by their payees,"
        f" {load.days} days, {load.cut} calls cut off"
    )
    assert load.faults == [], installation.log
    check_credits(installation, load)
    check_payments(installation, load)
    assert Command(installation.environment).json("ledger", "prove")["ok"] is True
    assert installation.stop() == 0


@pytest.mark.slow
def test_what_was_acknowledged_is_there_once_whoever_was_killed(installation: Installation) -> None:
    check(installation, live_through(installation, rounds=1, end_leases=True))


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
def test_it_is_there_once_however_often_everybody_was_killed(installation: Installation) -> None:
    check(installation, live_through(installation, rounds=20, end_leases=False))
