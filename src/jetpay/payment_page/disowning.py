"""The "this was not me" of an acceptance's notice: looking changes nothing, the button does."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from jetpay.base.ids import CompanyId, CreditId
from jetpay.base.refusals import Refusal
from jetpay.credits.disown import disown
from jetpay.credits.page_queries import PageCredit, page_credit
from jetpay.payment_page import sentences
from jetpay.payment_page.pages import Asked, Pages, asked_of
from jetpay.payment_page.posted import came_from_here, read_form
from jetpay.security.forms import form_token, is_form_token
from jetpay.security.links import DISOWNING, check_link, read_link
from jetpay.services import Services

FORM: Final = "disown"
FORBIDDEN: Final = 403


class Disowning:
    """Two requests with the same token: a page, and the form of that page."""

    def __init__(
        self,
        services: Services,
        pages: Pages,
        unknown: Callable[[Request], Awaitable[Response]],
    ) -> None:
        self._services = services
        self._pages = pages
        self._unknown = unknown

    async def show(self, request: Request) -> Response:
        """What the button does."""
        found = await self._credit(request)
        if found is None:
            return await self._unknown(request)
        credit, _, token = found
        asked = asked_of(request, credit.language)
        key = self._services.keyring.active("csrf")
        response = self._pages.render(
            FORM,
            asked,
            company=credit.company_name,
            sandbox=credit.sandbox,
            support_contact=credit.support_contact,
            brand=credit.brand,
            form_token=form_token(key, credit.company_id, token, FORM),
        )
        return _without_referrer(response)

    async def post(self, request: Request) -> Response:
        """Hold the payment, and tell the company."""
        found = await self._credit(request)
        if found is None:
            return await self._unknown(request)
        credit, attempt, token = found
        asked = asked_of(request, credit.language)
        try:
            form = await read_form(request)
        except Refusal as refusal:
            return self._pages.message(sentences.UNREADABLE, asked, status=refusal.status)
        if not self._is_ours(request, form, credit, token):
            return self._pages.message(
                sentences.FORGED, asked, status=FORBIDDEN, back=request.url.path
            )
        at = credit.business_time(self._services.clock.now())
        is_held = await disown(
            self._services.db, credit.company_id, credit.credit_id, attempt, at=at
        )
        said = sentences.DISOWNED if is_held else sentences.DISOWNED_LATE
        return self._answer(said, asked, credit)

    def _is_ours(
        self, request: Request, form: dict[str, str], credit: PageCredit, token: str
    ) -> bool:
        if not came_from_here(request, self._services.settings.public_url):
            return False
        keys = self._services.keyring.accepted("csrf")
        given = form.get("form_token", "")
        return is_form_token(given, keys, credit.company_id, token, FORM)

    def _answer(self, said: sentences.Message, asked: Asked, credit: PageCredit) -> Response:
        response = self._pages.message(
            said,
            asked,
            status=200,
            company=credit.company_name,
            sandbox=credit.sandbox,
            support_contact=credit.support_contact,
            brand=credit.brand,
        )
        return _without_referrer(response)

    async def _credit(self, request: Request) -> tuple[PageCredit, int, str] | None:
        """The credit and the attempt that a genuine token names."""
        services, token = self._services, request.path_params["token"]
        parts = read_link(token)
        if parts is not None:
            await services.short_ids.learn(services.db, parts.short_id)
            await services.keyring.learn(services.db, "link", parts.key_number)
        link = check_link(token, services.keyring, services.short_ids.company_of, kind=DISOWNING)
        if link is None:
            return None
        credit = await page_credit(
            services.db, CompanyId(link.company_id), CreditId(link.credit_id)
        )
        return None if credit is None else (credit, link.version, token)


def _without_referrer(response: Response) -> Response:
    """The address is the secret here."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
