"""A Canadian account is refused only for what no bank could take, and doubted for the rest."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jetpay.banking import canada
from jetpay.banking.canada import AccountWarning, CanadianAccount
from jetpay.banking.numerals import compact
from jetpay.base.refusals import Invalid

ORDINARY = CanadianAccount("004", "12342", "1234567")
NUMERALS = st.one_of(st.text(max_size=20), st.text("01239- ", max_size=16))


def refused(institution: str, transit: str, account: str) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        canada.validate(institution, transit, account)
    assert all(error.message.endswith(".") for error in caught.value.errors)
    return [(error.field, error.code) for error in caught.value.errors]


@pytest.mark.parametrize(
    "sent, compacted",
    [
        ("1234567", "1234567"),
        (" 12-345 67 ", "1234567"),
        ("0001234", "0001234"),
        ("12\u00a03\u20114\u20135\u22126\t7\n", "1234567"),
        ("", ""),
        ("- -", ""),
        ("12a", "12a"),
        ("12/3", "12/3"),
    ],
)
def test_blanks_and_dashes_go_and_leading_zeros_stay(sent: str, compacted: str) -> None:
    assert compact(sent) == compacted


@pytest.mark.parametrize(
    "sent, account",
    [
        (("004", "12342", "1234567"), ORDINARY),
        ((" 004", "123-42", "123 45-67"), ORDINARY),
        (("815", "00000", "1"), CanadianAccount("815", "00000", "1")),
        (("999", "30000", "000000000001"), CanadianAccount("999", "30000", "000000000001")),
    ],
)
def test_a_well_formed_account_is_taken(
    sent: tuple[str, str, str], account: CanadianAccount
) -> None:
    assert canada.validate(*sent) == account


@pytest.mark.parametrize(
    "field, sent, code",
    [
        ("institution_number", "", "required"),
        ("institution_number", " - ", "required"),
        ("institution_number", "00a", "not_digits"),
        ("institution_number", "٠٠٤", "not_digits"),
        ("institution_number", "04", "wrong_length"),
        ("institution_number", "0004", "wrong_length"),
        ("institution_number", "000", "all_zeros"),
        ("transit_number", "", "required"),
        ("transit_number", "1234x", "not_digits"),
        ("transit_number", "１２３４２", "not_digits"),  # full-width digits
        ("transit_number", "1234", "wrong_length"),
        ("transit_number", "12342-004", "wrong_length"),
        ("account_number", "", "required"),
        ("account_number", "12.34567", "not_digits"),
        ("account_number", "-²", "not_digits"),
        ("account_number", "1234567\x00", "not_digits"),
        ("account_number", "1234567890123", "wrong_length"),
        ("account_number", "000-0000", "all_zeros"),
    ],
)
def test_what_no_bank_could_take_is_refused_by_field(field: str, sent: str, code: str) -> None:
    numbers = {
        "institution_number": "004",
        "transit_number": "12342",
        "account_number": "1234567",
        field: sent,
    }
    assert refused(*numbers.values()) == [(field, code)]


def test_every_wrong_field_is_named_at_once_and_no_value_with_it() -> None:
    with pytest.raises(Invalid) as caught:
        canada.validate("000", "12x42", "98765432101234")
    assert [(error.field, error.code) for error in caught.value.errors] == [
        ("institution_number", "all_zeros"),
        ("transit_number", "not_digits"),
        ("account_number", "wrong_length"),
    ]
    assert "98765432101234" not in f"{caught.value!r} {caught.value.errors}"


@pytest.mark.parametrize(
    "institution, digits, doubted",
    [
        ("001", 7, False),
        ("001", 8, True),
        ("002", 7, False),
        ("002", 8, True),
        ("002", 12, False),
        ("003", 6, True),
        ("003", 7, False),
        ("004", 7, False),
        ("004", 11, True),
        ("006", 7, False),
        ("010", 7, False),
        ("219", 3, False),
        ("219", 12, False),
        ("614", 7, True),
        ("614", 10, False),
        ("815", 6, True),
        ("815", 7, False),
        ("828", 4, True),
        ("828", 5, False),
        ("828", 12, False),
        ("621", 1, True),
        ("621", 9, False),
    ],
)
def test_a_length_that_an_institution_does_not_use_is_doubted_not_refused(
    institution: str, digits: int, doubted: bool
) -> None:
    account = canada.validate(institution, "12342", "1" * digits)
    expected = [AccountWarning.UNUSUAL_ACCOUNT_LENGTH] if doubted else []
    assert canada.warnings(account) == expected


@pytest.mark.parametrize(
    "institution, account, expected",
    [
        ("998", "1234567", [AccountWarning.UNKNOWN_INSTITUTION]),
        ("016", "123456789", [AccountWarning.RETIRED_INSTITUTION]),
        (
            "016",
            "1234567",
            [AccountWarning.RETIRED_INSTITUTION, AccountWarning.UNUSUAL_ACCOUNT_LENGTH],
        ),
    ],
)
def test_an_institution_out_of_the_list_or_out_of_use_is_doubted(
    institution: str, account: str, expected: list[AccountWarning]
) -> None:
    assert canada.warnings(canada.validate(institution, "12342", account)) == expected


def test_every_warning_has_a_whole_sentence() -> None:
    assert set(canada.WARNING_SENTENCES) == set(AccountWarning)
    assert all(sentence.endswith(".") for sentence in canada.WARNING_SENTENCES.values())


def test_the_routing_number_is_zero_institution_transit() -> None:
    assert ORDINARY.electronic_routing() == "000412342"
    assert CanadianAccount("815", "30000", "1").electronic_routing() == "081530000"


def test_leading_zeros_of_the_account_alone_do_not_make_another_account() -> None:
    account = canada.validate("003", "00002", "001000001")
    assert account.index_parts() == ("CA", "003", "00002", "1000001")
    assert account.account_number == "001000001"


def test_no_text_made_of_an_account_by_accident_has_its_number() -> None:
    for text in (repr(ORDINARY), str(ORDINARY), f"{ORDINARY}", f"{[ORDINARY]}"):
        assert "004" in text
        assert "1234567" not in text


@given(NUMERALS, NUMERALS, NUMERALS)
@example("004", "12342", "1234567")
def test_any_three_texts_are_an_account_or_refused(
    institution: str, transit: str, account: str
) -> None:
    for number in (institution, transit, account):
        assert compact(compact(number)) == compact(number)
    with suppress(Invalid):
        assert_whole(canada.validate(institution, transit, account))


@given(
    st.from_regex("(?!000)[0-9]{3}", fullmatch=True),
    st.from_regex("[0-9]{5}", fullmatch=True),
    st.from_regex("0{0,6}[1-9][0-9]{0,5}", fullmatch=True),
    st.text(" -\u2013", max_size=4),
)
def test_every_well_formed_account_is_taken_however_it_is_spaced(
    institution: str, transit: str, account: str, gap: str
) -> None:
    valid = canada.validate(gap.join(institution), gap.join(transit), gap.join(account))
    assert valid == CanadianAccount(institution, transit, account)
    assert_whole(valid)


def assert_whole(valid: CanadianAccount) -> None:
    again = canada.validate(valid.institution_number, valid.transit_number, valid.account_number)
    assert again == valid
    routing = valid.electronic_routing()
    assert len(routing) == 9
    assert (routing[1:4], routing[4:]) == (valid.institution_number, valid.transit_number)
    assert not valid.index_parts()[3].startswith("0")
    assert isinstance(canada.warnings(valid), list)
