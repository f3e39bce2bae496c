"""Whoever asks for a mail is told at once where none can be sent."""

import pytest

from jetpay.base.refusals import Invalid
from jetpay.credits.births import Births
from jetpay.notices.send import tick_notices
from tests.payment_page.facts import ask
from tests.stage import Stage


async def test_a_live_company_without_a_mail_server_cannot_notify(live_stage: Stage) -> None:
    company = await live_stage.company.new_token()
    births = live_stage.services.births
    wanted = company.request(notify=True)
    with pytest.raises(Invalid) as refused:
        await births.one(company.asker, wanted, key=None)
    [problem] = refused.value.errors
    assert (problem.field, problem.code) == ("notify", "no_mail_server")
    silent = company.request(notify=False, statement="Silent")
    of_many = await births.many(company.asker, [(wanted, "1"), (silent, "2")])
    assert isinstance(of_many[0], Invalid)
    assert not isinstance(of_many[1], Invalid)


async def test_with_a_mail_server_it_may(
    live_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = await live_stage.company.new_token()
    births: Births = live_stage.services.births
    monkeypatch.setattr(births, "_can_mail", True)
    await births.one(company.asker, company.request(notify=True), key=None)


async def test_what_was_not_mailed_is_not_mailed_later(live_stage: Stage) -> None:
    company = await live_stage.company.new_token()
    await live_stage.services.births.one(company.asker, company.request(), key=None)
    await tick_notices(live_stage.services, only=company.company_id)
    planned = await ask(
        live_stage.services.db,
        "select n.last_event_id = c.last_event_id,"
        " (select count(*) from mail m where m.company_id = n.company_id)"
        " from notice_cursor n join event_counter c using (company_id) where company_id = %s",
        company.company_id,
    )
    assert planned == [(True, 0)]
