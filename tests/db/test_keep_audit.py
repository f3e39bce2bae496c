"""What was written down stays; the audit cannot be unsaid even by the role that owns the tables."""

import psycopg
import pytest

from jetpay.db.pool import Database
from jetpay.security.secrets import Secret

ACT = """
    insert into audit (company_id, audit_id, at, entry, details, salt)
    values (gen_random_uuid(), gen_random_uuid(), now(), '{"act": "link.show"}', '{}', 'salt')
"""
FORBIDDEN = {
    "another entry": """update audit set entry = '{"act": "x"}', details = null, salt = null""",
    "another time": "update audit set at = at + interval '1 s', details = null, salt = null",
    "another id": "update audit set audit_id = company_id, details = null, salt = null",
    "other details": """update audit set details = '{"a": 1}', salt = null""",
    "less": "delete from audit",
    "nothing": "truncate audit",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN)
def test_its_owner_cannot_make_it_say(owner_dsn: Secret[str], sql: str) -> None:
    with psycopg.connect(owner_dsn.reveal()) as connection:
        connection.execute(ACT)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(sql.encode())
        connection.rollback()


def test_details_of_a_person_can_be_erased(owner_dsn: Secret[str]) -> None:
    with psycopg.connect(owner_dsn.reveal()) as connection:
        connection.execute(ACT)
        erased = connection.execute("update audit set details = null, salt = null")
        assert erased.rowcount >= 1
        connection.rollback()


@pytest.mark.parametrize("table", ["event", "transfer", "audit", "bank_file_bytes"])
@pytest.mark.parametrize("verb", ["update {} set company_id = company_id", "delete from {}"])
async def test_the_program_s_role_only_appends(database: Database, table: str, verb: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.connection() as connection:
            await connection.execute(verb.format(table).encode())
