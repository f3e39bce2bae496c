"""What an operator can set, and the only place where the environment is read."""

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import SplitResult, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
)

from jetpay.base.text import TextProblem, email_address
from jetpay.security.address_table import AllowedNetwork, Network, parse_allowed_list
from jetpay.security.rootkeys import KeyProblem, parse_root_keys
from jetpay.security.secrets import Secret

PREFIX: Final = "JETPAY_"
FILE_SUFFIX: Final = "_FILE"
OF_COMMANDS: Final = frozenset({"JETPAY_TOKEN"})
"""Taken by an option of a command: `jetpay events tail`."""
FILE_BYTES: Final = 16 * 1024
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
PORT_MAXIMUM: Final = 65_535
FILE_MODES: Final = (0o600, 0o400)
RSA_BITS: Final = (2048, 3072, 4096)


class SettingsProblem(Exception):
    """A setting cannot be used; the text is one sentence that names the variable, no value."""


@dataclass(frozen=True, slots=True)
class Must:
    """How `JETPAY_…` a field goes on in the sentence that refuses a wrong value."""

    be: str


def _listed(value: object) -> object:
    return (
        [part for part in re.split(r"[\s,]+", value) if part] if isinstance(value, str) else value
    )


def _networks(values: list[str]) -> tuple[Network, ...]:
    return tuple(ip_network(value) for value in values)


def _origin(value: str) -> str:
    """Scheme, host and port alone, in lower case and without the scheme's own port."""
    parts = _url(value, "http", "https")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _url(value: str, *schemes: str) -> SplitResult:
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
        raise ValueError
    return parts


def _address(value: str) -> str:
    try:
        return email_address(value)
    except TextProblem:
        raise ValueError from None


def _secret_url(*schemes: str) -> Callable[[Secret[str]], Secret[str]]:
    def check(value: Secret[str]) -> Secret[str]:
        _url(value.reveal(), *schemes)
        return value

    return check


def _database_url(value: Secret[str]) -> Secret[str]:
    try:
        conninfo_to_dict(value.reveal())
    except ProgrammingError:
        raise ValueError from None
    return value


def _root_keys(value: Secret[str]) -> Secret[str]:
    try:
        parse_root_keys(value)
    except KeyProblem:
        raise ValueError from None
    return value


def _listen(value: str) -> str:
    if value == "off" or value.startswith("unix:/"):
        return value
    _url(f"http://{value}", "http")
    if urlsplit(f"http://{value}").port is None:
        raise ValueError
    return value


def _rsa_bits(value: int) -> int:
    if value not in RSA_BITS:
        raise ValueError
    return value


def _data_dir() -> Path:
    """Where the user's programs keep their data; for root where the system's do."""
    if os.geteuid() == 0:
        return Path("/var/lib/jetpay")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local/share") / "jetpay"


