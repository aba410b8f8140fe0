"""A haproxy of the distribution's, in a unit and with a configuration of ours: it passes TLS on to who answers."""

from dataclasses import dataclass

from cluster.desired import RECORD_DIRECTORY, SYSTEMD, File, Package, Step, Turn, Unit, recorder
from cluster.formats import HEADER
from cluster.installation import Installation
from cluster.roles.kubernetes import DIRECTORY
from cluster.roles.services import service_file, unit_path

# The distribution's program in a unit of ours: the package's own unit stays as it is, and is somebody else's.
HOW = Installation(
    packaged=False,
    packages=(Package("haproxy"),),
    programs=(),
    directory="/usr/sbin",
    acted_on=("haproxy.service",),
)
_PROGRAM = HOW.program("haproxy")
_GLOBAL = """\
global
    stats socket /run/{}/admin.sock mode 600 level admin expose-fd listeners
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    maxconn 8192
    # After a reload a former process goes on with the connections it has, and asks nobody any more how they are: not
    # for ever.
    hard-stop-after 10m

defaults
    mode tcp
    timeout connect 1s
    timeout check 1s
    # A watch may have nothing to tell for long, and whoever is in a container nothing to say.
    timeout client 24h
    timeout server 24h
    # At once at another one. By turns: whoever has the fewest connections would be asked first just when it is gone.
    balance roundrobin
    retries 3
    option redispatch 1
    # A second until the next question and one for its answer, then both again: one that hangs is out within 4, and
    # connections to it are cut off. One that listens no more may still finish what it was asked: it is not called down
    # at the first time.
    default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
    option httpchk
"""


@dataclass(frozen=True)
class Listener:
    """Where it answers on 127.0.0.1, what it asks servers to know how they are, and who they are.

    + name: in its configuration
    + port: the port
    + question: the path that is asked with GET
    + expected: what else than 200 means, as haproxy's http-check writes it
    + servers: each one's name, address and port, and further options
    """

    name: str
    port: int
    question: str
    servers: tuple[tuple[str, str, str], ...]
    expected: str = ""

    def text(self, trust: str) -> str:
        """Its part of the configuration."""
        lines = (f"    server {name} {address} check-ssl {trust}{more}\n" for name, address, more in self.servers)
        return (
            f"\nlisten {self.name}\n"
            f"    bind 127.0.0.1:{self.port}\n"
            "    http-check connect default\n"
            f"    http-check send meth GET uri {self.question} ver HTTP/1.1 hdr Host {self.name}\n"
            f"    http-check expect status 200{self.expected}\n"
            f"{''.join(lines)}"
        )


@dataclass(frozen=True)
class Proxy:
    """One haproxy.

    + name: its unit's
    + authority: the certificate of who vouches for those that it asks
    + pair: with what it asks: the path without ".crt" and ".key"
    """

    name: str
    authority: str
    pair: str

    @property
    def config(self) -> str:
        """Where its configuration is."""
        return f"{DIRECTORY}/{self.name}.cfg"

    @property
    def unit(self) -> str:
        """Where its unit is."""
        return unit_path(self.name, HOW)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every file it reads when it starts."""
        return (self.unit, self.config, self.authority, f"{self.pair}.crt", f"{self.pair}.key")

    def files(self, listeners: tuple[Listener, ...]) -> tuple[File, File]:
        """Its configuration and its unit."""
        trust = f"verify required ca-file {self.authority} crt {self._joined}"
        text = "".join(listener.text(trust) for listener in listeners)
        return File(self.config, f"{HEADER}{_GLOBAL.format(self.name)}{text}"), self._service()

    def runs(self, port: int) -> Unit:
        """What runs; it answers where something listens on a port of its own."""
        # As the kernel lists it: 0A is LISTEN; ss would look through every socket's details.
        listening = f"grep -q ': 0100007F:{port:04X} 00000000:0000 0A ' /proc/net/tcp"
        hint = f"{self.config} is not for this haproxy, which must be 2.2 or later (haproxy -c -f {self.config})"
        return Unit(self.name, self.inputs, listening, hint, _PROGRAM, turn=Turn(), reloads=True)

    def ended(self, what: str, *, along: tuple[str, ...] = ()) -> Step:
        """That it is stopped and taken away, its files aside; the program stays, for it may be somebody else's.

        Args:
            what: who it is, for the announcement.
            along: files of others that go with it.
        """
        record = f"{RECORD_DIRECTORY}/{self.name}.inputs"
        wanted = f"{SYSTEMD}/multi-user.target.wants/{self.name}.service"
        return Step(
            f"stop {what}",
            " && ".join([f"[ ! -e {record} ]", f"[ ! -L {wanted} ]", *(f"[ ! -e {path} ]" for path in along)]),
            f"{{ ! systemctl is-active -q {self.name} || systemctl stop {self.name}; }} && "
            f"rm -f {' '.join((record, wanted, *along))} && systemctl daemon-reload",
        )

    @property
    def _joined(self) -> str:
        """Certificate and key, which haproxy reads in one file."""
        return f"/run/{self.name}/pair.pem"

    def _service(self) -> File:
        into = self._joined
        join = f"/bin/sh -c 'umask 077; cat {self.pair}.crt {self.pair}.key > {into}.new && mv {into}.new {into}'"
        return service_file(
            self.name,
            HOW,
            own=["Type=notify", f"ExecStart={_PROGRAM} -Ws -f {self.config}", "LimitNOFILE=65536"],
            unit=["Wants=network-online.target", "After=network-online.target"],
            service=[
                f"RuntimeDirectory={self.name}",
                "RuntimeDirectoryMode=0700",
                f"ExecStartPre={join}",
                recorder(self.name, self.inputs),
                # Connections go on in the former process; the next one is as recorded.
                f"ExecReload={join}",
                f"ExecReload={_PROGRAM} -c -q -f {self.config}",
                recorder(self.name, self.inputs, at="ExecReload"),
                "ExecReload=/bin/kill -USR2 $MAINPID",
                "KillMode=mixed",
                "SuccessExitStatus=143",
            ],
        )
