"""How a company looks, and its accounts abroad, from the command line."""

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Command


@pytest.fixture
def company(jetpay: Command) -> str:
    return jetpay.new_company()


def test_a_brand_is_set_shown_and_taken_back(jetpay: Command, company: str, tmp_path: Path) -> None:
    logo = tmp_path / "logo.webp"
    Image.new("RGB", (960, 240), "#7700cc").save(logo)
    brand = ("company", "brand", "--company", company)
    assert set(jetpay.json(*brand).values()) == {None}
    said = ("--logo", str(logo), "--colour", "#7700CC", "--support-contact", "help@example.com")
    made = jetpay.json(*brand, *said)
    assert (made["colour"], made["support_contact"]) == ("#7700cc", "help@example.com")
    assert (made["logo_width"], made["logo_height"], len(made["logo"])) == (480, 120, 64)
    assert jetpay.json(*brand) == made
    assert jetpay.json(
        *brand, "--no-logo", "--colour", "", "--support-contact", ""
    ) == dict.fromkeys(made)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (("--colour", "red"), "#rrggbb"),
        (("--logo", __file__), "PNG, JPEG or WebP"),
        (("--logo", __file__, "--no-logo"), "not both"),
    ],
)
def test_what_is_no_brand_is_refused(
    jetpay: Command, company: str, wrong: tuple[str, ...], said: str
) -> None:
    assert said in jetpay.refused("company", "brand", "--company", company, *wrong, code=2)


@pytest.mark.parametrize(
    "numbers, typed",
    [(("--routing-number", "021000021"), "123456789"), ((), "DE89370400440532013000")],
    ids=["us", "iban"],
)
def test_a_company_has_accounts_abroad(
    jetpay: Command, company: str, numbers: tuple[str, ...], typed: str
) -> None:
    account = ("--title", "Main", "--holder-name", "Lighthouse", "--account-number-stdin")
    make = ("bank-account", "create", "--company", company, *account, *numbers)
    assert set(jetpay.json(*make, stdin=typed)) == {"identifier"}
