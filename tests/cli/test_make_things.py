"""Companies, tokens, members and bank accounts, as an operator makes them."""

import hashlib
import re
from uuid import uuid4

import psycopg
import pytest

from tests.cli.conftest import Command, url_of
from tests.conftest import TestServer

QUESTION = ("--question", "Where was our first shop?")
ANSWER = "Trois-Pistoles"
ACCOUNT = ("--title", "Main", "--holder-name", "Lighthouse", "--institution-number", "001")
ROOT_KEY = "jk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
FIT = {"JETPAY_PUBLIC_URL": "https://pay.example.com", "JETPAY_SECRET_KEYS": ROOT_KEY}


def test_a_company_that_is_made_is_listed(jetpay: Command) -> None:
    made = jetpay.json(
        "company", "create", "--name", " Nord  ", *QUESTION, "--answer-stdin", "--sandbox",
        stdin=f"{ANSWER}\n",
    )  # fmt: skip
    assert made["name"] == "Nord"
    listed = {each["identifier"]: each for each in jetpay.json("company", "list")["data"]}
    assert listed[made["identifier"]]["name"] == "Nord"
    assert listed[made["identifier"]]["sandbox"] is True


def test_how_payees_reach_a_company_is_kept(
    jetpay: Command, server: TestServer, cli_database: str
) -> None:
    made = jetpay.json(
        *("company", "create", "--name", "Nord", *QUESTION, "--answer", ANSWER, "--sandbox"),
        *("--support-contact", " pay@example.com "),
    )
    read = "select support_contact from company where company_id = %s"
    with psycopg.connect(server.dsn("owner", cli_database).reveal()) as connection:
        row = connection.execute(read, [made["identifier"]]).fetchone()
    assert row == ("pay@example.com",)


def test_without_json_a_person_reads_a_line(jetpay: Command) -> None:
    company = jetpay.new_company("Quai 7")
    assert f"{company}  sandbox  Quai 7" in jetpay.run("company", "list").stdout.splitlines()


@pytest.mark.parametrize(
    "arguments, says",
    [
        pytest.param(("--answer", "password"), "common answers", id="common"),
        pytest.param(("--answer", "shop"), "question", id="in the question"),
        pytest.param(("--answer", "ab"), "at least 3", id="too short"),
    ],
)
def test_a_weak_answer_is_refused_in_one_sentence(
    jetpay: Command, arguments: tuple[str, ...], says: str
) -> None:
    create = ("company", "create", "--name", "A", *QUESTION, "--sandbox")
    assert says in jetpay.refused(*create, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("company", "create", "--name", "A"), id="an option is missing"),
        pytest.param(
            ("company", "create", "--name", "A", *QUESTION, "--answer", "b", "--answer-stdin"),
            id="the answer twice",
        ),
        pytest.param(("company", "create", "--name", "A", *QUESTION), id="no answer"),
        pytest.param(("company", "paint"), id="no such command"),
        pytest.param(("token", "create", "--company", "here"), id="not an identifier"),
        pytest.param(("serve", "--port", "many"), id="not a number"),
    ],
)
def test_wrong_usage_exits_2_with_a_sentence(jetpay: Command, arguments: tuple[str, ...]) -> None:
    assert jetpay.refused(*arguments, code=2)


def test_a_live_company_is_refused_where_the_installation_is_not_fit(jetpay: Command) -> None:
    create = ("company", "create", "--name", "Live", *QUESTION, "--answer-stdin")
    said = jetpay.refused(*create, stdin=ANSWER)
    assert "JETPAY_SECRET_KEYS" in said
    assert "https" in said


def test_a_token_is_shown_once_and_stored_as_a_digest(
    jetpay: Command, server: TestServer, cli_database: str
) -> None:
    company = jetpay.new_company()
    new = jetpay.json(
        *("token", "create", "--company", company, "--name", "Shop"),
        *("--scope", "credits", "--scope", "contacts"),
    )
    assert re.fullmatch(r"jetpay_test_[0-9A-Za-z]{49}", new["token"])
    read = "select digest, scopes, revoked_at is null from api_token where token_id = %s"
    with psycopg.connect(server.dsn("owner", cli_database).reveal()) as connection:
        row = connection.execute(read, [new["identifier"]]).fetchone()
    digest = hashlib.sha256(new["token"].encode()).digest()
    assert row == (digest, ["contacts", "credits"], True)
    assert jetpay.json("token", "revoke", "--company", company, new["identifier"])
    with psycopg.connect(server.dsn("owner", cli_database).reveal()) as connection:
        row = connection.execute(read, [new["identifier"]]).fetchone()
    assert row is not None
    assert row[2] is False


