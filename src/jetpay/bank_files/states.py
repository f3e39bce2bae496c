"""The table of a bank file's moves and `move_file()`, the one door through which its state changes.

A trigger in the database holds the same list on its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from jetpay.bank_files.model import BankFile, FileState
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor, ActorKind, Draft, EventType
from jetpay.events.record import record

_S, _K = FileState, ActorKind
_PERSON = frozenset({_K.TOKEN, _K.MEMBER, _K.OPERATOR})
_BUILDER = frozenset({_K.FILE_BUILDER})
_READER = frozenset({_K.REPORT_READER})

MOVES: Final[Mapping[tuple[FileState, FileState], frozenset[ActorKind]]] = {
    (_S.ASSEMBLING, _S.SEALED): _BUILDER,
    (_S.ASSEMBLING, _S.WITHDRAWN): _PERSON,
    (_S.SEALED, _S.WITHDRAWN): _PERSON,
    (_S.SEALED, _S.HANDING_OVER): _BUILDER,
    (_S.SEALED, _S.UNCONFIRMED): _PERSON,  # who hands it over took it
    (_S.SEALED, _S.SENT): _PERSON,
    (_S.HANDING_OVER, _S.SENT): _BUILDER,
    (_S.HANDING_OVER, _S.UNCONFIRMED): _BUILDER,
    (_S.HANDING_OVER, _S.ACKNOWLEDGED): _READER,
    (_S.HANDING_OVER, _S.REJECTED): _READER,
    (_S.UNCONFIRMED, _S.SEALED): _PERSON,  # to be sent again
    (_S.UNCONFIRMED, _S.SENT): _PERSON,
    (_S.UNCONFIRMED, _S.ACKNOWLEDGED): _READER,
    (_S.UNCONFIRMED, _S.REJECTED): _READER,
    (_S.SENT, _S.ACKNOWLEDGED): _READER,
    (_S.SENT, _S.REJECTED): _READER,
    (_S.ACKNOWLEDGED, _S.REJECTED): _READER,
}
"""Who may move a file from where to where; it begins `assembling`."""
_EVENTS: Final = {
    _S.UNCONFIRMED: EventType.BANK_FILE_UNCONFIRMED,
    _S.SENT: EventType.BANK_FILE_SENT,
    _S.ACKNOWLEDGED: EventType.BANK_FILE_ACKNOWLEDGED,
    _S.REJECTED: EventType.BANK_FILE_REJECTED,
    _S.WITHDRAWN: EventType.BANK_FILE_WITHDRAWN,
}

# Each time is that of the first such move: a file that is sent again was handed over before.
_MOVE = Command(
    """
    update bank_file set state = %(to_state)s,
      sha256 = coalesce(%(sha256)s, sha256),
      size_bytes = coalesce(%(size_bytes)s, size_bytes),
      sealed_at = case when %(to_state)s = 'sealed' then coalesce(sealed_at, %(at)s)
                       else sealed_at end,
      hand_over_at = case when %(to_state)s in ('handing_over', 'unconfirmed', 'sent')
                          then coalesce(hand_over_at, %(at)s) else hand_over_at end,
      sent_at = case when %(to_state)s in ('sent', 'acknowledged', 'rejected')
                     then coalesce(sent_at, %(at)s) else sent_at end,
      acknowledged_at = case when %(to_state)s = 'acknowledged' then %(at)s
                             else acknowledged_at end
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and state = %(from_state)s
    """
)


@action
async def move_file(
    tx: Transaction,
    file: BankFile,
    to: FileState,
    *,
    by: Actor,
    at: datetime,
    because: str | None = None,
    sha256: bytes | None = None,
    size_bytes: int | None = None,
) -> BankFile | None:
    """The file as it is now; None when it is no longer in the state in which it was read.

    `sha256` and `size_bytes` come with the sealing. `at`: business time.
    """
    if by.kind not in MOVES.get((file.state, to), ()):
        raise PermissionError(f"{by.kind} may not move a bank file from {file.state} to {to}")
    moved = await _MOVE.run(
        tx,
        company_id=file.company_id,
        bank_file_id=file.bank_file_id,
        from_state=file.state.value,
        to_state=to.value,
        sha256=sha256,
        size_bytes=size_bytes,
        at=at,
    )
    if not moved:
        return None
    if to in _EVENTS:
        tell(tx, file, _EVENTS[to], to, by=by, at=at, because=because)
    return replace(file, state=to)


def tell(
    tx: Transaction,
    file: BankFile,
    kind: EventType,
    to: FileState,
    *,
    by: Actor,
    at: datetime,
    because: str | None = None,
) -> None:
    """Record an event about the file."""
    record(
        tx,
        Draft(
            company_id=file.company_id,
            type=kind,
            subject_id=file.bank_file_id,
            at=at,
            actor=by,
            from_state=file.state.value,
            to_state=to.value,
            because=because,
            data={"bankAccountId": str(file.bank_account_id)},
        ),
    )
