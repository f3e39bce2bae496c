"""An e-mail address is exactly one address, and nothing that a header could run away with."""

import time
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.base.text import EMAIL_LENGTH, TextProblem, email_address

LABEL = "a" * 63


@pytest.mark.parametrize(
    "sent, taken",
    [
        ("jane@example.com", "jane@example.com"),
        (" jane@example.com ", "jane@example.com"),
        ("Jane.Doe+rent@Mail.Example.CA", "Jane.Doe+rent@Mail.Example.CA"),
        ("o'neil_{x}#!$%&*/=?^`|~-@ex-ample.co", "o'neil_{x}#!$%&*/=?^`|~-@ex-ample.co"),
        ("1@1.ca", "1@1.ca"),
        ("jane@xn--mnchen-3ya.de", "jane@xn--mnchen-3ya.de"),
        ("jane@münchen.de", "jane@xn--mnchen-3ya.de"),
        ("jane@MÜNCHEN.de", "jane@xn--mnchen-3ya.de"),
        ("jane@québec.ca", "jane@xn--qubec-csa.ca"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
        (f"a@{LABEL}.com", f"a@{LABEL}.com"),
    ],
)
def test_one_address_is_taken_with_its_domain_in_ascii(sent: str, taken: str) -> None:
    assert email_address(sent) == taken
    assert Address(addr_spec=taken).addr_spec == taken


@pytest.mark.parametrize(
    "sent",
    [
        "jane",
        "@",
        "jane@",
        "@example.com",
        "jane@example",
        "jane@@example.com",
        "a@b@example.com",
        "jane@example.com,joe@example.com",
        "jane@example.com;joe@example.com",
        "Jane <jane@example.com>",
        "<jane@example.com>",
        "jane doe@example.com",
        "jane@exam ple.com",
        "jane@example.com\r\nBcc: joe@example.com",
        "jane@example.com\n",
        "\rjane@example.com",
        "jane\t@example.com",
        "jane@example.com\x00",
        '"jane"@example.com',
        "jane(x)@example.com",
        "jané@example.com",
        ".jane@example.com",
        "jane.@example.com",
        "ja..ne@example.com",
        "jane@.example.com",
        "jane@example.com.",
        "jane@example..com",
        "jane@-example.com",
        "jane@example-.com",
        "jane@exa_mple.com",
        "jane@[127.0.0.1]",
        "jane@127.0.0.1",
        "jane@münchen",
        "jane@mün chen.de",
        "jane@mü\u202enchen.de",
        "jane@-ü.de",
        "jané@münchen.de",
        f"{'a' * 65}@example.com",
        f"a@{LABEL}a.com",
        f"a@ü{LABEL}.com",
    ],
)
def test_anything_else_is_refused(sent: str) -> None:
    with pytest.raises(TextProblem) as caught:
        email_address(sent)
    assert caught.value.code == "not_an_email_address"
    assert caught.value.message == "This is not an e-mail address."


@pytest.mark.parametrize("sent", ["", "   "])
def test_no_address_is_a_problem_of_its_own(sent: str) -> None:
    with pytest.raises(TextProblem) as caught:
        email_address(sent)
    assert caught.value.code == "required"


def test_an_address_has_at_most_254_characters_in_ascii() -> None:
    domain = ".".join([LABEL, LABEL, LABEL, "a" * 58])
    assert len(email_address(f"a@{domain}.b")) == EMAIL_LENGTH
    # The second is short enough as sent, but not in ASCII.
    umlauts = ".".join(["ü" + "a" * 50] * 4) + ".ca"
    for sent in (f"aa@{domain}.b", f"{'a' * 40}@{umlauts}"):
        with pytest.raises(TextProblem) as caught:
            email_address(sent)
        assert (caught.value.code, caught.value.limit) == ("too_long", EMAIL_LENGTH)


@given(
    st.one_of(
        st.text(max_size=300),
        st.builds("{}@{}.{}".format, st.text(), st.text(), st.text()),
        st.builds(
            "{}@{}.{}".format,
            st.text("ab.'", min_size=1, max_size=5),
            st.text("abü-ßΣ。.\u0301\u200d", min_size=1, max_size=6),
            st.sampled_from(["ca", "com", "рф", "1"]),
        ),
    )
)
def test_whatever_is_sent_ends_in_one_plain_address_or_a_problem(sent: str) -> None:
    try:
        address = email_address(sent)
    except TextProblem:
        return
    assert len(address) <= EMAIL_LENGTH
    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set(' ,;:<>()[]"\\')
    assert address.count("@") == 1
    assert email_address(address) == address


@pytest.mark.parametrize("piece", ["a", ".", "@", "a.", "ü", "-", " "])
def test_no_address_takes_long_to_judge(piece: str) -> None:
    started = time.perf_counter()
    for sent in (piece * 1_000_000, f"a@{piece * 240}.com"):
        try:
            email_address(sent)
        except TextProblem:
            continue
    assert time.perf_counter() - started < 10
