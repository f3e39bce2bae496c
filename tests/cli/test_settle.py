"""What a company settles, and what its tokens and accounts are held to, from the command line."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.cli.conftest import Command, url_of
from tests.conftest import TestServer

QUESTION = ("--question", "Where was our first shop?")
ANSWER = "Trois-Pistoles"
ACCOUNT = (
    *("--title", "Main", "--holder-name", "Lighthouse", "--institution-number", "001"),
    *("--transit-number", "00011", "--account-number-stdin"),
)
ROOT_KEY = "jk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
FIT = {"JETPAY_PUBLIC_URL": "https://pay.example.com", "JETPAY_SECRET_KEYS": ROOT_KEY}


@pytest.fixture
def ask(server: TestServer, cli_database: str) -> Iterator[Any]:
    with psycopg.connect(server.dsn("owner", cli_database).reveal(), autocommit=True) as connection:
        yield lambda sql, *values: connection.execute(sql, values).fetchall()


@pytest.fixture
def company(jetpay: Command) -> str:
    return jetpay.new_company()


def token(company: str, *options: str) -> tuple[str, ...]:
    create = ("token", "create", "--company", company, "--name", "Shop", "--scope", "credits")
    return (*create, *options)


def test_a_token_is_held_to_what_was_said(jetpay: Command, company: str, ask: Any) -> None:
    made = jetpay.json(
        *token(company, "--expires-at", "2099-01-31T00:00+01:00", "--max-amount", "5000"),
        *("--max-per-day", "20000", "--allow-network", "192.0.2.0/24"),
        *("--allow-network", "2001:db8::/32"),
    )
    assert set(made) == {"identifier", "token"}
    [row] = ask(
        "select expires_at, max_amount, max_per_day, allowed_networks::text[] from api_token"
        " where token_id = %s",
        made["identifier"],
    )
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    assert row == (datetime(2099, 1, 30, 23, tzinfo=UTC), 5000, 20_000, networks)


def test_a_token_without_limits_has_none(jetpay: Command, company: str, ask: Any) -> None:
    made = jetpay.json(*token(company))
    [row] = ask(
        "select expires_at, max_amount, max_per_day, allowed_networks from api_token"
        " where token_id = %s",
        made["identifier"],
    )
    assert row == (None, None, None, None)


@pytest.mark.parametrize(
    "options, says",
    [
        (("--expires-at", "2099-01-31T00:00"), "zone"),
        (("--expires-at", "tomorrow"), "zone"),
        (("--max-amount", "0"), "max-amount"),
        (("--max-per-day", "-5"), "max-per-day"),
        (("--allow-network", "192.0.2.7/24"), "network"),
        (("--allow-network", "office"), "network"),
    ],
)
def test_a_limit_that_is_none_is_refused(
    jetpay: Command, options: tuple[str, ...], says: str
) -> None:
    assert says in jetpay.refused(*token(str(uuid4()), *options), code=2)


def test_a_token_cannot_end_before_it_begins(jetpay: Command, company: str) -> None:
    said = jetpay.refused(*token(company, "--expires-at", "2020-01-01T00:00Z"))
    assert "past" in said


def test_a_live_token_ends_after_a_year_unless_it_is_told_otherwise(
    jetpay: Command, server: TestServer
) -> None:
    name = f"{server.template}_settle"
    server.create(name, server.template)
    try:
        live = jetpay.under(**FIT, JETPAY_DATABASE_URL=url_of(server.dsn("app", name).reveal()))
        create = ("company", "create", "--name", "Live", *QUESTION, "--answer-stdin")
        company = live.json(*create, stdin=ANSWER)["identifier"]
        live.json(*token(company))
        live.json(*token(company, "--expires-at", "2099-01-31T00:00Z"))
        ended = live.json("token", "list", "--company", company)["data"]
        usual, said = (datetime.fromisoformat(each["expires_at"]) for each in ended)
        made = datetime.fromisoformat(ended[0]["created_at"])
        assert usual - made == timedelta(days=365)
        assert said.year == 2099
    finally:
        server.drop(name)


def test_an_account_has_the_limits_agreed_with_the_bank(
    jetpay: Command, company: str, ask: Any
) -> None:
    made = jetpay.json(
        *("bank-account", "create", "--company", company, *ACCOUNT),
        *("--credit-limit", "100", "--file-limit", "200", "--daily-limit", "300"),
        stdin="1000001\n",
    )
    limits = ask(
        "select credit_limit, file_limit, daily_limit from bank_account where bank_account_id = %s",
        made["identifier"],
    )
    assert limits == [(100, 200, 300)]


def test_a_changed_question_is_a_new_version_and_is_told(
    jetpay: Command, company: str, ask: Any
) -> None:
    before = ask("select question_id from company where company_id = %s", company)
    changed = jetpay.json(
        *("company", "question", "--company", company, "--question", " Which boat was it?  "),
        "--answer-stdin",
        stdin="Karla Maria\n",
    )
    assert changed == {"identifier": company, "question": "Which boat was it?"}
    versions = ask(
        "select question from security_question where company_id = %s order by question_id",
        company,
    )
    assert versions == [("Where was our first shop?",), ("Which boat was it?",)]
    assert ask("select question_id from company where company_id = %s", company) != before
    told = ask("select type, actor_kind from event where company_id = %s", company)
    assert told == [("company.security_question_changed", "operator")]


def test_a_question_whose_answer_is_poor_changes_nothing(
    jetpay: Command, company: str, ask: Any
) -> None:
    change = ("company", "question", "--company", company, "--question", "Which boat was it?")
    assert "question" in jetpay.refused(*change, "--answer", "boat")
    assert jetpay.refused(*change, code=2)
    assert ask("select count(*) from event where company_id = %s", company) == [(0,)]


def test_what_a_company_settles_is_shown_changed_and_taken_down(
    jetpay: Command, company: str, ask: Any
) -> None:
    usual = {"support_contact": None, "link_days": 30, "repairs": 3, "repair_days": 14}
    mails: dict[str, object] = {"code_from_amount": None, "reminder_days": [], "mails_a_day": None}
    settle = ("company", "set", "--company", company)
    assert jetpay.json(*settle) == usual | mails
    changed = {"support_contact": "+1 555 0100", "link_days": 60, "repairs": 0, "repair_days": 7}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in changed.items()]
    assert jetpay.json(*settle, *options) == changed | mails
    shown = jetpay.json(*settle, "--support-contact", "")
    assert shown == changed | mails | {"support_contact": None}
    audited = ask("select entry ->> 'act' from audit where company_id = %s", company)
    assert audited == [("company.set",)] * 2
    for wrong in ("--link-days=0", "--link-days=366", "--repairs=21", "--repair-days=0"):
        assert jetpay.refused(*settle, wrong, code=2)
    assert "no such" in jetpay.refused("company", "set", "--company", str(uuid4()))


def test_codes_and_reminders_are_settled_in_words_and_amounts(
    jetpay: Command, company: str
) -> None:
    settle = ("company", "set", "--company", company)
    for said, kept in (("1000.00", 100_000), ("50", 5_000), ("0", 0), ("never", 10_000_000_000)):
        assert jetpay.json(*settle, "--code-from-amount", said)["code_from_amount"] == kept
    assert jetpay.json(*settle, "--code-from-amount=usual")["code_from_amount"] is None
    shown = jetpay.json(*settle, "--reminders", "14, 3,7,3", "--mails-a-day=900")
    assert (shown["reminder_days"], shown["mails_a_day"]) == ([3, 7, 14], 900)
    assert jetpay.json(*settle, "--reminders", "")["reminder_days"] == []
    for wrong in (
        "--code-from-amount=1.5",
        "--code-from-amount=much",
        "--reminders=0",
        "--reminders=3,x",
        "--reminders=366",
        "--mails-a-day=0",
    ):
        assert jetpay.refused(*settle, wrong, code=2)
