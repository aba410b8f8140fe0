"""A host that is gone ends its part of a run: neither pyinfra nor SSH would ever notice, and the run wait for ever."""

import socket
from typing import Any

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.state import BaseStateCallback

_IDLE, _INTERVAL, _PROBES = 20, 10, 3  # seconds, seconds, and how many
_PATIENCE = _IDLE + _INTERVAL * _PROBES
# By name: not every system that one may run pyinfra on has all of them.
_OPTIONS = {
    "TCP_KEEPIDLE": _IDLE,
    "TCP_KEEPALIVE": _IDLE,  # what macOS calls it
    "TCP_KEEPINTVL": _INTERVAL,
    "TCP_KEEPCNT": _PROBES,
    "TCP_USER_TIMEOUT": 1000 * _PATIENCE,  # for what was sent and never acknowledged
}


class Noticed(BaseStateCallback):
    """Has TCP ask, on every connection, whether the other end is there; a minute without an answer closes it."""

    @staticmethod
    def host_connect(state: State, host: Host) -> None:
        """Called by pyinfra once a host is connected."""
        transport = _transport(host)
        connection = transport.sock if transport else None
        if isinstance(connection, socket.socket):  # not what goes through another host, or a command
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _OPTIONS.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @staticmethod
    def operation_host_error(
        state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        """Called by pyinfra where an operation failed on a host: it says nothing of one that is gone."""
        transport = _transport(host)
        if transport and not transport.is_active():
            logger.error(
                f"{host.print_prefix}its connection ended in the middle of this: it closed it, or was silent for "
                f"{_PATIENCE} s. What it was told to do it may have done, or be doing. Look whether it is there, then "
                "run this again"
            )


def _transport(host: Host) -> Any:
    """The SSH connection to a host, whatever its state; None where there is none."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client else None
