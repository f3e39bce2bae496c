"""Tests reach this machine only, whatever the code under test would like."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


def test_nothing_beyond_loopback_can_be_reached() -> None:
    # Warnings are errors here, and pytest-socket warns before it refuses.
    with pytest.raises((SocketConnectBlockedError, UserWarning), match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 443), timeout=1)


def test_loopback_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
