"""Beside the payment's page: its receipt as a PDF, and where anybody can check a receipt."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from jetpay.credits.model import State
from jetpay.credits.page_queries import last_attempt, page_credit
from jetpay.payment_page import sentences
from jetpay.payment_page.pages import Pages, asked_of, languages_of
from jetpay.payment_page.receipts import facts
from jetpay.payment_page.receipts.model import (
    PATH,
    Receipt,
    checked,
    receipt_of,
    signed_path,
)
from jetpay.payment_page.receipts.pdf import render_pdf
from jetpay.payment_page.steps import page_path
from jetpay.payment_page.visits import Step, Visitors
from jetpay.services import Services

NOT_FOUND, BUSY = 404, 503
PDFS_AT_ONCE: Final = 8
"""One is made, the others wait; beyond, a payee is asked to come again."""
RETRY_SECONDS: Final = 2


class ReceiptPages:
    """Makes what is downloaded, and checks what somebody was shown. Writes nothing."""

    def __init__(self, services: Services, visitors: Visitors, pages: Pages) -> None:
        self._services = services
        self._visitors = visitors
        self._pages = pages
        self._making = asyncio.Semaphore(1)
        self._waiting = 0

    async def pdf(self, request: Request) -> Response:
        """For the session that may read the status; anybody else is shown the payment's page."""
        visit = await self._visitors.find(request)
        if visit is None:
            asked = asked_of(request, None)
            return self._pages.message(sentences.UNKNOWN, asked, status=NOT_FOUND)
        credit, services = visit.credit, self._services
        asked = asked_of(request, credit.language)
        receipt = None
        if visit.step is Step.STATUS:
            attempt = await last_attempt(services.db, credit.company_id, credit.credit_id)
            receipt = receipt_of(credit, attempt, now=visit.now)
        if receipt is None:
            return self._pages.redirect(page_path(visit) + asked.query())
        if self._waiting >= PDFS_AT_ONCE:
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return self._pages.message(sentences.BUSY, asked, status=BUSY, headers=headers)
        public_url = services.settings.public_url
        self._waiting += 1
        try:
            async with self._making:
                body = await asyncio.to_thread(
                    render_pdf,
                    receipt,
                    asked.language,
                    address=public_url + signed_path(services.keyring, receipt),
                    public_url=public_url,
                )
        finally:
            self._waiting -= 1
        return self._pages.download(body, "application/pdf", f"receipt-{receipt.reference}.pdf")

    async def check(self, request: Request) -> Response:
        """What a receipt said, and whether it is still so; no receipt is needed to be told no."""
        asked = asked_of(request, None)
        now, token = self._services.clock.now(), request.path_params["token"]
        receipt = checked(self._services.keyring, token, now=now)
        if receipt is None:
            return self._pages.message(facts.NOT_GENUINE, asked, status=NOT_FOUND)
        language = asked.language
        response = self._pages.render(
            "receipt_check",
            asked,
            company=receipt.company,
            sandbox=receipt.sandbox,
            state=receipt.state.value,
            languages=languages_of(asked, PATH + token),
            title=facts.title_of(receipt, language),
            said=facts.said_by(receipt, language),
            moment=language.moment(receipt.issued_at),
            still=language.say(await self._as_of_now(receipt), company=receipt.company),
            rows=facts.rows_of(receipt, language),
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def _as_of_now(self, receipt: Receipt) -> str:
        db = self._services.db
        credit = await page_credit(db, receipt.company_id, receipt.credit_id)
        attempt = await last_attempt(db, receipt.company_id, receipt.credit_id)
        same = attempt is not None and attempt.reference == receipt.reference
        if credit is not None and same and credit.state is not receipt.state:
            was_on_its_way = receipt.state is State.PROCESSING
            if was_on_its_way and credit.state is State.COMPLETED:
                return facts.NOW_COMPLETE
        is_so = credit is not None and same and credit.state is receipt.state
        return facts.NOW_SENTENCES[is_so]
