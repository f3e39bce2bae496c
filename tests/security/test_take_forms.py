"""A posted form is taken only from our own page in the browser that got it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from jetpay.security.encoding import INSTALLATION
from jetpay.security.forms import (
    Reviewed,
    content_type_allowed,
    form_allowed,
    form_token,
    is_form_token,
    is_reviewed_token,
    origin_of,
    reviewed_token,
)
from tests.security.vectors import COMPANY, CREDIT, OTHER_COMPANY, ROW, working_key

KEY = working_key("csrf", 2)
OLD_KEY = working_key("csrf", 1, bytes(32))
OURS = "https://pay.example.com"
REVIEWED = Reviewed(
    credit_id=CREDIT,
    attempt=1,
    amount_minor=10_000,
    currency="CAD",
    company_account_id=ROW,
    draft_id=ROW,
    draft_revision=3,
    consent_text_id="ca-1",
    language="fr",
)


def test_a_form_token_fits_one_cookie_form_company_and_key() -> None:
    token = form_token(KEY, COMPANY, "cookie", "answer")
    assert len(token) == 24
    assert is_form_token(token, [OLD_KEY, KEY], COMPANY, "cookie", "answer")
    assert not is_form_token(token, [OLD_KEY], COMPANY, "cookie", "answer")
    assert not is_form_token(token, [], COMPANY, "cookie", "answer")
    assert not is_form_token(token, [KEY], OTHER_COMPANY, "cookie", "answer")
    assert not is_form_token(token, [KEY], INSTALLATION, "cookie", "answer")
    assert not is_form_token(token, [KEY], COMPANY, "cookie2", "answer")
    assert not is_form_token(token, [KEY], COMPANY, "cookie", "answer2")


@pytest.mark.parametrize("given", ["", "é" * 24, "\ud800", "A" * 24])
def test_a_made_up_form_token_is_refused(given: str) -> None:
    assert not is_form_token(given, [KEY], COMPANY, "cookie", "answer")


@pytest.mark.parametrize(
    "change",
    [{"credit_id": ROW}, {"attempt": 2}, {"amount_minor": 10_001}, {"currency": "USD"},
     {"company_account_id": CREDIT}, {"draft_id": UUID(int=1)}, {"draft_revision": 4},
     {"consent_text_id": "ca-2"}, {"language": "en"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_review_is_bound_to_everything_that_was_seen(change: dict[str, Any]) -> None:
    token = reviewed_token(KEY, COMPANY, REVIEWED)
    assert len(token) == 24
    assert is_reviewed_token(token, [KEY], COMPANY, REVIEWED)
    assert not is_reviewed_token(token, [KEY], COMPANY, replace(REVIEWED, **change))
    assert not is_reviewed_token(token, [KEY], OTHER_COMPANY, REVIEWED)


@pytest.mark.parametrize(
    "site, origin, taken",
    [
        ("same-origin", OURS, True),
        ("same-origin", "null", True),  # a page with Referrer-Policy: no-referrer
        ("same-origin", None, True),
        (None, OURS, True),
        (None, "null", True),  # the token alone decides
        (None, None, True),
        ("same-origin", "https://evil.example", False),
        (None, "https://evil.example", False),
        (None, "https://pay.example.com.evil.example", False),
        (None, "http://pay.example.com", False),
        (None, "https://pay.example.com:8443", False),
        (None, "", False),
        ("same-site", OURS, False),
        ("cross-site", OURS, False),
        ("cross-site", "null", False),
        ("none", OURS, False),
        ("none", None, False),
        ("", None, False),
    ],
)
def test_headers_of_another_place_refuse_a_form(
    site: str | None, origin: str | None, taken: bool
) -> None:
    assert form_allowed(sec_fetch_site=site, origin=origin, public_origin=OURS) is taken


@pytest.mark.parametrize(
    "content_type, taken",
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded; charset=utf-8", True),
        ("multipart/form-data; boundary=a", False),
        ("text/plain", False),
        ("application/json", False),
        ("", False),
        (None, False),
    ],
)
def test_a_form_has_one_content_type(content_type: str | None, taken: bool) -> None:
    assert content_type_allowed(content_type) is taken


@pytest.mark.parametrize(
    "url, origin",
    [
        ("https://Pay.Example.com/", "https://pay.example.com"),
        ("https://pay.example.com:443/a", "https://pay.example.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_a_url_without_host_has_no_origin() -> None:
    with pytest.raises(ValueError, match="host"):
        origin_of("mailto:a@b.c")
