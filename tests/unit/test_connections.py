"""Connections to hosts: one whose host is gone ends."""

import logging
import socket
from types import SimpleNamespace

import pytest

from operations.connections import Noticed


def test_a_connection_asks_whether_its_host_is_there() -> None:
    with socket.socket() as connection:
        host = SimpleNamespace(
            connector=SimpleNamespace(client=SimpleNamespace(get_transport=lambda: SimpleNamespace(sock=connection)))
        )
        Noticed.host_connect(None, host)  # type: ignore[arg-type]
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        told = [connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{n}")) for n in ("IDLE", "INTVL")]
        assert told == [20, 10]
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 50_000


@pytest.mark.parametrize("active", [True, False])
def test_of_a_host_that_is_gone_it_is_said(active: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "pyinfra")
    client = SimpleNamespace(get_transport=lambda: SimpleNamespace(is_active=lambda: active))
    host = SimpleNamespace(connector=SimpleNamespace(client=client), print_prefix="[node1] ")
    Noticed.operation_host_error(None, host, "")  # type: ignore[arg-type]
    assert ("[node1] its connection ended in the middle of this" in caplog.text) is not active


@pytest.mark.parametrize(
    "connector",
    [
        SimpleNamespace(),  # this machine itself
        SimpleNamespace(client=SimpleNamespace(get_transport=lambda: SimpleNamespace(sock=object()))),  # another's SSH
    ],
    ids=["none", "another's"],
)
def test_a_connection_of_another_kind_is_left_alone(connector: SimpleNamespace) -> None:
    Noticed.host_connect(None, SimpleNamespace(connector=connector))  # type: ignore[arg-type]
