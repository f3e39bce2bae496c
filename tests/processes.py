"""Processes that tests start: which of them live, and what is theirs alone."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

PORTS: Final = range(20_000, 30_000)
"""Below those that the kernel gives to whoever connects."""
_TAKEN: list[socket.socket] = []


def free_port() -> int:
    """Of 127.0.0.1; nobody else who asks here gets it while this process lives."""
    for port in PORTS:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0jetpay-test-port-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
        else:
            _TAKEN.append(claim)
            return port
    raise AssertionError("all ports are taken")


def is_alive(process: psutil.Process | int | None) -> bool:
    """A zombie is not: in a container nobody may collect it."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return found is not None and found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family_of(pid: int) -> list[psutil.Process]:
    """All that descend from it."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> list[str]:
    """Empty where it is gone."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def born_at(process: psutil.Process) -> float:
    """In seconds since some moment; 0 where it is gone."""
    try:
        return process.create_time()
    except psutil.NoSuchProcess:
        return 0.0


def kill(process: psutil.Process | int | None) -> None:
    """Without a word where it is gone already."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(process) if isinstance(process, int) else process
        if found is not None:
            found.kill()


def environment_seen(pid: int) -> bytes:
    """What root can see of it; nobody else can, for our processes cannot be dumped."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def postmaster_of(data_dir: Path) -> int | None:
    """None where no server runs, or one is just writing down who it is."""
    try:
        return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        return None
