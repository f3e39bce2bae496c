"""The listener for Prometheus, at any kind of address, apart from everything else."""

import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from jetpay.metrics import CannotListen, listening
from tests.patience import PATIENCE_SECONDS
from tests.processes import free_port


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("seen", "What was seen.", registry=registry).inc(3)
    return registry


def test_it_answers_on_an_address(registry: CollectorRegistry) -> None:
    for host in ("127.0.0.1", "[::1]"):
        where = f"{host}:{free_port()}"
        with listening(where, registry):
            url = f"http://{where}/metrics"
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                assert b"seen_total 3.0" in answer.read()


def test_it_answers_on_a_socket_and_takes_it_away(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "metrics"
    for _ in range(2):
        with listening(f"unix:{path}", registry), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            caller.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert b"seen_total 3.0" in caller.makefile("rb").read()
        assert not path.exists()


def test_a_taken_address_is_refused_with_a_sentence(registry: CollectorRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotListen, match="JETPAY_METRICS_LISTEN"), listening(where):
            pass


def test_off_listens_nowhere() -> None:
    with listening("off"):
        pass
