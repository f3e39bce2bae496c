"""After a rotation: what a company has sealed is sealed again, and its blind indexes are made anew.

Bank files are only appended, so their key stays as long as they do; a payee's draft goes within
an hour, what a webhook answered within 30 days, a mail within 90. A second run finds what the
first one left.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from jetpay.banking.schemes import account_from
from jetpay.base.ids import CompanyId
from jetpay.companies.queries import business_now
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.blind_index import blind_index, is_outdated
from jetpay.security.encoding import INSTALLATION
from jetpay.security.keys import Purpose, UnknownKey
from jetpay.security.rotation import SETTLES_IN
from jetpay.security.sealed_files import CannotOpen
from jetpay.services import Services
from jetpay.worker.due import Due

PAGE: Final = 200
RUN_SECONDS: Final = 2.0
"""Then other work has its turn, and this one comes again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value and where it stands. `account_index`: where the table has one beside it."""

    id: UUID
    part: int
    blob: bytes
    account_index: bytes | None
    scheme: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where sealed values are. `columns`: as the vault calls the column of each part."""

    table: str
    columns: tuple[str, ...]
    page: Query[Sealed]
    replace: Command
    part_is_of_key: bool = False

    def of(self, row: Sealed) -> dict[str, Any]:
        """What the vault wants to know."""
        part = row.part.to_bytes(4, "big") if self.part_is_of_key else b""
        column = self.columns[0 if self.part_is_of_key else row.part]
        return {"table": self.table, "column": column, "row_key": row.id.bytes + part}


LATEST_KEY = Query(
    datetime,
    """
    select max(activates_at) as at from secret_key
    where state = 'active' and (company_id = %(company_id)s and purpose = 'seal'
                                or company_id = %(installation)s and purpose = 'index')
    """,
    never_null=("at",),
)
# Each page goes on behind the one before it, by the table's key.
ACCOUNTS = Query(
    Sealed,
    """
    select bank_account_id as id, 0 as part, details as blob, account_index, scheme
    from bank_account
    where company_id = %(company_id)s and bank_account_id > %(after)s and details is not null
      and (substring(details from 3 for 4) <> %(seal)s
           or substring(account_index from 2 for 1) <> %(index)s)
    order by bank_account_id limit %(maximum)s
    """,
    never_null=("part", "blob"),
)
REPLACE_ACCOUNT = Command(
    """
    update bank_account set details = %(blob)s, account_index = %(account_index)s
    where company_id = %(company_id)s and bank_account_id = %(id)s and details = %(before)s
    """
)
ATTEMPTS = Query(
    Sealed,
    """
    select credit_id as id, attempt as part, details as blob, account_index, scheme
    from payment_attempt
    where company_id = %(company_id)s
      and (credit_id, attempt) > (%(after)s::uuid, %(after_part)s::int)
      and (substring(details from 3 for 4) <> %(seal)s
           or substring(account_index from 2 for 1) <> %(index)s)
    order by credit_id, attempt limit %(maximum)s
    """,
)
REPLACE_ATTEMPT = Command(
    """
    update payment_attempt set details = %(blob)s, account_index = %(account_index)s
    where company_id = %(company_id)s and credit_id = %(id)s and attempt = %(part)s
      and details = %(before)s
    """
)
WEBHOOK_SECRETS = Query(
    Sealed,
    """
    select w.webhook_id as id, s.part, s.blob, null::bytea as account_index,
           '' as scheme
    from webhook w cross join lateral (
      values (0, w.api_key), (1, w.signing_secret), (2, w.previous_secret)) as s(part, blob)
    where w.company_id = %(company_id)s
      and (w.webhook_id, s.part) > (%(after)s::uuid, %(after_part)s::int)
      and substring(s.blob from 3 for 4) <> %(seal)s
    order by w.webhook_id, s.part limit %(maximum)s
    """,
    never_null=("part", "blob", "scheme"),
)
REPLACE_WEBHOOK_SECRET = Command(
    """
    update webhook set
      api_key = case %(part)s::int when 0 then %(blob)s else api_key end,
      signing_secret = case %(part)s::int when 1 then %(blob)s else signing_secret end,
      previous_secret = case %(part)s::int when 2 then %(blob)s else previous_secret end
    where company_id = %(company_id)s and webhook_id = %(id)s and %(before)s = case %(part)s::int
      when 0 then api_key when 1 then signing_secret else previous_secret end
    """
)
PLACES: Final = (
    Place("bank_account", ("details",), ACCOUNTS, REPLACE_ACCOUNT),
    Place("payment_attempt", ("details",), ATTEMPTS, REPLACE_ATTEMPT, part_is_of_key=True),
    # The one before the newest was sealed when it was the only one, and moved as it was.
    Place(
        "webhook",
        ("api_key", "signing_secret", "signing_secret"),
        WEBHOOK_SECRETS,
        REPLACE_WEBHOOK_SECRET,
    ),
)


async def renew(services: Services, due: Due) -> datetime | None:
    """Answers when to come again, in the company's time; None when nothing old is left."""
    now, company_now = (
        services.clock.now(),
        await business_now(services.db, due.company_id, services.clock),
    )
    latest = await LATEST_KEY.one(services.db, company_id=due.company_id, installation=INSTALLATION)
    if now < latest + SETTLES_IN:
        # Until then others may still seal with the old key.
        return latest + SETTLES_IN + (company_now - now)
    give_way_at = time.monotonic() + RUN_SECONDS
    for place in PLACES:
        row: Sealed | None = None
        while page := await _renew_page(services.db, services, due.company_id, place, row):
            row = page[-1]
            if len(page) == PAGE and time.monotonic() > give_way_at:
                return company_now
    return None


@action
async def _renew_page(
    tx: Transaction, services: Services, company_id: CompanyId, place: Place, after: Sealed | None
) -> list[Sealed]:
    """The rows that were old, each renewed unless it was changed meanwhile."""
    seal = await services.keyring.seal_key(tx, company_id)
    wanted = {
        "company_id": company_id,
        "seal": seal.number.to_bytes(4, "big"),
        "index": bytes([services.keyring.active(Purpose.INDEX).number]),
        "after": after.id if after else UUID(int=0),
        "after_part": after.part if after else 0,
        "maximum": PAGE,
    }
    rows = await place.page.all(tx, **{name: wanted[name] for name in place.page.names})
    for row in rows:
        try:
            renewed = await _renewed(tx, services, company_id, place, row)
        except (CannotOpen, UnknownKey) as error:
            log.error(  # noqa: TRY400 - nothing more is to be known of it
                "cannot_renew",
                table=place.table,
                company=str(company_id),
                row=str(row.id),
                error=type(error).__name__,
            )
            continue
        values = {
            "company_id": company_id, "id": row.id, "part": row.part, "before": row.blob,
            "blob": renewed.blob, "account_index": renewed.account_index,
        }  # fmt: skip
        await place.replace.run(tx, **{name: values[name] for name in place.replace.names})
    return rows


async def _renewed(
    tx: Transaction, services: Services, company_id: CompanyId, place: Place, row: Sealed
) -> Sealed:
    where, index = place.of(row), row.account_index
    if index is not None and is_outdated(services.keyring, index):
        numbers = await services.vault.open(tx, company_id, **where, blob=row.blob)
        account = account_from(row.scheme, numbers)
        index = blind_index(services.keyring, company_id, "bank_account", account.index_parts())
    blob = await services.vault.reseal(tx, company_id, **where, blob=row.blob)
    return replace(row, blob=blob or row.blob, account_index=index)