class Settings(BaseModel):
    """Every setting; `description` and `Must` are what docs/configuration.md says of it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    database_url: Annotated[
        Secret[str] | None,
        AfterValidator(lambda value: value and _database_url(value)),
        Must("be a connection string such as postgresql://user@host/database"),
    ] = Field(None, description="PostgreSQL to use. Unset: one that Jetpay brings along and "
              "keeps under `JETPAY_DATA_DIR`.")  # fmt: skip
    data_dir: Annotated[Path, AfterValidator(Path.absolute), Must("be the path of a directory")] = (
        Field(
            default_factory=_data_dir,
            description="Where Jetpay keeps what is not in the database. Default: "
            "`~/.local/share/jetpay`, for root `/var/lib/jetpay`.",
        )
    )
    public_url: Annotated[
        str, AfterValidator(_origin), Must("be http:// or https:// and a host, without a path")
    ] = Field("http://127.0.0.1:8080", description="The address under which payees and programs "
              "reach Jetpay; links are made from it, and requests for another host are refused. "
              "Default with another `JETPAY_PORT`: that port.")  # fmt: skip
    secret_keys: Annotated[
        Secret[str] | None,
        AfterValidator(lambda value: value and _root_keys(value)),
        Must("be root keys, each jk1_ and 43 base64url characters, separated by commas"),
    ] = Field(None, description="Root keys, the first one wraps new keys. Unset: one is made "
              "under `JETPAY_DATA_DIR`, which is enough for sandbox companies.")  # fmt: skip
    trusted_proxies: Annotated[
        tuple[Network, ...],
        BeforeValidator(lambda value: _networks(_listed(value))),
        Must("be networks such as 10.0.0.0/8, separated by commas"),
    ] = Field((), description="Networks of proxies whose `X-Forwarded-For` is believed.")
    webhook_allowed_networks: Annotated[
        tuple[AllowedNetwork, ...],
        BeforeValidator(lambda value: parse_allowed_list(_listed(value))),
        Must("be networks such as 10.1.2.0/24 or 10.1.2.0/24:9000, separated by commas"),
    ] = Field((), description="Networks that webhooks of sandbox companies may call although "
              "they are private, and with plain http: `network` or `network:port`. Live companies "
              "need `jetpay company allow-network`.")  # fmt: skip
    metrics_listen: Annotated[
        str, AfterValidator(_listen), Must("be host:port, unix:/path or off")
    ] = Field("127.0.0.1:9464", description="Where Prometheus may ask for metrics.")
    smtp_url: Annotated[
        Secret[str] | None,
        AfterValidator(lambda value: value and _secret_url("smtp", "smtps")(value)),
        Must("start with smtp:// or smtps:// and name a host"),
    ] = Field(None, description="The mail server: `smtps://`, or `smtp://`, which must offer "
              "STARTTLS unless it is this machine; with `user:password@` where it asks. Unset: "
              "live companies mail nothing, sandboxes keep their mails for a day.")  # fmt: skip
    mail_from: Annotated[
        str | None, AfterValidator(lambda value: value and _address(value)), Must(
            "be one e-mail address such as payments@example.com"
        ),
    ] = Field(None, description="The address that mails come from. Must be set where "
              "`JETPAY_SMTP_URL` is.")  # fmt: skip
    egress_proxy: Annotated[
        Secret[str] | None,
        AfterValidator(lambda value: value and _secret_url("http", "https")(value)),
        Must("start with http:// or https:// and name a host"),
    ] = Field(None, description="A proxy (CONNECT) for all calls to addresses that "
              "companies typed. `HTTP_PROXY` and its like are ignored.")  # fmt: skip
    egress_proxy_vets: Annotated[bool, Must("be true or false")] = Field(
        default=False,
        description="Whether that proxy itself looks names up and refuses private addresses; it "
        "is then told the name. Otherwise Jetpay vets and names the address.",
    )
    webhook_rsa_bits: Annotated[int, AfterValidator(_rsa_bits), Must("be 2048, 3072 or 4096")] = (
        Field(2048, description="Size of new keys that sign webhooks.")
    )
    host: Annotated[str, Must("be an address of this machine")] = Field(
        "127.0.0.1", min_length=1, description="Where `jetpay serve` listens."
    )
    port: Annotated[int, Must("be a whole number from 1 to 65535")] = Field(
        8080, ge=1, le=PORT_MAXIMUM, description="The port on which `jetpay serve` listens."
    )
    workers: Annotated[int, Must("be a whole number from 1 to 64")] = Field(
        2, ge=1, le=64, description="How many processes answer requests."
    )
    access_log: Annotated[bool, Must("be true or false")] = Field(
        default=True,
        description="Whether each request is logged (route, never the path or a query).",
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Must("be debug, info, warning or error")
    ] = Field("info", description="The least important messages that are logged.")

    _files: dict[str, Path] = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, environ: MutableMapping[str, str] | None = None, **given: object) -> Self:
        """The settings of the environment, over them those given; secrets are then taken out.

        Raises `SettingsProblem`.
        """
        environ = os.environ if environ is None else environ
        read = {name: read_variable(environ, name) for name in cls.model_fields}
        values: dict[str, Any] = {k: v for k, v in read.items() if v is not None} | given
        files = {
            name: Path(environ[variable(name) + FILE_SUFFIX])
            for name in cls.model_fields
            if environ.get(variable(name) + FILE_SUFFIX) and name not in given
        }
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise SettingsProblem(_sentence(cls, error)) from None
        if settings.smtp_url is not None and settings.mail_from is None:
            raise SettingsProblem(
                f"{variable('mail_from')} must be set where {variable('smtp_url')} is."
            )
        if "public_url" not in values:
            settings = settings.model_copy(
                update={"public_url": _origin(f"http://127.0.0.1:{settings.port}")}
            )
        settings._files.update(files)  # noqa: SLF001 - our own
        for name in secret_fields(cls):
            environ.pop(variable(name), None)
        return settings

    @property
    def secret_keys_file(self) -> Path | None:
        """The file that held the root keys, if one did."""
        return self._files.get("secret_keys")

    @property
    def public_host(self) -> str:
        """What a request's `Host` must be: the public URL's host, and port unless it is usual."""
        return self.public_url.partition("://")[2]

    @property
    def can_mail(self) -> bool:
        """Whether there is a mail server."""
        return self.smtp_url is not None

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the public URL."""
        return is_loopback_host(str(urlsplit(self.public_url).hostname))


