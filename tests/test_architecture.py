"""Each dangerous thing has one door: the syntax tree shows who else reaches for it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.source_tree import (
    Found,
    Module,
    any_of,
    calls_method,
    changes,
    puts_into,
    puts_sql_together,
    runs_text,
    says_sql,
    uses,
    writes_state_of,
)

SOURCE = Path(__file__).resolve().parents[1] / "src" / "jetpay"
FACES = ("api", "payment_page", "dashboard")


@dataclass(frozen=True)
class Door:
    """One dangerous thing, who may do it (path → reason), and a line that must be seen."""

    what: str
    see: Callable[[Module], Found]
    through: Mapping[str, str]
    seeds: tuple[str, ...]
    harmless: tuple[str, ...] = ()
    only_in: tuple[str, ...] = ()
    """First folders the rule is about; all of them when empty."""


DOORS = [
    Door(
        "reads the environment",
        uses("os.environ", "os.environb", "os.getenv", "dotenv", "pydantic_settings"),
        {
            "settings.py": "the only reader",
            "metrics.py": "prometheus_client takes the folder that our processes share there alone",
        },
        (
            "import os\nos.environ['A']",
            "from os import environ as e",
            "import os as o\no.getenv('A')",
        ),
        ("import os\nos.urandom(4)",),
    ),
    Door(
        "connects to a host",
        any_of(
            uses(
                "aiohttp",
                "socket.socket",
                "socket.create_connection",
                "asyncio.open_connection",
                "asyncssh",
                "paramiko",
                "dns",
                "aiodns",
                "http.client",
                "urllib.request",
                "httpx",
                "requests",
                "smtplib",
                "aiosmtplib",
                "ftplib",
                "urllib3",
            ),
            calls_method(
                "create_connection",
                "sock_connect",
                "create_datagram_endpoint",
                "getaddrinfo",
                "gethostbyname",
            ),
        ),
        {
            "security/dial.py": "the one way out: it vets the address that is dialled",
            "security/names.py": "asks name servers for what the dialler is to vet",
            "security/ourselves.py": "looks for our own services and interfaces, sends nothing",
            "notices/smtp.py": "the mail server that the operator named, not a company",
            "serve/parent.py": "asks its own HTTP workers whether they answer",
            "demo/calls.py": "plays program and payee against the demo's own server on loopback",
            "cli/calls.py": "a developer's command calls the server it was told, and this machine",
            "receiver.py": "runs at the receiver's, and fetches the server's keys there",
        },
        (
            "import aiohttp\naiohttp.ClientSession()",
            "from aiohttp import TCPConnector as T\nT()",
            "import asyncssh\nasyncssh.connect('a')",
            "from dns.asyncresolver import Resolver",
            "import socket\nsocket.getaddrinfo('a', 1)",
            "import asyncio\nasyncio.get_running_loop().create_connection(None)",
            "import urllib.request\nurllib.request.urlopen('http://a')",
            "from http.client import HTTPConnection",
        ),
        ("import asyncio\nasync def send(w: asyncio.StreamWriter) -> None: ...",),
    ),
    Door(
        "writes the state of a credit",
        writes_state_of("credit"),
        {"credits/states.py": "move() asks the table of moves"},
        (
            "Q = 'update credit set state = 1'",
            "Q = '''with a as (update credit c\n set note = 'x', state =\n 2 where a) select 1'''",
            "Q = 'update credit set (note, state) = (1, 2)'",
        ),
        (
            "Q = 'update credit set note = 1 where state = 2'",
            "Q = 'update payment_attempt set state = 1'",
        ),
    ),
    Door(
        "writes the state of a bank file",
        writes_state_of("bank_file"),
        {"bank_files/states.py": "move_file() asks the table of its moves"},
        ("Q = 'update bank_file f set total = 1, state = 2 where a'",),
        ("Q = 'update bank_file set overdue_at = 1 where state = 2'",),
    ),
    Door(
        "makes a bank file",
        puts_into("bank_file"),
        {"bank_files/assemble.py": "it begins with its first credits"},
        ("Q = 'insert into bank_file (id) values (1)'",),
        ("Q = 'insert into bank_file_bytes values (1)'",),
    ),
    Door(
        "makes a credit",
        puts_into("credit"),
        {
            "credits/intake.py": "the one statement of the hot path",
            "credits/singly.py": "a credit to a saved account is born with its attempt",
        },
        ("Q = 'insert into credit (id) values (1)'", "Q = 'copy credit from stdin'"),
        ("Q = 'insert into credit_note values (1)'",),
    ),
    Door(
        "posts to the ledger",
        puts_into("transfer"),
        {"ledger/posting.py": "post() checks both sides"},
        ("Q = '''insert  into\n transfer values (1)'''",),
    ),
    Door("changes the ledger", changes("transfer"), {}, ("Q = 'delete from transfer'",)),
    Door(
        "writes an event",
        puts_into("event"),
        {
            "events/record.py": "record() numbers",
            "credits/intake.py": "one statement does it all: credit, number and event",
        },
        ("Q = 'insert into event select 1'",),
        ("Q = 'insert into event_counter values (1)'",),
    ),
    Door(
        "numbers events",
        changes("event_counter"),
        {
            "events/record.py": "record() numbers",
            "credits/intake.py": "one statement does it all: credit, number and event",
        },
        ("Q = 'update event_counter set last_event_id = 1'",),
        ("Q = 'select last_event_id from event_counter'",),
    ),
    Door("changes an event", changes("event"), {}, ("Q = 'update event e set data = null'",)),
    Door(
        "runs text as a program",
        runs_text,
        {},
        (
            "eval('1')",
            "import pickle",
            "import yaml\nyaml.load('a')",
            "from os import system",
            "import subprocess\nsubprocess.run('ls', shell=True)",
        ),
        ("import re\nre.compile('a')", "import subprocess\nsubprocess.run(['ls'], shell=False)"),
    ),
    Door(
        "puts SQL together",
        puts_sql_together,
        {},
        (
            "def a(x): return f'select a from {x}'",
            "Q = 'delete from %s' % 'a'",
            "Q = 'update {} set a = 1'.format('b')",
            "def a(x): return 'insert into a values (' + x",
        ),
        ("def a(x): return f'Select one from {x}'", "A = 'select a from b' + ' where c'"),
    ),
    Door(
        "trusts text as HTML",
        any_of(uses("markupsafe.Markup", "jinja2.Markup"), calls_method("__html__")),
        {"api/reference.py": "sets code in our own docstrings, escaped first"},
        ("from markupsafe import Markup\nMarkup('<b>')",),
    ),
    Door(
        "a face says SQL",
        any_of(says_sql, uses("psycopg", "psycopg_pool", "jetpay.db.rows")),
        {},
        (
            "Q = '''\n  select id\n  from credit'''",
            "from jetpay.db.rows import Query",
            "Q = 'with a as (select 1) select a'",
        ),
        ("T = 'Please select a bank from the list'", "T = 'Update your bank account'"),
        only_in=FACES,
    ),
]

# Who may open a `Secret`, and what for. To add a line: name the module and the one thing it does
# with the open value; a value that is only stored, passed on or compared needs no opening.
REVEALS = {
    "bank_accounts/numbers.py": "judges an account number before it is sealed",
    "companies/tokens.py": "a new token is stored by its digest",
    "cli/events.py": "shows the signing secret that it made for itself",
    "cli/tail.py": "the request's header holds the API token",
    "cli/companies.py": "counts the characters of a password",
    "cli/tokens.py": "shows a new token once",
    "db/embedded.py": "initdb and libpq take the roles' passwords",
    "db/migrate.py": "libpq takes the address with its password",
    "db/pool.py": "libpq takes the address with its password",
    "demo/play.py": "plays the company's program, which has the token",
    "security/answers.py": "normalises what the payee typed",
    "security/derivation.py": "HKDF takes the working key",
    "security/fingerprints.py": "the digest of a request covers its secret fields",
    "security/passwords.py": "HMAC and argon2id take the answer and the pepper",
    "security/rootkeys.py": "AES-GCM takes the root key, and wraps the working key",
    "security/rotation.py": "wraps a working key again under the new root key",
    "security/sealed_files.py": "AES-GCM takes the file's key",
    "security/secrets.py": "defines it",
    "security/vault.py": "AES-GCM takes the data key and the bank details",
    "serve/child.py": "hands the settings to our own processes, through a pipe",
    "settings.py": "checks the shape of addresses that may hold a password",
    "credits/gate.py": "a typed answer is normalised before it is checked",
    "credits/payee_sessions.py": "a new session is stored by the digest of its cookie",
    "api/webhooks.py": "the answer that registers a webhook shows its secrets, once",
    "security/dial.py": "the request's headers hold the company's API key and our token",
    "security/egress.py": "the egress proxy is told its own password",
    "security/signing.py": "RSA takes the signing key, HMAC the webhook's secret",
    "webhooks/addresses.py": "our database's and mail server's places must not be called",
    "webhooks/excerpts.py": "takes our secrets out of what an endpoint answered",
    "webhooks/model.py": "masks all but the last four characters",
    "webhooks/prepare.py": "the company's API key goes into a header",
    "notices/smtp.py": "the mail server is told our password",
    "payment_page/views.py": "the browser gets its session's cookie",
}


def modules() -> list[Module]:
    return [
        Module(path.relative_to(SOURCE).as_posix(), path.read_text())
        for path in sorted(SOURCE.rglob("*.py"))
    ]


def trespassers(door: Door, tree: list[Module]) -> list[str]:
    return [
        f"{module.path}:{line}: {seen}"
        for module in tree
        if module.path not in door.through
        if not door.only_in or module.path.split("/")[0].removesuffix(".py") in door.only_in
        for line, seen in door.see(module)
    ]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.what)
def test_a_dangerous_thing_has_one_door(door: Door) -> None:
    found = trespassers(door, modules())
    ways = [f"{path} ({reason})" for path, reason in door.through.items()] or ["nobody"]
    assert found == [], f"{door.what}: only {', '.join(ways)}"


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.what)
def test_each_door_sees_who_goes_around_it(door: Door) -> None:
    path = f"{door.only_in[0]}/elsewhere.py" if door.only_in else "elsewhere.py"
    for seed in door.seeds:
        assert trespassers(door, [Module(path, seed)]), f"not seen: {seed}"
    for harmless in door.harmless:
        assert trespassers(door, [Module(path, harmless)]) == [], f"seen: {harmless}"


def test_secrets_are_opened_in_named_modules_only() -> None:
    reveal = calls_method("reveal")
    opened = {module.path: lines for module in modules() if (lines := list(reveal(module)))}
    unnamed = [
        f"{path}:{line}"
        for path, lines in opened.items()
        for line, _ in lines
        if path not in REVEALS
    ]
    assert unnamed == [], "to open a Secret here, add the module and its reason to REVEALS"
    assert set(REVEALS) <= set(opened), "REVEALS names a module that opens nothing"


def test_an_opened_secret_is_seen() -> None:
    assert list(calls_method("reveal")(Module("a.py", "log(key.secret.reveal())")))
    assert list(calls_method("reveal")(Module("a.py", "show = map(Secret.reveal, keys)")))


UNSAFE_TEMPLATE = re.compile(
    r"\|\s*safe\b|\bMarkup\b|autoescape\s+(?:false|no)|<script(?![^>]*\bsrc=)"
)


def test_templates_escape_everything_and_hold_no_script() -> None:
    unsafe = [
        f"{path.relative_to(SOURCE)}: {found[0]}"
        for path in sorted((SOURCE / "templates").rglob("*"))
        if path.is_file()
        for found in UNSAFE_TEMPLATE.finditer(path.read_text())
    ]
    assert unsafe == []


def test_an_unsafe_template_is_seen() -> None:
    for seed in (
        "{{ a|safe }}",
        "{{ a | safe }}",
        "{% autoescape false %}",
        "<script>a()</script>",
    ):
        assert UNSAFE_TEMPLATE.search(seed), seed
    assert not UNSAFE_TEMPLATE.search('{{ safe }} <script src="/static/a.js" defer></script>')
