"""Accounts in the United States, IBANs, and a cheque's line: what is taken, and what is refused."""

import pytest

from jetpay.banking import iban, united_states
from jetpay.banking.canada import CanadianAccount, taken_apart
from jetpay.banking.schemes import CURRENCIES, SCHEMES, account_from, last3, numbers_of
from jetpay.base.refusals import Invalid


@pytest.mark.parametrize(
    "number", ["021000021", "011401533", "091000019", "111000025", "231380104", " 0210-0002 1"]
)
def test_a_routing_number_with_the_right_check_digit_is_taken(number: str) -> None:
    account = united_states.validate(number, "00-123 456")
    assert account.route() == ("".join(filter(str.isdigit, number)), "00123456")
    assert account.index_parts()[::2] == ("US", "123456")
    assert "00123456" not in repr(account)


@pytest.mark.parametrize(
    "routing, account, wrong",
    [
        ("123456789", "1234", {"routing_number": "check_digit"}),
        ("112000025", "1234", {"routing_number": "check_digit"}),
        ("381000020", "1234", {"routing_number": "check_digit"}),  # its sum is right
        ("000000000", "1234", {"routing_number": "all_zeros"}),
        ("02100002", "1234", {"routing_number": "wrong_length"}),
        ("", "", {"routing_number": "required", "account_number": "required"}),
        ("٠٢١٠٠٠٠٢١", "1234", {"routing_number": "not_digits"}),
        ("021000021", "123", {"account_number": "wrong_length"}),
        ("021000021", "1" * 18, {"account_number": "wrong_length"}),
        ("021000021", "12A4", {"account_number": "not_digits"}),
        ("021000021", "0000", {"account_number": "all_zeros"}),
    ],
)
def test_what_is_no_american_account_is_refused_by_field(
    routing: str, account: str, wrong: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        united_states.validate(routing, account)
    assert {each.field: each.code for each in refused.value.errors} == wrong


@pytest.mark.parametrize(
    "number, country, bank",
    [
        ("DE89370400440532013000", "DE", "Commerzbank"),
        ("de89 3704 0044 0532 0130 00", "DE", "Commerzbank"),
        ("GB82WEST12345698765432", "GB", None),
        ("FR1420041010050500013M02606", "FR", "LA BANQUE POSTALE"),
        ("NL91ABNA0417164300", "NL", "ABN AMRO BANK N.V."),
    ],
)
def test_an_iban_is_taken_as_printed_and_names_its_bank(
    number: str, country: str, bank: str | None
) -> None:
    account = iban.validate(number)
    assert (account.country, iban.bank_name(account)) == (country, bank)
    assert account.iban == "".join(number.upper().split())
    assert account.iban not in repr(account)


@pytest.mark.parametrize(
    "number, code",
    [
        ("", "required"),
        ("1234", "not_an_iban"),
        ("DE", "not_an_iban"),
        ("ＤＥ89370400440532013000", "not_an_iban"),
        ("DE89370400440532013000" * 2, "not_an_iban"),
        ("DE8937040044053201300", "wrong_length"),
        ("DE89370400440532013001", "check_digits"),
        ("DE89370400440532031000", "check_digits"),  # two have changed places
        ("GB82WEST12345698765431", "check_digits"),
        ("CA89370400440532013000", "country"),
        ("US89370400440532013000", "country"),
        ("BR1800360305000010009795493C1", "country"),
    ],
)
def test_what_is_no_iban_that_can_be_reached_is_refused(number: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        iban.validate(number)
    [error] = refused.value.errors
    assert (error.field, error.code) == ("iban", code)
    assert not number or number not in str(refused.value)


@pytest.mark.parametrize(
    "pasted, numbers",
    [
        ("00002-003 1000001", ("003", "00002", "1000001")),
        ("12342–004  123-4567", ("004", "12342", "1234567")),
        ("⑈001⑈ ⑆12345⑉003⑆ 1234567⑈", ("003", "12345", "1234567")),
        ("12345 003 1234567", ("003", "12345", "1234567")),
        ("12345-003", None),
        ("1234567", None),
        ("123-4567", None),
        ("00002003 1000001", None),
        ("Transit 00002-003 1000001", None),
        ("1 2 12345 003 1234567", None),
        ("0" * 61, None),
    ],
)
def test_a_cheque_s_line_is_taken_apart(pasted: str, numbers: tuple[str, str, str] | None) -> None:
    assert taken_apart(pasted) == numbers


@pytest.mark.parametrize(
    "account",
    [
        CanadianAccount("003", "00002", "1000001"),
        united_states.validate("021000021", "00123456"),
        iban.validate("DE89370400440532013000"),
    ],
    ids=list(SCHEMES),
)
def test_sealed_numbers_make_the_same_account_again(
    account: CanadianAccount | united_states.AmericanAccount | iban.IbanAccount,
) -> None:
    sealed = {**numbers_of(account), "holder_address": "1 Main Street"}
    assert account_from(account.scheme, sealed) == account
    assert last3(account) == account.account_number[-3:]
    assert CURRENCIES.keys() == SCHEMES.keys()
    assert last3(CanadianAccount("003", "00002", "123")) == ""
