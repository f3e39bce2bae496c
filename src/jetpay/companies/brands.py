"""How a company looks to its payees: one logo, one colour."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import NotFound
from jetpay.companies.queries import COMPANY
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import Actor
from jetpay.security.logos import Logo


@dataclass(frozen=True, slots=True)
class Brand:
    """`logo`: the SHA-256 of its PNG, by which it is served."""

    colour: str | None = None
    logo: str | None = None
    logo_width: int | None = None
    logo_height: int | None = None


# What is not given stays; an empty colour or logo takes it away.
CHANGE = Query(
    Brand,
    """
    insert into brand as b (company_id, colour, logo, logo_sha256, logo_width, logo_height,
                            changed_at)
    values (%(company_id)s, nullif(%(colour)s, ''), %(png)s, %(sha256)s, %(width)s, %(height)s,
            %(now)s)
    on conflict (company_id) do update set
      colour = case when %(colour)s::text is null then b.colour else excluded.colour end,
      logo = case when %(logo_stays)s then b.logo else excluded.logo end,
      logo_sha256 = case when %(logo_stays)s then b.logo_sha256 else excluded.logo_sha256 end,
      logo_width = case when %(logo_stays)s then b.logo_width else excluded.logo_width end,
      logo_height = case when %(logo_stays)s then b.logo_height else excluded.logo_height end,
      changed_at = excluded.changed_at
    returning b.colour, b.logo_sha256 as logo, b.logo_width, b.logo_height
    """,
)
BRAND = Query(
    Brand,
    """
    select colour, logo_sha256 as logo, logo_width, logo_height from brand
    where company_id = %(company_id)s
    """,
)
LOGO = Query(
    bytes,
    "select logo from brand where logo_sha256 = %(sha256)s and logo is not null limit 1",
    never_null=("logo",),
)


@action
async def change_brand(
    tx: Transaction,
    company_id: CompanyId,
    *,
    colour: str | None = None,
    logo: Logo | None = None,
    without_logo: bool = False,
    by: Actor,
    now: datetime,
) -> Brand:
    """As it is then; None changes nothing, an empty colour and `without_logo` take away.

    Refuses `NotFound`.
    """
    if await COMPANY.first(tx, company_id=company_id) is None:
        raise NotFound
    if colour is None and logo is None and not without_logo:
        return await brand_of(tx, company_id)
    brand = await CHANGE.one(
        tx,
        company_id=company_id,
        colour=colour,
        logo_stays=logo is None and not without_logo,
        png=logo and logo.png,
        sha256=logo and hashlib.sha256(logo.png).hexdigest(),
        width=logo and logo.width,
        height=logo and logo.height,
        now=now,
    )
    await audit(
        tx, company_id, act="company.brand", by=by, object_type="company", object_id=company_id,
        at=now,
    )  # fmt: skip
    return brand


async def brand_of(tx: OpensTransactions | Transaction, company_id: CompanyId) -> Brand:
    """The plain one for a company that has set nothing."""
    return await BRAND.first(tx, company_id=company_id) or Brand()


async def logo_named(tx: OpensTransactions | Transaction, sha256: str) -> bytes | None:
    """The PNG with that hash, whose it may be: it is on pages that anybody with a link sees."""
    return await LOGO.first(tx, sha256=sha256)
