"""What we are made of is read from the settings, in every spelling they allow."""

import pytest

from jetpay.security.address_table import parse_allowed_list
from jetpay.security.dial import DialRefused
from jetpay.settings import Settings
from jetpay.webhooks.addresses import dialler_of

EVERYTHING_NEAR = parse_allowed_list(
    [f"{network}{port}" for network in ("127.0.0.0/8", "10.0.0.0/8")
     for port in ("", ":5432", ":6432", ":587", ":465", ":3128", ":9464", ":8080", ":443")]
)  # fmt: skip


@pytest.mark.parametrize(
    "variables, place",
    [
        ({"PUBLIC_URL": "https://10.0.0.1"}, "10.0.0.1:443"),
        ({"PUBLIC_URL": "http://10.0.0.1:8443"}, "10.0.0.1:8443"),
        ({"DATABASE_URL": "postgresql://u:p@10.0.0.2/a"}, "10.0.0.2:5432"),
        ({"DATABASE_URL": "postgresql://u@10.0.0.2:6432/a"}, "10.0.0.2:6432"),
        ({"DATABASE_URL": "postgresql://10.0.0.8,10.0.0.2:6432/a"}, "10.0.0.2:6432"),
        ({"DATABASE_URL": "host=10.0.0.2 dbname=a"}, "10.0.0.2:5432"),
        ({"DATABASE_URL": "host=db.example hostaddr=10.0.0.2 port=6432"}, "10.0.0.2:6432"),
        ({"SMTP_URL": "smtp://10.0.0.3", "MAIL_FROM": "a@example.com"}, "10.0.0.3:587"),
        ({"SMTP_URL": "smtps://u:p@10.0.0.3", "MAIL_FROM": "a@example.com"}, "10.0.0.3:465"),
        ({"PORT": "8081"}, "127.0.0.1:8081"),
        ({"PORT": "8081", "PUBLIC_URL": "https://10.0.0.1"}, "127.7.7.7:8081"),
        ({}, "127.0.0.1:9464"),
        ({"METRICS_LISTEN": "0.0.0.0:9999"}, "127.0.0.1:9999"),
    ],
)
async def test_our_own_services_are_refused_by_any_leave(
    variables: dict[str, str], place: str
) -> None:
    settings = Settings.read({f"JETPAY_{name}": value for name, value in variables.items()})
    dialler = dialler_of(settings)
    with pytest.raises(DialRefused) as refused:
        await dialler.vet(f"http://{place}/", EVERYTHING_NEAR)
    assert refused.value.code == "not_public"
    host = place.partition(":")[0]
    await dialler.vet(f"http://{host}:8444/", EVERYTHING_NEAR)  # another port is another's
    await dialler.close()


async def test_the_egress_proxy_itself_is_refused() -> None:
    dialler = dialler_of(Settings.read({"JETPAY_EGRESS_PROXY": "http://u:p@10.0.0.4:3128"}))
    with pytest.raises(DialRefused):
        await dialler.vet("http://10.0.0.4:3128/", EVERYTHING_NEAR)
    await dialler.close()


async def test_a_database_behind_a_socket_guards_nothing() -> None:
    for url in ("postgresql:///a?host=/run/postgresql", "dbname=a", "host=/tmp,10.0.0.2"):
        dialler = dialler_of(Settings.read({"JETPAY_DATABASE_URL": url}))
        await dialler.vet("http://10.0.0.9:5432/", EVERYTHING_NEAR)
        await dialler.close()
