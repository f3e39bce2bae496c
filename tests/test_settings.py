"""Settings: read once, typed, and refused by a sentence that names the variable and no value."""

from pathlib import Path

import pytest

from jetpay.security.rootkeys import generate_root_key
from jetpay.settings import Settings, SettingsProblem, production_problems

SEED = "s3cr3t-seed"
WRONG = [
    ("DATABASE_URL", f"mysql://{SEED}", "must be a connection string such as"),
    ("DATABASE_URL", SEED, "must be a connection string such as"),
    ("PUBLIC_URL", "ftp://a", "must be http:// or https:// and a host, without a path."),
    ("PUBLIC_URL", "https://a/pay", "must be http:// or https:// and a host, without a path."),
    ("PUBLIC_URL", "https://u:p@a", "must be http:// or https:// and a host, without a path."),
    ("PUBLIC_URL", "https://a:99999", "must be http:// or https:// and a host, without a path."),
    ("SECRET_KEYS", SEED, "must be root keys"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "must be networks"),
    ("TRUSTED_PROXIES", "nginx", "must be networks"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8:0", "must be networks"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8:70000", "must be networks"),
    ("METRICS_LISTEN", "9464", "must be host:port"),
    ("SMTP_URL", f"http://{SEED}", "must start with smtp:// or smtps://"),
    ("EGRESS_PROXY", f"socks5://{SEED}", "must start with http:// or https://"),
    ("EGRESS_PROXY_VETS", "perhaps", "must be true or false."),
    ("WEBHOOK_RSA_BITS", "1024", "must be 2048, 3072 or 4096."),
    ("PORT", "0", "must be a whole number from 1 to 65535."),
    ("PORT", "http", "must be a whole number from 1 to 65535."),
    ("WORKERS", "0", "must be a whole number"),
    ("LOG_LEVEL", "loud", "must be debug, info, warning or error."),
]


@pytest.mark.parametrize("name, value, sentence", WRONG, ids=range(len(WRONG)))
def test_a_wrong_value_is_one_sentence_that_names_the_variable(
    name: str, value: str, sentence: str
) -> None:
    with pytest.raises(SettingsProblem) as refused:
        Settings.read({f"JETPAY_{name}": value})
    said = str(refused.value)
    assert said.startswith(f"JETPAY_{name} {sentence}")
    assert said.endswith(".")
    assert value not in said
    assert refused.value.__suppress_context__


def test_what_is_not_set_has_a_default() -> None:
    settings = Settings.read({"JETPAY_SMTP_URL": "", "XDG_DATA_HOME": "/ignored"})
    assert settings.public_url == "http://127.0.0.1:8080"
    assert (settings.public_host, settings.is_loopback) == ("127.0.0.1:8080", True)
    assert settings.metrics_listen == "127.0.0.1:9464"
    assert settings.smtp_url is None
    assert settings.data_dir.is_absolute()


@pytest.mark.parametrize(
    "given, url, host",
    [
        ("https://Pay.Example.com/", "https://pay.example.com", "pay.example.com"),
        ("https://pay.example.com:443", "https://pay.example.com", "pay.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ("http://localhost:80", "http://localhost", "localhost"),
    ],
)
def test_the_public_url_is_an_origin(given: str, url: str, host: str) -> None:
    settings = Settings.read({"JETPAY_PUBLIC_URL": given})
    assert (settings.public_url, settings.public_host) == (url, host)


def test_another_port_is_in_the_default_public_url() -> None:
    assert Settings.read({"JETPAY_PORT": "9000"}).public_url == "http://127.0.0.1:9000"
    assert Settings.read({}, port=9001).public_url == "http://127.0.0.1:9001"


def test_secrets_are_taken_out_of_the_environment(tmp_path: Path) -> None:
    key = generate_root_key()
    environ = {
        "JETPAY_SECRET_KEYS": key,
        "JETPAY_DATABASE_URL": f"postgresql://u:{SEED}@h/d",
        "JETPAY_SMTP_URL": f"smtp://u:{SEED}@h",
        "JETPAY_EGRESS_PROXY": f"http://u:{SEED}@h",
        "JETPAY_MAIL_FROM": "pay@example.com",
        "PATH": "/bin",
    }
    settings = Settings.read(environ)
    assert environ == {"JETPAY_MAIL_FROM": "pay@example.com", "PATH": "/bin"}
    assert SEED not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert settings.secret_keys is not None
    assert settings.secret_keys.reveal() == key


def test_each_variable_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("9000\n")
    assert Settings.read({"JETPAY_PORT_FILE": str(file)}).port == 9000
    both = {"JETPAY_PORT_FILE": str(file), "JETPAY_PORT": "1"}
    for environ in (both, {"JETPAY_PORT_FILE": str(tmp_path / "none")}):
        with pytest.raises(SettingsProblem, match=r"^JETPAY_PORT") as refused:
            Settings.read(environ)
        assert str(refused.value).endswith(".")
    file.write_text("")
    with pytest.raises(SettingsProblem, match="JETPAY_PORT_FILE must name a readable text file"):
        Settings.read({"JETPAY_PORT_FILE": str(file)})


def production(**environ: str) -> Settings:
    return Settings.read({f"JETPAY_{name}": value for name, value in environ.items()})


def test_a_sandbox_on_loopback_is_no_production() -> None:
    assert production_problems(production(), has_live_company=False) == []


@pytest.mark.parametrize(
    "environ, has_live_company",
    [({}, True), ({"PUBLIC_URL": "http://pay.example.com"}, False)],
)
def test_production_needs_https_and_keys_of_its_own(
    environ: dict[str, str], *, has_live_company: bool
) -> None:
    keys, https = production_problems(production(**environ), has_live_company)
    assert keys.startswith("JETPAY_SECRET_KEYS ")
    assert https.startswith("JETPAY_PUBLIC_URL ")


def test_production_is_fit_with_https_and_keys() -> None:
    fit = production(PUBLIC_URL="https://pay.example.com", SECRET_KEYS=generate_root_key())
    assert production_problems(fit, has_live_company=True) == []
    [problem] = production_problems(fit, has_live_company=True, demo_question_in_use=True)
    assert "demo" in problem


@pytest.mark.parametrize("mode, is_fit", [(0o600, True), (0o400, True), (0o640, False)])
def test_a_key_file_is_for_us_alone(tmp_path: Path, mode: int, *, is_fit: bool) -> None:
    file = tmp_path / "keys"
    file.write_text(generate_root_key())
    file.chmod(mode)
    fit = production(PUBLIC_URL="https://pay.example.com", SECRET_KEYS_FILE=str(file))
    assert (production_problems(fit, has_live_company=True) == []) is is_fit


def test_a_key_file_lies_outside_of_the_data(tmp_path: Path) -> None:
    file = tmp_path / "data" / "keys"
    file.parent.mkdir()
    file.write_text(generate_root_key())
    file.chmod(0o600)
    beside = production(
        PUBLIC_URL="https://pay.example.com",
        SECRET_KEYS_FILE=str(file),
        DATA_DIR=str(file.parent),
    )
    [problem] = production_problems(beside, has_live_company=True)
    assert "JETPAY_DATA_DIR" in problem
