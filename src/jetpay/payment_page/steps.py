"""Each step of the visit as a page: what it shows follows from the visit alone."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from jetpay.credits.codes import code_is_out, may_be_reprieved
from jetpay.credits.drafts import reviewed_of
from jetpay.credits.model import State
from jetpay.credits.page_queries import FOLLOWING
from jetpay.payment_page import sentences
from jetpay.payment_page.bank_details import (
    Typed,
    facts_of,
    kind_of,
    offered,
    typed_again,
    warnings_of,
)
from jetpay.payment_page.following import Following
from jetpay.payment_page.pages import Asked, Pages, languages_of
from jetpay.payment_page.posted import make_token
from jetpay.payment_page.sentences import Message
from jetpay.payment_page.visits import Step, Visit, Visitors
from jetpay.security.forms import reviewed_token
from jetpay.services import Services

GONE, LOCKED = 410, 423


class Steps:
    """Shows the page of a visit's step."""

    def __init__(self, services: Services, visitors: Visitors, pages: Pages) -> None:
        self._services = services
        self._visitors = visitors
        self._pages = pages
        self._following = Following(services, pages)

    async def show(
        self,
        visit: Visit,
        asked: Asked,
        *,
        status: int = 200,
        notice: str | None = None,
        problems: Mapping[str, str] | None = None,
        typed: Typed | None = None,
    ) -> Response:
        """The page where the visit stands, with the cookie that it needs."""
        shown: dict[str, Any] = {
            **self._frame(visit, asked),
            "notice": notice and asked.language.say(notice, company=visit.credit.company_name),
            "problems": problems or {},
            "typed": typed or Typed(),
        }
        view = asked.view or ""
        match visit.step:
            case Step.GONE:
                response = self._gone(visit, asked, shown)
            case Step.LOCKED:
                response = await self._locked(visit, asked, shown)
            case Step.CODE:
                response = await self._code(visit, asked, shown, status, sentences.CODE)
            case Step.QUESTION:
                response = self._question(visit, asked, shown, status)
            case Step.STATUS:
                response = await self._following.show(visit, asked, shown, status)
            case Step.DETAILS | Step.REVIEW:
                response = await self._claiming(visit, asked, shown, status, view)
        if visit.is_fresh:
            self._visitors.give(response, visit.credit.credit_id, visit.cookie)
        return response

    async def locked(self, visit: Visit, asked: Asked, *, for_good: bool = False) -> Response:
        """The link was locked by this very answer or code, or by somebody else's."""
        return await self._locked(visit, asked, self._frame(visit, asked), for_good=for_good)

    def onward(self, path: str) -> Response:
        """To the page as it is now."""
        return self._pages.redirect(path)

    def reissued(self, visit: Visit, asked: Asked) -> Response:
        """The link has a younger sister."""
        return self._message(sentences.REISSUED, asked, self._frame(visit, asked), status=GONE)

    def refused(
        self, visit: Visit, asked: Asked, message: Message, *, status: int, retry_after: int | None
    ) -> Response:
        """A page that says why nothing was done."""
        headers = None if retry_after is None else {"Retry-After": str(retry_after)}
        shown = self._frame(visit, asked)
        return self._message(message, asked, shown, status=status, headers=headers)

    def _frame(self, visit: Visit, asked: Asked) -> dict[str, Any]:
        path = page_path(visit)
        keyring = self._services.keyring

        def href(view: str | None = None) -> str:
            return path + asked.query(view)

        return {
            "company": visit.credit.company_name,
            "sandbox": visit.credit.sandbox,
            "state": visit.state.value,
            "support_contact": visit.credit.support_contact,
            "brand": visit.credit.brand,
            "step": visit.step.value,
            "languages": languages_of(asked, path),
            "href": href,
            "form_token": lambda form: make_token(keyring, visit, form),
        }

    def _message(
        self, message: Message, asked: Asked, shown: Mapping[str, Any], **how: Any
    ) -> Response:
        return self._pages.message(message, asked, **{**shown, **how})

    async def _locked(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], *, for_good: bool = False
    ) -> Response:
        # The link of an ended credit cannot be unlocked, so the page says how it ended.
        has_failed = visit.credit.state is State.FAILED
        can_mail = self._services.settings.can_mail
        reopens = not for_good and may_be_reprieved(visit.credit, can_mail=can_mail)
        if reopens and not has_failed and visit.session is None:
            # As it is answered: the form goes on from here, as from the same page opened anew.
            locked = {**shown, "step": Step.LOCKED.value}
            return await self._code(visit, asked, locked, LOCKED, sentences.LOCKED_WITH_CODE)
        message = sentences.LOCKED_AND_FAILED if has_failed else sentences.LOCKED
        return self._message(message, asked, shown, status=LOCKED)

    async def _code(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int, said: Message
    ) -> Response:
        credit, say = visit.credit, asked.language.say
        local, _, domain = (credit.gate_email or "").rpartition("@")
        # A link alone does not tell who the payee is.
        address = f"{local[:1]}•••@{domain}" if visit.session else None
        is_out = await code_is_out(
            self._services.db, credit.company_id, visit.holder, now=visit.now
        )
        return self._pages.render(
            "code",
            asked,
            status=status,
            headline=say(said.headline),
            sentences=[say(each, company=credit.company_name) for each in said.sentences],
            address=address,
            is_out=is_out,
            **shown,
        )

    def _gone(self, visit: Visit, asked: Asked, shown: Mapping[str, Any]) -> Response:
        if visit.credit.is_erased:
            message = sentences.REMOVED
        elif visit.credit.state is State.ACTION_REQUIRED:
            message = sentences.REPAIR_LAPSED
        else:
            message = sentences.GONE[visit.state]
        return self._message(message, asked, shown, status=GONE)

    def _question(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int
    ) -> Response:
        used = visit.credit.state in FOLLOWING or visit.credit.state is State.ACTION_REQUIRED
        question = visit.credit.question
        return self._pages.render(
            "question", asked, status=status, question=question, used=used, **shown
        )

    async def _claiming(
        self, visit: Visit, asked: Asked, shown: dict[str, Any], status: int, view: str
    ) -> Response:
        shown["amount"] = asked.language.money(visit.credit.amount, visit.credit.currency)
        if status == 200 and view in ("decline", "leave"):  # noqa: PLR2004
            return self._pages.render(view, asked, **shown)
        if visit.draft is None:
            return await self._details(visit, asked, shown, status, form="details")
        if view == "details":
            if not shown["problems"]:
                shown["typed"] = typed_again(visit.draft.details)
            return await self._details(visit, asked, shown, status, form="change")
        return self._review(visit, asked, shown, status)

    async def _details(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int, *, form: str
    ) -> Response:
        repair = await self._following.repair(visit, asked.language)
        return self._pages.render(
            "details",
            asked,
            status=status,
            form=form,
            scheme=visit.credit.scheme,
            institutions=offered(asked.language) if visit.credit.scheme == "ca" else [],
            repair=repair,
            **({"faults": repair["faults"]} if repair else {}),
            **shown,
        )

    def _review(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int
    ) -> Response:
        assert visit.draft is not None
        credit, details, language = visit.credit, visit.draft.details, asked.language
        seen = reviewed_of(
            credit,
            visit.draft,
            consent_text=sentences.CONSENT_TEXT,
            language=language.code,
        )
        return self._pages.render(
            "review",
            asked,
            status=status,
            statement=credit.statement,
            warnings=warnings_of(details, language),
            reviewed=reviewed_token(self._services.keyring.active("csrf"), credit.company_id, seen),
            consent=language.say(
                sentences.CONSENT, amount=shown["amount"], company=credit.company_name
            ),
            account={
                "holder_name": details.holder_name,
                "facts": facts_of(details, language),
                "last3": details.last3,
                "kind": kind_of(details, language),
            },
            **shown,
        )


def page_path(visit: Visit) -> str:
    """Where the credit's page is, without the query."""
    return f"/payment/{visit.credit.credit_id}"
