"""What a person does about held credits and about files that go to the bank by hand."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from jetpay.base.ids import BankAccountId, CompanyId, TokenId
from jetpay.contacts.actions import create_contact
from jetpay.contacts.model import NewContact
from jetpay.events.model import OPERATOR
from jetpay.security.secrets import Secret
from jetpay.services import open_services
from jetpay.settings import Settings
from tests.cli.conftest import Command
from tests.stage import Stage
from tests.world import Company

SCOPES = ("credits", "contacts", "bank_accounts")
ACCOUNT = (
    *("--title", "Main", "--holder-name", "Lighthouse", "--institution-number", "001"),
    *("--transit-number", "00011", "--account-number-stdin"),
)


async def accept_two(jetpay: Command, company: str, account: str) -> list[str]:
    """Equal credits, as the API and the payment page make them."""
    token = jetpay.json(
        *("token", "create", "--company", company, "--name", "T"),
        *(part for scope in SCOPES for part in ("--scope", scope)),
    )
    services = await open_services(
        Settings(
            database_url=Secret(jetpay.environment["JETPAY_DATABASE_URL"]),
            data_dir=Path(jetpay.environment["JETPAY_DATA_DIR"]),
        )
    )
    try:
        company_id = CompanyId(UUID(company))
        contact = await create_contact(
            services.db,
            company_id,
            NewContact(email="robin@example.com", name="Robin Example"),
            by=OPERATOR,
            at=services.clock.now(),
        )
        world = await Company(
            services,
            company_id,
            token["token"],
            TokenId(UUID(token["identifier"])),
            BankAccountId(UUID(account)),
            contact.contact_id,
        ).identify()
        stage = Stage(services, world)
        return [str(await stage.accepted(statement="Rent", amount=70_000)) for _ in range(2)]
    finally:
        await services.close()


@pytest.fixture(scope="module")
def company(jetpay: Command) -> str:
    return jetpay.new_company("Quai 7")


@pytest.fixture(scope="module")
def credits_(jetpay: Command, company: str) -> list[str]:
    """Two equal ones, paid from an account whose files somebody carries to the bank."""
    create = ("bank-account", "create", "--company", company, *ACCOUNT)
    account = jetpay.json(*create, "--by-hand", stdin="1000001\n")["identifier"]
    return asyncio.run(accept_two(jetpay, company, account))


def test_a_held_credit_is_listed_and_released_once(
    jetpay: Command, company: str, credits_: list[str]
) -> None:
    first, second = credits_
    listed = ("credit", "held", "--company", company)
    found = jetpay.json(*listed)
    [held] = found["data"]
    assert (held["identifier"], held["amount"], held["held"], held["possible_duplicate_of"]) == (
        second,
        70_000,
        "possible_duplicate",
        first,
    )
    assert found["next"] is None
    assert f"$700.00  possible_duplicate  of {first}" in jetpay.run(*listed).stdout
    release = ("credit", "release", "--company", company, "--identifier", second)
    assert "no such" in jetpay.refused(*release, "--identifier", str(uuid4()))
    assert jetpay.json(*release) == {"released": [second]}
    assert "not held" in jetpay.refused(*release)
    assert jetpay.json(*listed) == {"data": [], "next": None}
    assert jetpay.run(*listed).stdout.strip() == "No credit is held."


def test_a_file_is_taken_to_the_bank_by_hand(
    jetpay: Command, company: str, credits_: list[str], tmp_path: Path
) -> None:
    jetpay.json("sandbox", "advance", "--company", company, "--days", "1")
    [file] = jetpay.json("bank-file", "list", "--company", company)["data"]
    assert file["state"] == "sealed"

    def run(command: str, *more: str) -> str:
        done = jetpay.json("bank-file", command, "--company", company, file["identifier"], *more)
        return str(done["state"])

    def refused(command: str, *more: str) -> str:
        return jetpay.refused("bank-file", command, "--company", company, file["identifier"], *more)

    first, again = tmp_path / "first.txt", tmp_path / "again.txt"
    assert "is sealed" in refused("send-again")
    assert run("write", "--to", str(first)) == "unconfirmed"
    assert first.stat().st_mode & 0o777 == 0o600
    assert b"SANDBOX1" in first.read_bytes()
    assert "cannot be written" in refused("write", "--to", str(first))
    assert "no longer be withdrawn" in refused("withdraw")
    assert run("send-again") == "sealed"
    assert run("write", "--to", str(again)) == "unconfirmed"
    assert again.read_bytes() == first.read_bytes()
    assert run("mark-sent") == "sent"
    late = tmp_path / "late.txt"
    assert "is sent" in refused("write", "--to", str(late))
    assert not late.exists()
    journal = Path(jetpay.environment["JETPAY_DATA_DIR"], "sent.jsonl").read_text()
    assert journal.count(file["identifier"]) == 3, "before each time that it may have left"


def test_by_hand_belongs_to_the_sandbox_rail(jetpay: Command, company: str) -> None:
    create = ("bank-account", "create", "--company", company, *ACCOUNT, "--by-hand")
    said = jetpay.refused(*create, "--rail", "nacha", code=2, stdin="1000001\n")
    assert "sandbox" in said
