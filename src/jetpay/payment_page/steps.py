"""Each step of the visit as a page: what it shows follows from the visit alone."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from jetpay.base.clock import iso
from jetpay.credits.drafts import reviewed_of
from jetpay.credits.model import State
from jetpay.credits.page_queries import (
    FOLLOWING,
    Moved,
    PageAttempt,
    expected_on,
    last_attempt,
    steps_of,
)
from jetpay.payment_page import sentences
from jetpay.payment_page.bank_details import (
    Typed,
    bank_name,
    offered,
    typed_again,
    warnings_of,
)
from jetpay.payment_page.pages import Asked, Pages, switch
from jetpay.payment_page.posted import make_token
from jetpay.payment_page.sentences import Message
from jetpay.payment_page.visits import Step, Visit, Visitors
from jetpay.security.forms import reviewed_token
from jetpay.services import Services
from jetpay.translations import Language

GONE, LOCKED = 410, 423


class Steps:
    """Shows the page of a visit's step."""

    def __init__(self, services: Services, visitors: Visitors, pages: Pages) -> None:
        self._services = services
        self._visitors = visitors
        self._pages = pages

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
                response = self._locked(visit, asked, shown)
            case Step.QUESTION:
                response = self._question(visit, asked, shown, status)
            case Step.STATUS:
                response = await self._status(visit, asked, shown, status)
            case Step.DETAILS | Step.REVIEW:
                response = await self._claiming(visit, asked, shown, status, view)
        if visit.is_fresh:
            self._visitors.give(response, visit.credit.credit_id, visit.cookie)
        return response

    def locked(self, visit: Visit, asked: Asked) -> Response:
        """The link was locked by this very answer, or by somebody else's."""
        return self._locked(visit, asked, self._frame(visit, asked))

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
            "step": visit.step.value,
            "other": switch(asked, path),
            "href": href,
            "form_token": lambda form: make_token(keyring, visit, form),
        }

    def _message(
        self, message: Message, asked: Asked, shown: Mapping[str, Any], **how: Any
    ) -> Response:
        return self._pages.message(message, asked, **{**shown, **how})

    def _locked(self, visit: Visit, asked: Asked, shown: Mapping[str, Any]) -> Response:
        # The link of an ended credit cannot be unlocked, so the page says how it ended.
        has_failed = visit.credit.state is State.FAILED
        message = sentences.LOCKED_AND_FAILED if has_failed else sentences.LOCKED
        return self._message(message, asked, shown, status=LOCKED)

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
        return self._pages.render(
            "details",
            asked,
            status=status,
            form=form,
            institutions=offered(asked.language),
            repair=await self._repair(visit, asked.language),
            **shown,
        )

    async def _repair(self, visit: Visit, language: Language) -> dict[str, object] | None:
        credit = visit.credit
        if credit.state is not State.ACTION_REQUIRED or credit.expires_at is None:
            return None
        attempt = await self._last_attempt(visit)
        unusable = sentences.REPAIRS["details_invalid"]
        reason = sentences.REPAIRS.get(credit.fail_reason or "", unusable)
        return {
            "sentence": language.say(reason),
            "last3": attempt.last3 if attempt else "",
            "day": language.day(credit.expires_at),
            "left": credit.repairs_left,
        }

    def _review(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int
    ) -> Response:
        assert visit.draft is not None
        credit, details, language = visit.credit, visit.draft.details, asked.language
        numbers = details.numbers
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
                "bank": bank_name(numbers["institution_number"], language),
                "transit_number": numbers["transit_number"],
                "last3": details.last3,
                "kind": language.say(sentences.ACCOUNT_KINDS[details.account_type]),
            },
            **shown,
        )

    async def _status(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int
    ) -> Response:
        credit, language = visit.credit, asked.language
        if status == 200 and asked.view == "leave":  # noqa: PLR2004
            return self._pages.render("leave", asked, **shown)
        said = sentences.STATUS[credit.state]
        attempt = await self._last_attempt(visit)
        moves = await steps_of(self._services.db, credit.company_id, credit.credit_id)
        explanation = sentences.HELD if credit.held else said.sentences[0]
        return self._pages.render(
            "status",
            asked,
            status=status,
            headline=language.say(said.headline),
            explanation=language.say(explanation, company=credit.company_name),
            amount=language.money(credit.amount, credit.currency),
            statement=credit.statement,
            account=attempt,
            expected_on=_expected_on(visit, attempt, language),
            timeline=[_entry(each, language) for each in moves],
            **shown,
        )

    async def _last_attempt(self, visit: Visit) -> PageAttempt | None:
        credit = visit.credit
        return await last_attempt(self._services.db, credit.company_id, credit.credit_id)


def page_path(visit: Visit) -> str:
    """Where the credit's page is, without the query."""
    return f"/payment/{visit.credit.credit_id}"


def _expected_on(visit: Visit, attempt: PageAttempt | None, language: Language) -> str | None:
    is_under_way = visit.credit.state in (State.INITIATED, State.PROCESSING)
    if attempt is None or visit.credit.held or not is_under_way:
        return None
    day = expected_on(attempt, visit.at)
    return None if day is None else language.day(day)


def _entry(move: Moved, language: Language) -> dict[str, str]:
    what = sentences.TIMELINE[move.to_state]
    if (move.from_state, move.to_state) == (State.PROCESSING, State.INITIATED):
        what = sentences.TO_BANK_AGAIN
    elif (move.from_state, move.to_state) == (State.INITIATED, State.ACTION_REQUIRED):
        what = sentences.DETAILS_NEEDED
    return {"what": language.say(what), "moment": language.moment(move.at), "iso": iso(move.at)}
