"""Whose a token is, remembered in memory: a token never changes its company.

Only that is remembered. Whether the token is alive and what it may do is asked by the
statement that acts, every time.
"""

from collections import OrderedDict
from dataclasses import dataclass

from jetpay.base.ids import CompanyId, TokenId
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions
from jetpay.security.short_ids import ShortIds

REMEMBERED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """A token's own identifier and company; `short_id`: the company's pseudonym in links."""

    company_id: CompanyId
    token_id: TokenId
    short_id: int


IDENTITY = Query(
    TokenIdentity,
    """
    select t.company_id, t.token_id, c.short_id
    from api_token t join company c on c.company_id = t.company_id
    where t.digest = %(digest)s
    """,
)


class TokenIdentities:
    """The tokens that called last; unknown ones are not remembered."""

    def __init__(
        self, db: OpensTransactions, short_ids: ShortIds, maximum: int = REMEMBERED_TOKENS
    ) -> None:
        self._db = db
        self._short_ids = short_ids
        self._maximum = maximum
        self._known: OrderedDict[bytes, TokenIdentity] = OrderedDict()

    async def of(self, digest: bytes) -> TokenIdentity | None:
        """Whose the token is or was; None for one that never was."""
        known = self._known.get(digest)
        if known is None:
            known = await IDENTITY.first(self._db, digest=digest)
            if known is None:
                return None
            self._known[digest] = known
            # The links that its company is about to get shall be known here at once.
            self._short_ids.add(known.short_id, known.company_id)
            if len(self._known) > self._maximum:
                self._known.popitem(last=False)
        return known