def is_loopback_host(host: str) -> bool:
    """`localhost`, and what lies in 127.0.0.0/8 or is ::1."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def variable(field: str) -> str:
    """`JETPAY_DATA_DIR` for `data_dir`."""
    return PREFIX + field.upper()


def secret_fields(settings: type[BaseModel]) -> Iterator[str]:
    """The settings that must not be inherited by children."""
    for name, field in settings.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        if Secret[str] in kinds:
            yield name


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """What is called like a setting and is none: somebody's slip."""
    known = {variable(name) + end for name in Settings.model_fields for end in ("", FILE_SUFFIX)}
    names = os.environ if environ is None else environ
    known |= OF_COMMANDS
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def read_variable(environ: Mapping[str, str], field: str) -> str | None:
    """The value, from the variable or its file. Raises `SettingsProblem`."""
    name = variable(field)
    value, path = environ.get(name), environ.get(name + FILE_SUFFIX)
    if value and path:
        raise SettingsProblem(f"{name} and {name}{FILE_SUFFIX} are both set; please keep one.")
    if not path:
        return value or None
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = file.read(FILE_BYTES + 1)
    except (OSError, UnicodeDecodeError):
        content = ""
    if not 0 < len(content.strip()) <= FILE_BYTES:
        raise SettingsProblem(f"{name}{FILE_SUFFIX} must name a readable text file with the value.")
    return content.strip()


def _sentence(settings: type[BaseModel], error: ValidationError) -> str:
    name = str(
        error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"][0]
    )
    field = settings.model_fields.get(name)
    must = (
        next((each for each in field.metadata if isinstance(each, Must)), None) if field else None
    )
    return f"{variable(name)} must {must.be if must else 'not be set'}."


def production_problems(
    settings: Settings,
    has_live_company: bool,  # noqa: FBT001 - what it is about
    *,
    demo_question_in_use: bool = False,
) -> list[str]:
    """Why this installation must not start as it is, each a sentence; [] where it may.

    Production is where a company without `sandbox` exists or the public URL is not loopback.
    """
    if not has_live_company and settings.is_loopback:
        return []
    problems = [_root_keys_problem(settings)]
    if not settings.is_https:
        problems.append("JETPAY_PUBLIC_URL must be https:// in production.")
    if demo_question_in_use:
        problems.append("The demo's security question must be changed before production.")
    return [problem for problem in problems if problem]


def _root_keys_problem(settings: Settings) -> str | None:
    if settings.secret_keys is None:
        return (
            "JETPAY_SECRET_KEYS must be set in production: root keys that lie beside the data"
            " are lost and stolen with it."
        )
    file = settings.secret_keys_file
    if file is None or not file.is_file():
        return None
    if file.resolve().is_relative_to(settings.data_dir.resolve()):
        return "JETPAY_SECRET_KEYS_FILE must lie outside JETPAY_DATA_DIR in production."
    status = file.stat()
    if status.st_uid not in {0, os.geteuid()} or stat.S_IMODE(status.st_mode) not in FILE_MODES:
        return "JETPAY_SECRET_KEYS_FILE must be owned by root or by us, with mode 0600 or 0400."
    return None
