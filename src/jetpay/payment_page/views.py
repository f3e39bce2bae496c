"""The two addresses of a payment link: the token's, and the credit's."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from jetpay.base.refusals import Busy, Conflict, RateLimited, Refusal
from jetpay.base.text import TextProblem
from jetpay.credits.attempts import refused_before
from jetpay.credits.drafts import (
    ReviewChanged,
    Reviewing,
    accept_reviewed,
    decline_by_payee,
    save_draft,
)
from jetpay.credits.gate import LinkLocked, Right, TooManyLateAnswers, answer_question, is_late
from jetpay.credits.payee_sessions import end_session, touch
from jetpay.credits.refusals import SameDetails
from jetpay.payment_page import sentences
from jetpay.payment_page.bank_details import (
    indexes_of,
    read_details,
    read_reason,
    same_details,
    typed_in,
)
from jetpay.payment_page.code_step import CodeStep
from jetpay.payment_page.disowning import Disowning
from jetpay.payment_page.pages import Asked, Pages, asked_of
from jetpay.payment_page.posted import came_from_here, is_ours, read_form
from jetpay.payment_page.sentences import Message
from jetpay.payment_page.steps import Steps, page_path
from jetpay.payment_page.visits import Step, Visit, Visitors
from jetpay.security import limits
from jetpay.security.limits import LimitKind, evidence_network, limited_network
from jetpay.security.proxies import Client, client_of
from jetpay.security.secrets import Secret
from jetpay.services import Services

FORBIDDEN, NOT_FOUND, CONFLICT, INVALID, TOO_MANY, BUSY = 403, 404, 409, 422, 429, 503
Form = Mapping[str, str]

EXPECTED_FORMS: Final[Mapping[Step, frozenset[str]]] = {
    Step.QUESTION: frozenset({"question"}),
    Step.CODE: frozenset({"code", "leave"}),
    Step.LOCKED: frozenset({"code"}),
    Step.DETAILS: frozenset({"details", "decline", "leave"}),
    Step.REVIEW: frozenset({"review", "change", "decline", "leave"}),
    Step.STATUS: frozenset({"leave"}),
}


class PaymentPage:
    """Parses what a browser sends, calls one action, shows the step that follows."""

    def __init__(self, services: Services, visitors: Visitors, pages: Pages) -> None:
        self._services = services
        self._visitors = visitors
        self._pages = pages
        self._steps = Steps(services, visitors, pages)
        self._codes = CodeStep(services, self._steps)
        self.disowning = Disowning(services, self._pages, self._unknown_link)

    async def open_link(self, request: Request) -> Response:
        """Exchange the token for a cookie; writes nothing, whoever looks."""
        found = await self._visitors.by_link(request.path_params["token"])
        if found is None:
            return await self._unknown_link(request)
        credit, version = found
        now = self._services.clock.now()
        visit = Visit(credit, self._visitors.fresh_cookie(credit, now), now)
        asked = asked_of(request, credit.language)
        if version != credit.link_version or visit.step is Step.GONE:
            is_old = version != credit.link_version and visit.step is not Step.GONE
            response = (
                self._steps.reissued(visit, asked) if is_old
                else await self._steps.show(visit, asked)
            )  # fmt: skip
            response.headers["Referrer-Policy"] = "no-referrer"
            return response
        path = page_path(visit) + asked.query()
        response = self._pages.redirect(path, referrer_policy="no-referrer")
        if not await self._has_session(request, visit):
            self._visitors.give(response, credit.credit_id, visit.cookie)
        self._visitors.clear_oldest(request, response, credit.credit_id)
        return response

    async def show(self, request: Request) -> Response:
        """The step where this browser stands."""
        visit = await self._visitors.find(request)
        if visit is None:
            return self._no_visit(request)
        notice = sentences.ENDED if visit.had_session and visit.step is Step.QUESTION else None
        asked = asked_of(request, visit.credit.language)
        return await self._steps.show(visit, asked, notice=notice)

    async def post(self, request: Request) -> Response:
        """One form of one step; anything else is answered with the page that is right."""
        try:
            form = await read_form(request)
        except Refusal as refusal:
            asked = asked_of(request, None)
            return self._pages.message(sentences.UNREADABLE, asked, status=refusal.status)
        if not came_from_here(request, self._services.settings.public_url):
            return self._forged(request)
        visit = await self._visitors.find(request)
        if visit is None:
            return self._no_visit(request)
        sent_cookie = request.cookies[self._visitors.cookie_name(visit.credit.credit_id)]
        if not is_ours(self._services.keyring, visit, sent_cookie, dict(form)):
            return self._forged(request)
        asked = asked_of(request, visit.credit.language)
        if visit.session is not None:
            await touch(self._services.db, visit.session, now=visit.now)
        try:
            return await self._take(request, visit, asked, form)
        except Refusal as refusal:
            return await self._refused(visit, asked, refusal)

    async def _take(self, request: Request, visit: Visit, asked: Asked, form: Form) -> Response:
        name = form["step"]
        if visit.step is Step.GONE or (visit.step is Step.LOCKED and name != "code"):
            return await self._steps.show(visit, asked)
        if name not in EXPECTED_FORMS[visit.step]:
            if visit.step is Step.STATUS and form.get("decision") == "accept":
                # The same accept once more: a double click, or the back button.
                return self._onward(visit, asked)
            notice = sentences.ENDED if visit.had_session else sentences.ELSEWHERE
            return await self._steps.show(visit, asked, status=CONFLICT, notice=notice)
        if name == "question":
            return await self._answer(request, visit, asked, form)
        if name in ("details", "change"):
            return await self._keep_details(visit, asked, form)
        if name == "code":
            return await self._codes.take(visit, asked, form)
        if name == "leave":
            return await self._leave(visit, asked)
        return await self._decide(request, visit, asked, form)

    async def _answer(self, request: Request, visit: Visit, asked: Asked, form: Form) -> Response:
        services, say = self._services, asked.language.say
        answer = form.get("answer", "")
        if not answer.strip():
            problem = say(sentences.NO_ANSWER)
            return await self._asked_again(visit, asked, problem)
        try:
            outcome = await answer_question(
                services.db,
                services.hasher,
                visit.credit,
                Secret(answer),
                network=limited_network(self._client(request)),
                now=visit.now,
            )
        except TextProblem:
            return await self._asked_again(visit, asked, say(sentences.ANSWER_TOO_LONG))
        if isinstance(outcome, Right):
            response = self._onward(visit, asked)
            cookie = outcome.cookie_value.reveal()
            await self._codes.begin(visit, cookie, asked)
            self._visitors.give(response, visit.credit.credit_id, cookie)
            return response
        if outcome.tries_left:
            problem = asked.language.say_many(
                "This is not the right answer. You have {number} try left.",
                "This is not the right answer. You have {number} tries left.",
                outcome.tries_left,
            )
            return await self._asked_again(visit, asked, problem)
        if is_late(visit.credit):
            return await self._asked_again(visit, asked, say(sentences.NO_TRY_LEFT_TODAY))
        return await self._steps.locked(visit, asked)

    async def _asked_again(self, visit: Visit, asked: Asked, problem: str) -> Response:
        return await self._steps.show(visit, asked, status=INVALID, problems={"answer": problem})

    async def _keep_details(self, visit: Visit, asked: Asked, form: Form) -> Response:
        services, session = self._services, visit.session
        assert session is not None
        scheme = visit.credit.scheme
        found = read_details(form, scheme, asked.language, services.keyring, session.company_id)
        if not isinstance(found, dict):
            indexes = indexes_of(services.keyring, session.company_id, found)
            wrong = await refused_before(
                services.db, session.company_id, session.credit_id, found, indexes
            )
            if wrong is not None:
                found = same_details(wrong, scheme, asked.language)
        if isinstance(found, dict):
            again = asked.at_view("details" if form["step"] == "change" else None)
            return await self._steps.show(
                visit, again, status=INVALID, problems=found, typed=typed_in(form)
            )
        await save_draft(
            services.db,
            session,
            attempt=visit.credit.attempt + 1,
            details=found,
            vault=services.vault,
            now=visit.now,
        )
        return self._onward(visit, asked)

    async def _decide(self, request: Request, visit: Visit, asked: Asked, form: Form) -> Response:
        decision = form.get("decision")
        if decision == "decline":
            return await self._decline(visit, asked, form)
        if decision == "accept" and form["step"] == "review":
            return await self._accept(request, visit, asked, form)
        return await self._steps.show(visit, asked, status=INVALID, notice=sentences.CHOOSE)

    async def _accept(self, request: Request, visit: Visit, asked: Asked, form: Form) -> Response:
        assert visit.session is not None
        await accept_reviewed(
            self._services.db,
            visit.session,
            reviewing=Reviewing(
                token=form.get("reviewed", ""),
                keys=self._services.keyring.accepted("csrf"),
                consent_text=sentences.CONSENT_TEXT,
                language=asked.language.code,
                client_network=evidence_network(self._client(request)),
            ),
            vault=self._services.vault,
            at=visit.at,
            now=visit.now,
        )
        return self._onward(visit, asked)

    async def _decline(self, visit: Visit, asked: Asked, form: Form) -> Response:
        assert visit.session is not None
        reason, problems = read_reason(form, asked.language)
        if problems:
            again = asked.at_view("decline" if form["step"] == "decline" else None)
            return await self._steps.show(
                visit, again, status=INVALID, problems=problems, typed=typed_in(form)
            )
        await decline_by_payee(
            self._services.db, visit.session, reason=reason, at=visit.at, now=visit.now
        )
        return self._onward(visit, asked)

    async def _leave(self, visit: Visit, asked: Asked) -> Response:
        assert visit.session is not None
        await end_session(self._services.db, visit.session, now=visit.now)
        response = self._pages.message(
            sentences.LEFT, asked, status=200, company=visit.credit.company_name
        )
        self._visitors.clear(response, self._visitors.cookie_name(visit.credit.credit_id))
        return response

    async def _refused(self, visit: Visit, asked: Asked, refusal: Refusal) -> Response:
        if isinstance(refusal, LinkLocked):
            return await self._steps.locked(visit, asked)
        if isinstance(refusal, SameDetails):
            field, scheme = refusal.errors[0].field, visit.credit.scheme
            problems = same_details(field, scheme, asked.language)
            again = asked.at_view("details")
            return await self._steps.show(visit, again, status=INVALID, problems=problems)
        if isinstance(refusal, Conflict):
            return await self._overtaken(visit, asked, refusal)
        message: Message | None = None
        if isinstance(refusal, TooManyLateAnswers):
            message = sentences.TOO_OFTEN_TODAY
        elif isinstance(refusal, RateLimited):
            message = sentences.TOO_OFTEN
        elif isinstance(refusal, Busy):
            message = sentences.BUSY
        if message is None:
            raise refusal
        return self._steps.refused(
            visit, asked, message, status=refusal.status, retry_after=refusal.retry_after
        )

    async def _overtaken(self, visit: Visit, asked: Asked, refusal: Conflict) -> Response:
        """Something else was faster; the page as it is now says what."""
        now = await self._visitors.again(visit)
        if now.step is Step.STATUS:
            return self._onward(now, asked)
        notice = sentences.ELSEWHERE
        if now.step is Step.QUESTION:
            notice = sentences.TAKEN if is_late(now.credit) else sentences.ENDED
        elif isinstance(refusal, ReviewChanged):
            notice = sentences.LOOK_AGAIN
        return await self._steps.show(now, asked.at_view(None), status=CONFLICT, notice=notice)

    async def _unknown_link(self, request: Request) -> Response:
        network = limited_network(self._client(request))
        asked = asked_of(request, None)
        if network is not None:
            try:
                await limits.take(
                    self._services.db,
                    network,
                    LimitKind.UNKNOWN_LINK,
                    now=self._services.clock.now(),
                )
            except RateLimited as limited:
                headers = {"Retry-After": str(limited.retry_after)}
                return self._pages.message(
                    sentences.TOO_OFTEN, asked, status=TOO_MANY, headers=headers
                )
        response = self._pages.message(sentences.UNKNOWN, asked, status=NOT_FOUND)
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def _has_session(self, request: Request, visit: Visit) -> bool:
        """Whether this browser has passed the gate already: then its session goes on."""
        cookie = request.cookies.get(self._visitors.cookie_name(visit.credit.credit_id))
        if cookie is None:
            return False
        present = await self._visitors.again(visit.with_cookie(cookie))
        return present.session is not None

    def _no_visit(self, request: Request) -> Response:
        response = self._pages.message(sentences.UNKNOWN, asked_of(request, None), status=NOT_FOUND)
        name = self._visitors.cookie_name_of(request.path_params["identifier"])
        if name is not None and name in request.cookies:
            self._visitors.clear(response, name)
        return response

    def _forged(self, request: Request) -> Response:
        asked = asked_of(request, None)
        back = request.url.path + asked.query()
        return self._pages.message(sentences.FORGED, asked, status=FORBIDDEN, back=back)

    def _onward(self, visit: Visit, asked: Asked) -> Response:
        return self._pages.redirect(page_path(visit) + asked.query())

    def _client(self, request: Request) -> Client:
        return client_of(request.scope, self._services.settings.trusted_proxies)
