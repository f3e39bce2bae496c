"""`jetpay demo` plays the whole story, and leaves no secret where it should not be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from jetpay.base.text import normalise_answer
from jetpay.db.embedded import EmbeddedServer
from tests.cli.conftest import environment_of
from tests.processes import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ANSWER = "Zwiebelturm Ötztal"
ACCOUNT_NUMBER = "530081946271"
# The story itself, watched: everything that must be found nowhere afterwards.
WATCHED_STORY = """
import json, sys
from pathlib import Path
from jetpay.demo import play as demo
from jetpay.demo.story import API_KEY, Seeds, Story

seen = {"callback_api_key": API_KEY}

class Watched(Story):
    def play(self):
        seen["token"] = self._cast.token
        super().play()

    def _quietly(self, *asked, **how):
        answer = super()._quietly(*asked, **how)
        said = answer.value if isinstance(answer.value, dict) else {}
        seen.update({key: said[key] for key in ("link", "signing_secret") if said.get(key)})
        return answer

demo.Story = Watched
folder, port, answer, account_number = sys.argv[1:]
seeds = Seeds(answer=answer, account_number=account_number)
demo.play(once=True, port=int(port), data_dir=Path(folder), seeds=seeds)
Path(folder, "seen.json").write_text(json.dumps(seen))
"""


def test_the_installed_wheel_plays_it_from_another_directory(tmp_path: Path) -> None:
    wheels, installed, elsewhere = (tmp_path / name for name in ("wheels", "site", "elsewhere"))
    elsewhere.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    make = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(wheels)]
    subprocess.run([*make, str(ROOT)], check=True)
    [wheel] = wheels.glob("jetpay-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(installed), wheel], check=True)
    played = subprocess.run(
        [sys.executable, "-m", "jetpay", "demo", "--once", "--port", str(free_port())],
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    for said in (
        "PUT /credit",
        "(initiated)",
        '"state": "completed"',
        "every signature and payload_hash is right",
        "ledger, credits and bank files agree",
    ):
        assert said in " ".join(played.stdout.split())
    assert ROOT.as_posix() not in played.stdout
    assert not list(elsewhere.iterdir())


def test_a_dump_and_all_logs_hold_no_secret(data_dir: Path) -> None:
    given = [str(data_dir), str(free_port()), ANSWER, ACCOUNT_NUMBER]
    told = subprocess.run(
        [sys.executable, "-c", WATCHED_STORY, *given],
        env=environment_of(data_dir),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    seen = json.loads((data_dir / "seen.json").read_text())
    (data_dir / "seen.json").unlink()
    assert set(seen) == {"callback_api_key", "token", "link", "signing_secret"}
    secrets = {
        "account number": ACCOUNT_NUMBER,
        "answer": ANSWER,
        "normalised answer": normalise_answer(ANSWER),
        "token": seen["token"],
        "link": seen["link"].rpartition("/")[2],
        "signing secret": seen["signing_secret"].removeprefix("whsec_"),
        "webhook's API key": seen["callback_api_key"],
        "root key": (data_dir / "root-keys").read_text().strip().removeprefix("jk1_"),
    }
    places = {"dump": dump(data_dir)} | {
        str(file): file.read_bytes() for file in data_dir.rglob("*.log*") if file.is_file()
    }
    places |= {str(file): file.read_bytes() for file in data_dir.glob("*.jsonl")}
    assert b"Invoice 1042" in places["dump"], "the dump has what the story made"
    assert len(places) >= 3
    for place, content in places.items():
        for name, secret in secrets.items():
            spellings = (secret.encode(), secret.encode().hex().encode())
            assert not any(each in content for each in spellings), f"{name} stands in {place}"
    for output in (told.stdout, told.stderr):
        assert ACCOUNT_NUMBER not in output
        assert seen["token"] not in output


def dump(folder: Path) -> bytes:
    """Every row of every table, as text."""
    with EmbeddedServer.acquire(folder) as server:
        with psycopg.connect(server.dsn("super").reveal()) as connection:
            listed = connection.execute(
                "select tablename from pg_tables where schemaname = 'public'"
            )
            found = b""
            for (table,) in listed.fetchall():
                copy = sql.SQL("copy {} to stdout").format(sql.Identifier(table))
                with connection.cursor().copy(copy) as rows:
                    found += b"".join(bytes(row) for row in rows)
    return found
