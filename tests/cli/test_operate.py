"""Migrations, keys, the ledger's proof and the sandbox's clock, from the command line."""

from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from jetpay.security.secrets import Secret
from tests.cli.conftest import Command, migrations, url_of
from tests.conftest import TestServer


def test_a_database_that_is_not_migrated_is_refused_until_it_is(
    jetpay: Command, empty_database: Secret[str]
) -> None:
    fresh = jetpay.under(JETPAY_DATABASE_URL=url_of(empty_database.reveal()))
    assert "jetpay migrate" in fresh.refused("company", "list")
    assert fresh.json("migrate") == {"applied": migrations()}
    assert fresh.json("migrate") == {"applied": []}
    assert fresh.json("company", "list") == {"data": []}


def test_a_database_that_is_away_is_one_sentence(jetpay: Command) -> None:
    away = jetpay.under(JETPAY_DATABASE_URL="postgresql://jetpay:geheim@127.0.0.1:1/jetpay")
    said = away.refused("company", "list")
    assert "no server answers there" in said
    assert "geheim" not in said


def test_a_data_folder_that_cannot_be_used_is_one_sentence(jetpay: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below", Path("/proc/nothing")):
        embedded = jetpay.under(JETPAY_DATABASE_URL="", JETPAY_DATA_DIR=str(folder))
        for command in (("company", "list"), ("serve",)):
            said = embedded.refused(*command)
            assert str(folder) in said
            assert "JETPAY_DATA_DIR" in said


def test_a_wrong_setting_stops_with_a_sentence_that_names_it(jetpay: Command) -> None:
    for name, wrong in (("JETPAY_PORT", "many"), ("JETPAY_PUBLIC_URL", "pay.example.com")):
        assert name in jetpay.under(**{name: wrong}).refused("company", "list")


def test_keys_are_told_without_their_secrets_and_rotated(jetpay: Command) -> None:
    before = jetpay.json("keys", "status")
    assert [each["wraps"] for each in before["root_keys"]] == [True]
    made = jetpay.json("keys", "rotate", "link", "--now")
    assert (made["purpose"], made["state"]) == ("link", "active")
    after = jetpay.json("keys", "status")["working_keys"]
    states = {each["number"]: each["state"] for each in after if each["purpose"] == "link"}
    assert states[made["number"]] == "active"
    assert states[made["number"] - 1] == "verify-only"
    assert "wait" in jetpay.refused("keys", "destroy", "link", str(made["number"] - 1))
    assert "gone out of use" in jetpay.refused("keys", "destroy", "link", str(made["number"]))
    assert "--company" in jetpay.refused("keys", "destroy", "seal", "1")
    assert jetpay.json("keys", "rotate", "root")["wrapped"] == 0
    assert "no keys" in jetpay.refused("keys", "rotate", "fridge")


def test_a_rotation_tells_how_much_is_left_to_renew(jetpay: Command) -> None:
    company = jetpay.new_company()
    jetpay.json(
        *("bank-account", "create", "--company", company, "--title", "A", "--holder-name", "A"),
        *("--institution-number", "001", "--transit-number", "00011", "--account-number-stdin"),
        stdin="1000001\n",
    )
    assert jetpay.json("keys", "rotate", "seal") == {"purpose": "seal"}
    told = jetpay.json("keys", "status")
    assert told["renewals_left"] >= 1
    old = {"purpose": "seal", "company": company, "number": 1}
    assert old in told["old_seal_keys"]
    said = jetpay.run("keys", "status").stdout
    assert f"verify-only  of company {company}" in said
    assert "still to be renewed" in said
    destroy = ("keys", "destroy", "seal", "1", "--company", company)
    assert "wait" in jetpay.refused(*destroy)


def test_turning_a_sandbox_clock_says_the_new_time(jetpay: Command) -> None:
    company = jetpay.new_company()
    first = jetpay.json("sandbox", "advance", "--company", company, "--days", "3")
    assert set(first) == {"now", "first_event_id", "last_event_id"}
    second = jetpay.json("sandbox", "advance", "--company", company, "--days", "2")
    gone = datetime.fromisoformat(second["now"]) - datetime.fromisoformat(first["now"])
    assert gone.days == 2


def test_books_that_do_not_agree_fail_the_proof(
    jetpay: Command, server: TestServer, cli_database: str
) -> None:
    company = jetpay.new_company()
    jetpay.json(
        *("bank-account", "create", "--company", company, "--title", "A", "--holder-name", "A"),
        *("--institution-number", "001", "--transit-number", "00011", "--account-number-stdin"),
        stdin="1000001\n",
    )
    assert jetpay.json("ledger", "prove")["ok"] is True
    forged = """
        insert into transfer (company_id, cause, line, debit_account, credit_account, amount,
                              currency, at)
        select company_id, 'forged', 1, min(account), max(account), 5, currency, now()
        from ledger_account where company_id = %s group by company_id, currency
    """
    with psycopg.connect(server.dsn("owner", cli_database).reveal()) as connection:
        connection.execute(forged, [company])
    try:
        done = jetpay.run("ledger", "prove")
        assert done.returncode == 1
        assert company in done.stdout
    finally:
        with psycopg.connect(server.dsn("super", cli_database).reveal()) as connection:
            connection.execute("alter table transfer disable trigger user")
            connection.execute("delete from transfer where cause = 'forged'")
            connection.execute("alter table transfer enable trigger user")


def test_bank_files_of_a_company_without_any_are_an_empty_list(jetpay: Command) -> None:
    company = jetpay.new_company()
    listed = jetpay.json("bank-file", "list", "--company", company)
    assert listed == {"data": [], "next": None}
    for command in ("show", "mark-sent", "withdraw"):
        assert "no such" in jetpay.refused("bank-file", command, "--company", company, company)


@pytest.mark.parametrize("group", [(), ("company",)])
def test_without_a_command_it_shows_its_help(jetpay: Command, group: tuple[str, ...]) -> None:
    done = jetpay.run(*group)
    assert done.returncode == 2
    assert "Commands:" in done.stderr
