"""The code by mail: the step between question and details, and the way out of a lock."""

from collections.abc import Mapping

from starlette.responses import Response

from jetpay.base.refusals import RateLimited
from jetpay.credits.codes import NoMoreCodes, ask_code, code_required, try_code
from jetpay.payment_page import sentences
from jetpay.payment_page.pages import Asked
from jetpay.payment_page.steps import Steps, page_path
from jetpay.payment_page.visits import Visit
from jetpay.security.visits import session_digest
from jetpay.services import Services

INVALID, TOO_MANY = 422, 429


class CodeStep:
    """Asks for a code, and takes what was typed."""

    def __init__(self, services: Services, steps: Steps) -> None:
        self._services = services
        self._steps = steps

    async def begin(self, visit: Visit, cookie: str, asked: Asked) -> None:
        """After the right answer the first code is on its way before the page is shown."""
        holder = session_digest(cookie)
        can_mail = self._services.settings.can_mail
        if holder and code_required(visit.credit, can_mail=can_mail, now=visit.now):
            await self._ask(visit, holder, asked)

    async def take(self, visit: Visit, asked: Asked, form: Mapping[str, str]) -> Response:
        """What was typed, or the wish for another code."""
        if form.get("send"):
            return await self._send_again(visit, asked)
        typed = form.get("code", "")
        if not typed.strip():
            return await self._again(visit, asked, sentences.NO_CODE)
        outcome = await try_code(
            self._services.db,
            visit.credit,
            visit.holder,
            typed,
            reopens=visit.session is None,
            keyring=self._services.keyring,
            now=visit.now,
        )
        if outcome.is_right:
            return self._steps.onward(page_path(visit) + asked.query())
        if outcome.locked:
            return await self._steps.locked(visit, asked, for_good=True)
        if not outcome.is_known or not outcome.tries_left:
            return await self._again(visit, asked, sentences.CODE_DEAD)
        problem = asked.language.say_many(
            "This is not the code. You have {number} try left.",
            "This is not the code. You have {number} tries left.",
            outcome.tries_left,
        )
        return await self._steps.show(visit, asked, status=INVALID, problems={"code": problem})

    async def _send_again(self, visit: Visit, asked: Asked) -> Response:
        refusal = await self._ask(visit, visit.holder, asked)
        if refusal is None:
            return self._steps.onward(page_path(visit) + asked.query())
        notice = sentences.CODES_LATER
        if isinstance(refusal, NoMoreCodes):
            notice = sentences.NO_MORE_CODES
        elif refusal.retry_after is not None and refusal.retry_after <= 60:  # noqa: PLR2004
            notice = sentences.CODE_IN_A_MINUTE
        response = await self._steps.show(visit, asked, status=TOO_MANY, notice=notice)
        response.headers["Retry-After"] = str(refusal.retry_after)
        return response

    async def _ask(self, visit: Visit, holder: bytes, asked: Asked) -> RateLimited | None:
        try:
            await ask_code(
                self._services.db,
                visit.credit,
                holder,
                language=asked.language.code,
                vault=self._services.vault,
                keyring=self._services.keyring,
                now=visit.now,
            )
        except RateLimited as refusal:
            return refusal
        return None

    async def _again(self, visit: Visit, asked: Asked, sentence: str) -> Response:
        problems = {"code": asked.language.say(sentence)}
        return await self._steps.show(visit, asked, status=INVALID, problems=problems)
