"""Whoever does whatever in whatever order: the books hold after every step."""

import asyncio
import dataclasses
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from jetpay.bank_files import actions
from jetpay.bank_files.model import BankFile
from jetpay.base.clock import FixedClock
from jetpay.base.ids import CreditId
from jetpay.base.refusals import Refusal
from jetpay.credits.actions import cancel, decline
from jetpay.credits.model import State
from jetpay.credits.states import TABLE
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR, Actor, ActorKind
from jetpay.rails.fail_reasons import FAIL_REASONS
from jetpay.rails.profiles import PROFILES
from jetpay.sandbox.magic import MAGIC
from jetpay.security.secrets import Secret
from jetpay.services import Services, open_services
from jetpay.settings import Settings
from tests.stage import PAID, Stage
from tests.world import NOON, make_company

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    subject_id: CreditId
    from_state: str | None
    to_state: str


STEPS = Query(
    _Step,
    """
    select subject_id, from_state, to_state from event
    where company_id = %(company_id)s
      and type in ('transactions.credits.created', 'transactions.credits.updated')
    order by event_id
    """,
    never_null=("to_state",),
)
PAID_TWICE = Query(
    CreditId,
    """
    select credit_id from payment_attempt
    where company_id = %(company_id)s and bank_file_id is not null
      and (outcome is null or outcome = 'returned' and refunded_at is null)
    group by credit_id having count(*) > 1
    """,
)
PAIRS = {(row.from_state, row.to_state) for row in TABLE}
NUMBERS = st.sampled_from([PAID, PAID, *(str(number) for number in MAGIC)])
AMOUNTS = st.integers(1, 10_000)
SAME = "Payment"
"""So that some credits may be duplicates."""
HOLDERS = st.sampled_from(["Robin Example", "Robin Example", "山田"])


class Walk(RuleBasedStateMachine):
    """A company, its payees and its bank, each doing what they may and what they may not."""

    services: ClassVar[Services]
    runner: ClassVar[asyncio.Runner]
    folder: ClassVar[Path]
    made = Bundle("made")

    def run(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What is refused was asked at the wrong time; anything else is a defect."""
        try:
            return self.runner.run(work)
        except Refusal:
            return None

    def must(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        company = self.must(make_company(self.services))
        self.stage = Stage.of(company, self.folder)
        self.company = self.stage.company_id
        self.db, self.vault = self.services.db, self.services.vault

    @rule(target=made, amount=AMOUNTS, repairs=st.integers(0, 2))
    def request(self, amount: int, repairs: int) -> CreditId:
        return self.must(self.stage.requested(amount=amount, repairs=repairs, statement=SAME))

    @rule(target=made, amount=AMOUNTS, number=NUMBERS)
    def pay_a_saved_account(self, amount: int, number: str) -> CreditId:
        return self.must(self.stage.to_account(number, amount=amount, statement=SAME))

    @rule(target=made, amount=AMOUNTS, number=NUMBERS, holder=HOLDERS)
    def request_and_accept(self, amount: int, number: str, holder: str) -> CreditId:
        return self.must(self.stage.accepted(number, holder=holder, amount=amount, statement=SAME))

    @rule(credit=made, number=NUMBERS, holder=HOLDERS)
    def accept(self, credit: CreditId, number: str, holder: str) -> None:
        self.run(self.stage.accept(credit, number, holder=holder))

    @rule(target=made, credit=consumes(made))
    def cancel(self, credit: CreditId) -> Any:
        at = self.must(self.stage.now())
        self.run(cancel(self.db, self.company, credit, by=OPERATOR, at=at))
        return multiple()

    @rule(credit=made)
    def decline(self, credit: CreditId) -> None:
        at = self.must(self.stage.now())
        self.run(decline(self.db, self.company, credit, reason=None, at=at))

    @rule(days=st.sampled_from([0, 1, 1, 2, 5, 15]))
    def let_days_pass(self, days: int) -> None:
        self.must(self.stage.advance(days))

    @rule(credit=made, reason=st.sampled_from(sorted(FAIL_REASONS)))
    def return_a_payment(self, credit: CreditId, reason: str) -> None:
        self.run(self.stage.return_now(credit, reason))

    @rule(credit=made)
    def file_it_again(self, credit: CreditId) -> None:
        self.run(self.stage.release(credit))

    @rule(file=st.sampled_from([None, 1_000, 20_000]), daily=st.sampled_from([None, 5_000]))
    def change_limits(self, file: int | None, daily: int | None) -> None:
        self.must(self.stage.limit(file=file, daily=daily))

    @rule(profile=st.sampled_from(sorted(PROFILES)))
    def change_profile(self, profile: str) -> None:
        self.must(self.stage.use_profile(profile))

    @rule(place=st.integers(0, 3))
    def withdraw_a_file(self, place: int) -> None:
        by = Actor(ActorKind.TOKEN, self.stage.company.token_id)
        for file in self.files(place):
            at = self.must(self.stage.now())
            self.run(
                actions.withdraw(self.db, self.vault, self.company, file.bank_file_id, by=by, at=at)
            )

    @rule(place=st.integers(0, 3))
    def mark_a_file_sent(self, place: int) -> None:
        for file in self.files(place):
            at = self.must(self.stage.now())
            self.run(
                actions.mark_sent(
                    self.db,
                    self.vault,
                    self.company,
                    file.bank_file_id,
                    self.folder,
                    by=OPERATOR,
                    at=at,
                )
            )

    def files(self, place: int) -> list[BankFile]:
        return self.must(self.stage.files())[place : place + 1]

    @invariant()
    def the_books_agree(self) -> None:
        if hasattr(self, "stage"):
            self.must(self.stage.prove())

    @invariant()
    def nobody_is_paid_twice(self) -> None:
        if hasattr(self, "stage"):
            assert self.must(PAID_TWICE.all(self.db, company_id=self.company)) == []

    @invariant()
    def every_step_is_a_row_of_the_table_and_begins_where_the_last_one_ended(self) -> None:
        if not hasattr(self, "stage"):
            return
        at: dict[CreditId, str] = {}
        for step in self.must(STEPS.all(self.db, company_id=self.company)):
            assert step.from_state == at.get(step.subject_id)
            pair = (step.from_state and State(step.from_state), State(step.to_state))
            assert pair in PAIRS
            at[step.subject_id] = step.to_state
        for credit, state in at.items():
            assert self.must(self.stage.state(credit)) == state

    def teardown(self) -> None:
        """However it ended, the books agree two months later."""
        if hasattr(self, "stage"):
            self.must(self.stage.advance(60))
            self.the_books_agree()


@pytest.fixture
def walk(app_dsn: Secret[str], root_key: Secret[str], tmp_path: Path) -> Iterator[type[Walk]]:
    """The machine with services in a loop of its own: Hypothesis does not await."""
    with asyncio.Runner() as runner:
        given = Settings(database_url=app_dsn, secret_keys=root_key)
        services = runner.run(open_services(given, clock=FixedClock(NOON), check_production=False))
        Walk.services, Walk.runner, Walk.folder = replace(services), runner, tmp_path
        yield Walk
        runner.run(services.close())


CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.slow
def test_the_books_hold_whatever_happens(walk: type[Walk]) -> None:
    run_state_machine_as_test(
        walk,
        settings=settings(
            max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=CALM
        ),
    )


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
def test_the_books_hold_for_long_whatever_happens(walk: type[Walk]) -> None:
    run_state_machine_as_test(
        walk,
        settings=settings(
            max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=CALM
        ),
    )
