"""`jetpay company allow-network`, and what takes it back."""

from uuid import uuid4

import pytest

from tests.cli.conftest import Command


def test_a_network_is_allowed_listed_and_taken_back(jetpay: Command) -> None:
    company = ("--company", jetpay.new_company())
    assert jetpay.json("company", "list-networks", *company)["allowed_networks"] == []
    for network in ("10.1.2.0/24:9200", "[fd00:1::/64]:9200", "10.1.2.0/24:9200"):
        told = jetpay.json("company", "allow-network", *company, network)
    assert told == {
        "identifier": company[1],
        "allowed_networks": ["10.1.2.0/24:9200", "[fd00:1::/64]:9200"],
    }
    assert jetpay.run("company", "list-networks", *company).stdout.splitlines() == [
        "10.1.2.0/24:9200",
        "[fd00:1::/64]:9200",
    ]
    left = jetpay.json("company", "remove-network", *company, "10.1.2.0/24:9200")
    assert left["allowed_networks"] == ["[fd00:1::/64]:9200"]


@pytest.mark.parametrize(
    "network", ["", "here", "10.1.2.7/24", "0.0.0.0/0", "169.254.169.254", "10.0.0.0/8:0"]
)
def test_what_is_no_network_to_be_allowed_is_wrong_usage(jetpay: Command, network: str) -> None:
    company = ("--company", str(uuid4()))
    assert "10.1.2.0/24" in jetpay.refused("company", "allow-network", *company, network, code=2)


def test_what_was_not_allowed_cannot_be_taken_back(jetpay: Command) -> None:
    company = ("--company", jetpay.new_company())
    assert "no such thing" in jetpay.refused("company", "remove-network", *company, "10.0.0.0/8")
    nobody = ("--company", str(uuid4()))
    assert "no such thing" in jetpay.refused("company", "allow-network", *nobody, "10.0.0.0/8")
