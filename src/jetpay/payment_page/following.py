"""From the acceptance on: where the payment is, its receipt, and what a repair has to change."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.responses import Response

from jetpay.base.clock import iso
from jetpay.credits.model import State
from jetpay.credits.page_queries import (
    Moved,
    PageAttempt,
    PageCredit,
    expected_on,
    last_attempt,
    steps_of,
)
from jetpay.payment_page import sentences
from jetpay.payment_page.pages import Asked, Pages
from jetpay.payment_page.receipts import facts
from jetpay.payment_page.receipts.model import Receipt, receipt_of, signed_path, square_of
from jetpay.payment_page.visits import Visit
from jetpay.services import Services
from jetpay.translations import ZONE, Language


class Following:
    """Shows what has become of an accepted payment; writes nothing."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(
        self, visit: Visit, asked: Asked, shown: Mapping[str, Any], status: int
    ) -> Response:
        """The status, or what was asked for beside it."""
        credit = visit.credit
        attempt = await self._last_attempt(credit)
        receipt = receipt_of(credit, attempt, now=visit.now)
        if status == 200 and asked.view == "leave":  # noqa: PLR2004
            return self._pages.render("leave", asked, **shown)
        if asked.view == "receipt" and receipt is not None:
            return self._receipt(receipt, asked, shown)
        moves = await steps_of(self._services.db, credit.company_id, credit.credit_id)
        language = asked.language
        day = _expected_on(visit, attempt)
        values = {
            "company": credit.company_name,
            "statement": credit.statement,
            "reference": attempt.reference if attempt else "",
            "day": language.day(day) if day else "",
        }
        is_late = day is not None and visit.at.astimezone(ZONE).date() > day
        return self._pages.render(
            "status",
            asked,
            status=status,
            headline=language.say(sentences.STATUS[credit.state].headline),
            explanation=[
                language.say(each, **values) for each in _explained(credit, moves, is_late=is_late)
            ],
            help=[language.say(each, **values) for each in _help(credit, has_day=day is not None)],
            amount=language.money(credit.amount, credit.currency),
            statement=credit.statement,
            account=attempt,
            expected_on=values["day"],
            receipt=receipt and facts.title_of(receipt, language),
            timeline=[_entry(each, language) for each in moves],
            **shown,
        )

    async def repair(self, visit: Visit, language: Language) -> dict[str, Any] | None:
        """What the bank refused, which fields that is about, and how often it may be tried yet."""
        credit = visit.credit
        if credit.state is not State.ACTION_REQUIRED or credit.expires_at is None:
            return None
        attempt = await self._last_attempt(credit)
        moves = await steps_of(self._services.db, credit.company_id, credit.credit_id)
        reason = credit.fail_reason or ""
        reason = reason if reason in sentences.REPAIRS else "details_invalid"
        fault = language.say(sentences.FAULTS[reason])
        accepted = sum(
            move.to_state is State.INITIATED and move.from_state is not State.PROCESSING
            for move in moves
        )
        return {
            "sentence": language.say(sentences.REPAIRS[reason]),
            "was_complete": bool(moves) and moves[0].from_state is State.COMPLETED,
            "last3": attempt.last3 if attempt else "",
            "until": language.moment(credit.expires_at),
            "number": accepted + 1,
            "total": accepted + credit.repairs_left,
            "faults": dict.fromkeys(sentences.FAULTY_FIELDS[reason], fault),
        }

    def _receipt(self, receipt: Receipt, asked: Asked, shown: Mapping[str, Any]) -> Response:
        language = asked.language
        public_url = self._services.settings.public_url
        address = public_url + signed_path(self._services.keyring, receipt)
        return self._pages.render(
            "receipt",
            asked,
            title=facts.title_of(receipt, language),
            said=facts.said_by(receipt, language),
            true_at=facts.true_at(receipt, language),
            how=language.say(facts.HOW_TO_CHECK, address=public_url),
            code_says=language.say(facts.CODE),
            rows=facts.rows_of(receipt, language),
            address=address,
            pdf=f"/payment/{receipt.credit_id}/receipt.pdf{asked.query()}",
            code=square_of(address),
            **shown,
        )

    async def _last_attempt(self, credit: PageCredit) -> PageAttempt | None:
        return await last_attempt(self._services.db, credit.company_id, credit.credit_id)


def _expected_on(visit: Visit, attempt: PageAttempt | None) -> date | None:
    is_under_way = visit.credit.state in (State.INITIATED, State.PROCESSING)
    if attempt is None or visit.credit.held or not is_under_way:
        return None
    return expected_on(attempt, visit.at)


def _explained(credit: PageCredit, moves: list[Moved], *, is_late: bool) -> list[str]:
    if credit.held:
        return [sentences.HELD]
    if is_late:
        return [sentences.LATE]
    if credit.state is not State.FAILED:
        return list(sentences.STATUS[credit.state].sentences)
    came_from = moves[0].from_state if moves else None
    said = [sentences.CAME_BACK] if came_from is State.COMPLETED else []
    # Of other reasons the bank speaks with the company, not with whoever reads this page.
    if came_from is State.ACTION_REQUIRED:
        said.append(sentences.TOO_LATE)
    elif credit.fail_reason and credit.fail_reason in sentences.REPAIRS:
        said += [sentences.REPAIRS[credit.fail_reason], sentences.USED_UP]
    return [*said, *sentences.STATUS[State.FAILED].sentences]


def _help(credit: PageCredit, *, has_day: bool) -> tuple[str, ...]:
    if credit.state is State.PROCESSING and not has_day:
        return sentences.HELP[State.COMPLETED]
    return sentences.HELP[credit.state]


def _entry(move: Moved, language: Language) -> dict[str, str]:
    what = sentences.TURNS.get((move.from_state, move.to_state), sentences.TIMELINE[move.to_state])
    return {"what": language.say(what), "moment": language.moment(move.at), "iso": iso(move.at)}
