"""A host that is gone ends its part of a run: neither pyinfra nor SSH would ever notice, and the run wait for ever."""

import socket

from pyinfra.api import Host, State
from pyinfra.api.state import BaseStateCallback

_IDLE, _INTERVAL, _PROBES = 20, 10, 3  # seconds, seconds, and how many
# By name: not every system that one may run pyinfra on has all of them.
_OPTIONS = {
    "TCP_KEEPIDLE": _IDLE,
    "TCP_KEEPINTVL": _INTERVAL,
    "TCP_KEEPCNT": _PROBES,
    "TCP_USER_TIMEOUT": 1000 * (_IDLE + _INTERVAL * _PROBES),  # for what was sent and never acknowledged
}


class Noticed(BaseStateCallback):
    """Has TCP ask, on every connection, whether the other end is there; a minute without an answer closes it."""

    @staticmethod
    def host_connect(state: State, host: Host) -> None:
        """Called by pyinfra once a host is connected."""
        client = getattr(host.connector, "client", None)
        connection = client.get_transport().sock if client else None
        if isinstance(connection, socket.socket):  # not what goes through another host, or a command
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _OPTIONS.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
