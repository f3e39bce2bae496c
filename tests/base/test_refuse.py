"""A refusal has a code for programs, a status for HTTP and a whole sentence for people."""

from http import HTTPStatus

import pytest

from jetpay.base import refusals
from jetpay.base.refusals import Busy, Conflict, FieldError, Invalid, RateLimited, Refusal


class TooManyLegs(Conflict):
    code = "too_many_legs"
    title = "Too many legs"
    sentence = "The animal {animal} has {legs} legs; wait {retry_after} seconds."


BASE = [kind for kind in refusals.all_refusals() if kind.__module__ == refusals.__name__]


@pytest.mark.parametrize(
    "code, status",
    [
        ("malformed", 400),
        ("unauthorized", 401),
        ("forbidden", 403),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("too_large", 413),
        ("unsupported_media_type", 415),
        ("invalid", 422),
        ("rate_limited", 429),
        ("unavailable", 503),
        ("busy", 503),
    ],
)
def test_the_base_refusals_have_these_codes_and_statuses(code: str, status: int) -> None:
    assert [kind.status for kind in BASE if kind.code == code] == [status]


def test_there_are_no_other_base_refusals() -> None:
    assert len(BASE) == 11


@pytest.mark.parametrize("kind", refusals.all_refusals(), ids=lambda kind: kind.__name__)
def test_every_refusal_says_a_whole_sentence_under_a_title(kind: type[Refusal]) -> None:
    assert kind.status in set(HTTPStatus)
    assert kind.code == kind.code.lower() == kind.code.strip()
    assert kind.title == kind.title.strip()
    assert kind.title
    assert kind.sentence[0].isupper()
    assert kind.sentence.endswith(".")


def test_the_catalogue_is_in_order_and_leaves_out_what_is_only_a_base() -> None:
    codes = [kind.code for kind in refusals.all_refusals()]
    assert codes == sorted(codes)
    assert TooManyLegs in refusals.all_refusals()
    assert Busy in refusals.all_refusals()
    assert Conflict not in refusals.all_refusals()
    assert Refusal not in refusals.all_refusals()


def test_the_sentence_holds_the_values() -> None:
    refusal = TooManyLegs(animal="spider", legs=8, retry_after=3)
    assert refusal.detail == str(refusal) == "The animal spider has 8 legs; wait 3 seconds."
    assert refusal.values == {"animal": "spider", "legs": 8}
    assert (refusal.status, refusal.retry_after, refusal.errors) == (409, 3, [])


def test_a_translation_gets_the_same_values() -> None:
    refusal = TooManyLegs(animal="42", legs=8, retry_after=3)
    said = refusal.say({TooManyLegs.sentence: "{legs} pattes : {animal}."}.__getitem__)
    assert said == "8 pattes : 42."


def test_a_missing_value_shows_where_the_refusal_is_made() -> None:
    with pytest.raises(KeyError, match="legs"):
        TooManyLegs(animal="spider")


def test_a_refusal_for_a_field_is_an_error_of_that_field() -> None:
    refusal = refusals.NotFound(field="contact_id")
    assert refusal.field == "contact_id"
    assert refusal.errors == [FieldError("contact_id", "not_found", refusal.detail)]


def test_an_invalid_request_lists_every_wrong_field() -> None:
    errors = [FieldError("amount", "required", "Say."), FieldError("name", "too_long", "No.")]
    refusal = Invalid(errors)
    assert refusal.errors == errors
    assert (refusal.status, refusal.code, refusal.field) == (422, "invalid", None)


def test_an_invalid_request_without_a_wrong_field_is_a_defect() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Invalid([])


@pytest.mark.parametrize(
    "refusal, seconds",
    [
        (RateLimited(), 60),
        (RateLimited(retry_after=0), 0),
        (refusals.Unavailable(), 5),
        (Busy(), 1),
        (Busy(retry_after=7), 7),
        (refusals.NotFound(), None),
    ],
)
def test_what_passes_says_when_to_come_back(refusal: Refusal, seconds: int | None) -> None:
    assert refusal.retry_after == seconds


def test_the_rate_limit_says_the_seconds_in_its_sentence() -> None:
    assert "again in 30 seconds" in RateLimited(retry_after=30).detail
