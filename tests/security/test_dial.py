"""Where the bytes go, and what comes back: over real sockets on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jetpay.security.address_table import parse_allowed_list
from jetpay.security.dial import Dialler, Unreachable
from jetpay.security.secrets import Secret
from jetpay.security.vetting import DialRefused
from tests.security.test_vet_targets import LOOPBACK, names

NO_HEADERS: Secret[dict[str, str]] = Secret({})


class Server:
    """A loopback server that does what `answer` says and remembers what came."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.peers: list[object] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        match request.path:
            case "/redirect":
                return web.Response(status=302, headers={"Location": "/elsewhere"})
            case "/slow":
                await asyncio.sleep(5)
            case "/endless":
                endless = web.StreamResponse()
                await endless.prepare(request)
                await endless.write(b"a" * 200_000)
                await asyncio.sleep(5)
                return endless
            case "/headers":
                return web.Response(headers={"X-Long": "a" * 40_000})
            case "/cookie":
                return web.Response(headers={"Set-Cookie": "a=b; Path=/"})
        return web.Response(text="fine", headers={"Retry-After": "7"})


@pytest.fixture
async def listening() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.fixture
async def dialler() -> AsyncIterator[Dialler]:
    made = Dialler(resolve=names({"hook.test": ["127.0.0.1"]}), total_seconds=0.5)
    yield made
    await made.close()


async def post(dialler: Dialler, url: str, line: str = "a") -> int:
    answer = await dialler.post(line, url, allowed=LOOPBACK, body=b"{}", headers=NO_HEADERS)
    return answer.status


async def test_a_name_is_kept_for_the_host_header(listening: Server, dialler: Dialler) -> None:
    answer = await dialler.post(
        "a",
        f"http://hook.test:{listening.port}/",
        allowed=LOOPBACK,
        body=b"{}",
        headers=Secret({"X-API-Key": "k"}),
    )
    [request] = listening.requests
    assert (answer.status, answer.retry_after, answer.body) == (200, "7", b"")
    assert request.headers["Host"] == f"hook.test:{listening.port}"
    assert request.headers["X-API-Key"] == "k"
    assert "Accept-Encoding" not in request.headers


async def test_a_redirect_is_an_answer_not_followed(listening: Server, dialler: Dialler) -> None:
    assert await post(dialler, f"http://127.0.0.1:{listening.port}/redirect") == 302
    assert len(listening.requests) == 1


async def test_a_slow_answer_is_none(listening: Server, dialler: Dialler) -> None:
    with pytest.raises(Unreachable):
        await post(dialler, f"http://127.0.0.1:{listening.port}/slow")


async def test_an_endless_body_is_cut(listening: Server, dialler: Dialler) -> None:
    assert await post(dialler, f"http://127.0.0.1:{listening.port}/endless") == 200


async def test_a_huge_header_is_no_answer(listening: Server, dialler: Dialler) -> None:
    with pytest.raises(Unreachable):
        await post(dialler, f"http://127.0.0.1:{listening.port}/headers")


async def test_cookies_are_not_kept(listening: Server, dialler: Dialler) -> None:
    for _ in range(2):
        await post(dialler, f"http://127.0.0.1:{listening.port}/cookie")
    assert "Cookie" not in listening.requests[1].headers


async def test_a_connection_is_used_again_for_the_same_line_only(
    listening: Server, dialler: Dialler
) -> None:
    url = f"http://127.0.0.1:{listening.port}/"
    for line in ("a", "a", "b"):
        await post(dialler, url, line)
    first, second, third = listening.peers
    assert first == second != third


async def test_a_closed_port_is_unreachable(dialler: Dialler) -> None:
    with pytest.raises(Unreachable):
        await post(dialler, "http://127.0.0.1:1/".replace(":1/", ":8443/"))


async def test_a_name_that_changes_its_mind_is_vetted_again(listening: Server) -> None:
    answers, time = {"rebind.test": ["127.0.0.1"]}, [0.0]
    dialler = Dialler(resolve=names(answers), monotonic=lambda: time[0])
    url = f"http://rebind.test:{listening.port}/"
    narrow = parse_allowed_list(["127.0.0.1/32"])

    async def call() -> int:
        answer = await dialler.post("a", url, allowed=narrow, body=b"", headers=NO_HEADERS)
        return answer.status

    assert await call() == 200
    answers["rebind.test"] = ["127.0.0.2"]
    assert await call() == 200  # still on the vetted address
    time[0] = 61.0
    with pytest.raises(DialRefused):
        await call()
    await dialler.close()
    assert len(listening.requests) == 2


async def test_the_socket_goes_to_the_vetted_address_alone(listening: Server) -> None:
    """Even if whatever stands between us and the socket asks for another one."""
    dialler = Dialler(resolve=names({"hook.test": ["127.0.0.1"]}))
    url = f"http://hook.test:{listening.port}/"
    await dialler.post("a", url, allowed=LOOPBACK, body=b"", headers=NO_HEADERS)
    session = dialler._lines["a"].session
    with pytest.raises(aiohttp.ClientError):
        await session.post(f"http://127.0.0.2:{listening.port}/")
    with pytest.raises(aiohttp.ClientError):
        await session.post(f"http://other.test:{listening.port}/")
    await dialler.close()


async def test_the_certificate_must_be_the_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "both.pem").write_bytes(certificate_for("hook.test"))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "both.pem")
    asked: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    app = web.Application()
    app.router.add_post("/", Server().handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving).start()
    port = runner.addresses[0][1]
    trusting = ssl.create_default_context(cafile=folder / "both.pem")
    table = {"hook.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}
    dialler = Dialler(resolve=names(table), tls=trusting)
    assert await post(dialler, f"https://hook.test:{port}/") == 200
    assert asked == ["hook.test"]
    with pytest.raises(Unreachable, match="certificate"):
        await post(dialler, f"https://other.test:{port}/", "b")
    await dialler.close()
    await runner.cleanup()


def certificate_for(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + made.public_bytes(Encoding.PEM)