def test_a_token_is_found_again_and_revoked_by_its_identifier(jetpay: Command) -> None:
    company = jetpay.new_company()
    create = ("token", "create", "--company", company, "--name", "Shop", "--scope", "credits")
    made = jetpay.run(*create)
    token, identifier = made.stdout.strip(), made.stderr.split()[-1]
    [listed] = jetpay.json("token", "list", "--company", company)["data"]
    assert (listed["identifier"], listed["name"]) == (identifier, "Shop")
    assert (listed["scopes"], listed["last4"]) == (["credits"], token[-4:])
    assert token not in jetpay.run("token", "list", "--company", company).stdout
    revoke = ("token", "revoke", "--company", company)
    assert "jetpay token list" in jetpay.refused(*revoke, token, code=2)
    assert token not in jetpay.refused(*revoke, token, code=2)
    jetpay.json(*revoke, identifier)
    assert jetpay.json("token", "list", "--company", company)["data"][0]["revoked_at"]


def test_a_mistyped_option_is_told_without_jargon(jetpay: Command) -> None:
    company = ("--company", str(uuid4()))
    create = ("token", "create", "--name", "A", "--scope")
    said = jetpay.refused(*create, "creditz", *company, code=2)
    assert said.startswith("Invalid value for '--scope': 'creditz' is not one of")
    said = jetpay.refused(*create, "credits", "--company", "here", code=2)
    assert said == "Invalid value for '--company': this is no identifier."
    assert "'--port'" in jetpay.refused("serve", "--port", "99999", code=2)


def test_what_does_not_exist_is_said_so(jetpay: Command) -> None:
    company, token = str(uuid4()), str(uuid4())
    assert "no such" in jetpay.refused("token", "revoke", "--company", company, token)
    assert "no such" in jetpay.refused("sandbox", "advance", "--company", company)


def test_a_member_is_one_person_of_a_company(jetpay: Command) -> None:
    company = jetpay.new_company()
    create = ("member", "create", "--company", company, "--role", "owner", "--email")
    assert jetpay.json(*create, "ana@example.com", "--password-stdin", stdin="a long enough one\n")
    assert "already" in jetpay.refused(*create, "Ana@Example.com")
    assert "12 to 128" in jetpay.refused(
        *create, "bo@example.com", "--password-stdin", stdin="short\n", code=2
    )


def test_a_bank_account_takes_its_number_from_stdin(jetpay: Command) -> None:
    company = jetpay.new_company()
    create = ("bank-account", "create", "--company", company, *ACCOUNT)
    number = ("--transit-number", "00011", "--account-number-stdin")
    made = jetpay.json(*create, *number, stdin="1000001\n")
    assert set(made) == {"identifier"}
    said = jetpay.refused(*create, *number, stdin="12a4567\n")
    assert "digits" in said
    assert "12a4567" not in said


def test_a_live_company_says_its_rail_and_is_warned_of_secrets_in_arguments(
    jetpay: Command, server: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = f"{server.template}_live"
    server.create(name, server.template)
    try:
        live = jetpay.under(**FIT, JETPAY_DATABASE_URL=_url(server, name))
        made = live.run("company", "create", "--name", "Live", *QUESTION, "--answer", ANSWER)
        assert made.returncode == 0, made.stderr
        assert "--answer-stdin" in made.stderr
        company = live.json("company", "list")["data"][0]["identifier"]
        create = ("bank-account", "create", "--company", company, *ACCOUNT)
        number = ("--transit-number", "00011", "--account-number-stdin")
        assert "rail" in live.refused(*create, *number, stdin="1000001\n")
        assert "sandbox" in live.refused(*create, *number, "--rail", "sandbox", stdin="1000001\n")
        assert live.json(*create, *number, "--rail", "cpa005", stdin="1000001\n")
    finally:
        server.drop(name)


def _url(server: TestServer, name: str) -> str:
    return url_of(server.dsn("app", name).reveal())
