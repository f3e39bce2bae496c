"""Who is visiting which credit: the link, the cookie, and what both together may see."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, Self
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from jetpay.base.ids import CompanyId, CreditId
from jetpay.credits.actions import CODE_TRIES
from jetpay.credits.codes import GATES_WITH_CODE, code_required
from jetpay.credits.drafts import Draft, find_draft
from jetpay.credits.model import State
from jetpay.credits.page_queries import WAITING, PageCredit, page_credit
from jetpay.credits.payee_sessions import ABSOLUTE, PayeeSession, find_session
from jetpay.security.links import check_link, read_link
from jetpay.security.visits import (
    VISIT_LASTS,
    VISIT_NAME,
    make_visit,
    read_visit,
    verify_visit,
    visit_cookie_name,
)
from jetpay.services import Services

COOKIES_AT_MOST: Final = 8
SESSION_PREFIX: Final = "s1."


class Step(StrEnum):
    """Where a visitor stands, from the server's state alone."""

    QUESTION = "question"
    LOCKED = "locked"
    CODE = "code"
    DETAILS = "details"
    REVIEW = "review"
    STATUS = "status"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser at a credit. `cookie`: what it has, or, if `is_fresh`, gets with this answer.

    `now` is real time, `at` the company's.
    """

    credit: PageCredit
    cookie: str
    now: datetime
    session: PayeeSession | None = None
    draft: Draft | None = None
    is_fresh: bool = False
    had_session: bool = False
    needs_code: bool = False

    def with_cookie(self, cookie: str) -> Self:
        """The same credit, with what a browser says it has."""
        return replace(self, cookie=cookie)

    @property
    def holder(self) -> bytes:
        """Whose a code is: the session's digest, or that of the visit."""
        return self.session.digest if self.session else sha256(self.cookie.encode()).digest()

    @property
    def at(self) -> datetime:
        return self.credit.business_time(self.now)

    @property
    def state(self) -> State:
        """The credit's state as it is shown."""
        return self.credit.shown_state(self.at)

    @property
    def step(self) -> Step:
        is_over = self.state in (State.EXPIRED, State.CANCELLED, State.DECLINED)
        if is_over or self.credit.is_erased:
            return Step.GONE
        if self.session is None:
            return Step.LOCKED if self.credit.locked_at else Step.QUESTION
        if self.needs_code:
            return Step.LOCKED if self.credit.code_wrong >= CODE_TRIES else Step.CODE
        if self.state not in WAITING:
            return Step.STATUS
        return Step.REVIEW if self.draft else Step.DETAILS


