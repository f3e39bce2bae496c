"""A key belongs to its company and its operation: one credit, or a line among many."""

from jetpay.credits.births import Born
from jetpay.idempotency import IdempotencyConflict
from jetpay.services import Services
from tests.world import Company


async def test_the_key_of_one_credit_is_not_the_key_of_a_line(
    services: Services, company: Company
) -> None:
    one = await services.births.one(company.asker, company.request(), key="k")
    lines = [(company.request(amount=7), "k")]
    [line] = await services.births.many(company.asker, lines)
    assert isinstance(line, Born)
    assert line.credit_id != one.credit_id
    assert await services.births.many(company.asker, lines) == [line]
    assert await services.births.one(company.asker, company.request(), key="k") == one


async def test_the_key_of_a_line_to_a_saved_account_is_kept_apart_too(
    services: Services, company: Company
) -> None:
    account = await company.contact_account()
    one = await services.births.one(company.asker, company.request(), key="k")
    [line] = await services.births.many(
        company.asker, [(company.request(to_bank_account=account), "k")]
    )
    assert isinstance(line, Born)
    assert line.credit_id != one.credit_id


async def test_of_lines_with_the_same_key_the_first_one_has_it(
    services: Services, company: Company
) -> None:
    """However close together they came: identifiers of one millisecond are in no order."""
    for turn in range(5):
        lines = [(company.request(amount=amount), f"k{turn}") for amount in range(1, 9)]
        first, *others = await services.births.many(company.asker, lines)
        assert isinstance(first, Born)
        assert first.amount == 1
        assert {type(other) for other in others} == {IdempotencyConflict}
