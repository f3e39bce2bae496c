"""`sent.jsonl`: what was handed to banks, outside the database, so that no backup forgets it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from jetpay.base.clock import iso
from jetpay.base.ids import BankAccountId, BankFileId, CompanyId

NAME = "sent.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A file about to be handed over; `references` tell a restored database what was paid."""

    company_id: CompanyId
    bank_account_id: BankAccountId
    bank_file_id: BankFileId
    originator: str
    number: int
    sha256: bytes
    credit_count: int
    total: int
    currency: str
    references: tuple[str, ...]
    last_event_id: int
    at: datetime


def append(data_dir: Path, manifest: Manifest) -> None:
    """Write one line and return only when it is on the disk. Blocks: call it in a thread."""
    line = orjson.dumps(
        {
            "company": str(manifest.company_id),
            "bank_account": str(manifest.bank_account_id),
            "bank_file": str(manifest.bank_file_id),
            "originator": manifest.originator,
            "number": manifest.number,
            "sha256": manifest.sha256.hex(),
            "credit_count": manifest.credit_count,
            "total": manifest.total,
            "currency": manifest.currency,
            "references": manifest.references,
            "last_event_id": manifest.last_event_id,
            "at": iso(manifest.at),
        }
    )
    with _opened(data_dir) as handle:
        size = os.fstat(handle).st_size
        # A line that a crash cut stays alone on its line.
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        _write(handle, line + b"\n")
        os.fsync(handle)


@contextmanager
def _opened(data_dir: Path) -> Iterator[int]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / NAME
    is_new = not path.exists()
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(path, flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
    if is_new:
        _sync_folder(data_dir)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(handle: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(handle, rest) :]