class Visitors:
    """Finds visits, and writes their cookies."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # Without https only a loopback host is served, and browsers refuse the prefix there.
        self._secure = services.settings.is_https

    async def by_link(self, token: str) -> tuple[PageCredit, int] | None:
        """The credit of a genuine link, and the link's version; None for every other token."""
        services = self._services
        parts = read_link(token)
        if parts is not None:
            await services.short_ids.learn(services.db, parts.short_id)
            await services.keyring.learn(services.db, "link", parts.key_number)
        link = check_link(token, services.keyring, services.short_ids.company_of)
        if link is None:
            return None
        credit = await page_credit(
            services.db, CompanyId(link.company_id), CreditId(link.credit_id)
        )
        if credit is None or link.version > credit.link_version:
            return None
        if link.version == credit.link_version and link.key_number != credit.link_key_id:
            return None
        return credit, link.version

    async def find(self, request: Request) -> Visit | None:
        """The visit of a request for a credit's page; None without a cookie that fits."""
        credit_id = _credit_id(request.path_params["identifier"])
        if credit_id is None:
            return None
        cookie = request.cookies.get(self.cookie_name(credit_id))
        if cookie is None:
            return None
        now = self._services.clock.now()
        if cookie.startswith(SESSION_PREFIX):
            return await self._by_session(credit_id, cookie, now)
        return await self._by_visit(credit_id, cookie, now)

    async def again(self, visit: Visit) -> Visit:
        """The same browser after something happened."""
        cookie, now = visit.cookie, self._services.clock.now()
        found = (
            await self._by_session(visit.credit.credit_id, cookie, now)
            if cookie.startswith(SESSION_PREFIX)
            else await self._by_visit(visit.credit.credit_id, cookie, now)
        )
        return found or replace(visit, session=None, draft=None)

    def cookie_name(self, credit_id: CreditId) -> str:
        return visit_cookie_name(credit_id, secure=self._secure)

    def cookie_name_of(self, identifier: str) -> str | None:
        """The name for what stands in a path, if that is an identifier."""
        credit_id = _credit_id(identifier)
        return None if credit_id is None else self.cookie_name(credit_id)

    def fresh_cookie(self, credit: PageCredit, now: datetime) -> str:
        """The cookie of somebody who has answered nothing yet."""
        return make_visit(
            self._services.keyring.active("visit"),
            credit.company_id,
            short_id=credit.short_id,
            credit_id=credit.credit_id,
            version=credit.link_version,
            at=now,
        )

    def give(self, response: Response, credit_id: CreditId, cookie: str) -> None:
        """Set the credit's cookie: a visit's for 12 hours, a session's for one."""
        lasts = ABSOLUTE if cookie.startswith(SESSION_PREFIX) else VISIT_LASTS
        response.set_cookie(
            self.cookie_name(credit_id),
            cookie,
            max_age=int(lasts.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response, name: str) -> None:
        """Take a cookie away."""
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def clear_oldest(self, request: Request, response: Response, keep: CreditId) -> None:
        """Of more than eight such cookies, the first: browsers send the oldest first."""
        prefix = self.cookie_name(keep).partition(VISIT_NAME)[0] + VISIT_NAME
        kept = self.cookie_name(keep)
        others = [name for name in request.cookies if name.startswith(prefix) and name != kept]
        for name in others[: max(len(others) + 1 - COOKIES_AT_MOST, 0)]:
            self.clear(response, name)

    async def _by_session(self, credit_id: CreditId, cookie: str, now: datetime) -> Visit | None:
        services = self._services
        session = await find_session(services.db, cookie)
        if session is None or session.credit_id != credit_id:
            return None
        credit = await page_credit(services.db, session.company_id, credit_id)
        if credit is None or session.link_version != credit.link_version:
            return None
        visit = Visit(credit, cookie, now)
        if not session.is_alive(state=credit.state, link_version=credit.link_version, now=now):
            # This browser came through the link once, so it may be asked again.
            fresh = self.fresh_cookie(credit, now)
            return replace(visit, cookie=fresh, is_fresh=True, had_session=True)
        draft = None
        if visit.state in WAITING:
            draft = await find_draft(
                services.db,
                session,
                attempt=credit.attempt + 1,
                vault=services.vault,
                now=now,
            )
        is_open = session.gate == GATES_WITH_CODE
        needs_code = not is_open and code_required(
            credit, can_mail=services.settings.can_mail, now=now
        )
        return replace(visit, session=session, draft=draft, needs_code=needs_code)

    async def _by_visit(self, credit_id: CreditId, cookie: str, now: datetime) -> Visit | None:
        services = self._services
        parts = read_visit(cookie)
        if parts is None or parts.credit_id != credit_id:
            return None
        await services.short_ids.learn(services.db, parts.short_id)
        await services.keyring.learn(services.db, "visit", parts.key_number)
        company_id = services.short_ids.company_of(parts.short_id)
        key = services.keyring.usable("visit", parts.key_number)
        if company_id is None or key is None:
            return None
        if not verify_visit(parts, key, company_id, at=now):
            return None
        credit = await page_credit(services.db, CompanyId(company_id), credit_id)
        if credit is None or parts.version != credit.link_version:
            return None
        return Visit(credit, cookie, now)


def _credit_id(text: str) -> CreditId | None:
    try:
        identifier = UUID(text)
    except ValueError:
        return None
    # One spelling only: what a browser was redirected to.
    return CreditId(identifier) if str(identifier) == text else None
