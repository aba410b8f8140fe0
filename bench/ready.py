"""`python -m bench.ready DIRECTORY`: what an administrator has ready before bringing the lab's hosts up by hand.

No host is contacted, and the directory must be there. It then holds

+ hosts/NAME/: a host's configuration, the very files that the roles describe, at their paths there; all are root's.
  Certificates are not among them
+ NAME.ssh: the command that logs in; NAME.settings: shell variables of one host, beside settings, those of all
+ certificates: whom openssl has to make certificates for, a line each: place, authority, subject, usages, names
"""

import json
import platform
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cluster.certificates import certificate_files, certificates
from cluster.desired import Program, Role
from cluster.machine import machine
from cluster.roles.etcd import flannel_configuration
from cluster.roles.of_host import all_roles
from cluster.settings import Cluster, Host, Settings, load
from cluster.workloads.addons import dns_values
from cluster.workloads.manifests import read
from facts.inventory import groups
from facts.opening import hosts_of
from lab import ssh, state
from pki import Request, Store

INVENTORY = Path("lab/inventory.py")
CLUSTER_DNS = "root/cluster-dns.json"  # on the master, for kubectl
PAUSE = "/root/pause.tar"
_USAGES = {"client": "clientAuth", "server": "serverAuth"}
# A host of the lab's flavour deb, as the preflight would find it.
_HOST = {
    "distribution": "debian",
    "like": "",
    "version": "12",
    "managers": ["apt-get"],
    "architecture": platform.machine(),
    "time_services": (),
    "resolvers": (),
    "resolved": None,
}


def main(directory: Path) -> None:
    """Write everything."""
    inventory = hosts_of(INVENTORY)
    cluster, _ = load({h.name: h.data.dict() for h in inventory}, groups(inventory, INVENTORY))
    settings = cluster.settings
    for host in cluster.hosts:
        _host(cluster, host, directory)
    objects = read("deploys/manifests/dns.yaml.j2", dns_values(settings))
    listed = {"apiVersion": "v1", "kind": "List", "items": [o.body for o in objects]}
    _write(directory / "hosts" / cluster.masters[0].name / CLUSTER_DNS, json.dumps(listed))
    (directory / "certificates").write_text("".join(f"{line}\n" for line in _certificates(cluster)))
    common = {
        "hosts": "\n".join(f"{host.address}  {host.name}" for host in cluster.hosts),
        "master": str(cluster.masters[0].address),
        "nodes": str(len(cluster.nodes)),
        "flannel_configuration": flannel_configuration(cluster),
        "dns": str(settings.dns_address),
    }
    (directory / "settings").write_text(_variables(common))


def _host(cluster: Cluster, host: Host, directory: Path) -> None:
    there = machine(_HOST)
    assert there is not None
    # Of certificates the roles want paths and modes; nobody looks into that store.
    placed = certificate_files(cluster, host, there.distribution, Store(directory / "store"), write=False)
    roles = all_roles(cluster, host, there, placed)
    for file in (f for role in roles for f in (*role.sources, *role.files)):
        assert file.owner == "root:root", file
        if file.content is not None:
            _write(directory / "hosts" / host.name / file.path.lstrip("/"), file.content, file.mode)
    own = {
        "address": str(host.address),
        "name": host.name,
        "packages": " ".join(dict.fromkeys(p.name for role in roles for p in role.packages)),
        "units": " ".join(unit.name for role in roles for unit in role.units),
        "releases": "\n".join(_releases(cluster.settings, roles, host)),
    }
    (directory / f"{host.name}.settings").write_text(_variables(own))
    (directory / f"{host.name}.ssh").write_text(shlex.join(ssh.command(state.host(host.name))))


def _releases(settings: Settings, roles: Iterable[Role], host: Host) -> Iterator[str]:
    """What a host fetches, a line each: for which role, digest, URL, and where the programs in it go."""
    for role in roles:
        wanted: dict[tuple[str, str], list[Program]] = {}
        for program in role.programs:
            wanted.setdefault((program.digest, program.url), []).append(program)
        for (digest, url), programs in wanted.items():
            kind = "archive" if programs[0].archive else "program"
            yield " ".join([role.name, kind, digest, url, *(p.path for p in programs)])
    if host.is_node and settings.pause_image_archive:
        pause = settings.image_archive(settings.pause_image_archive)
        yield f"images file {pause.digest} {pause.url} {PAUSE}"


def _certificates(cluster: Cluster) -> Iterator[str]:
    for host in cluster.hosts:
        for placed in certificates(cluster, host):
            yield f"{host.name}{placed.path} {_request(placed.request)}".rstrip()


def _request(request: Request) -> str:
    subject = "".join([*(f"/O={name}" for name in request.organizations), f"/CN={request.common_name}"])
    names = [*(f"DNS:{name}" for name in request.dns_names), *(f"IP:{address}" for address in request.addresses)]
    usages = ",".join(sorted(_USAGES[usage] for usage in request.usages))
    return f"{request.authority} {subject} {usages} {','.join(names)}"


def _write(path: Path, content: str, mode: str = "644") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(int(mode, 8))


def _variables(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
