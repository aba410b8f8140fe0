"""Whether those that call etcd know of the group's members, so that others may go."""

from collections.abc import Iterable

from cluster.desired import RECORD_DIRECTORY
from cluster.ports import ETCD_BALANCER
from cluster.roles.balancer import way_to_etcd
from cluster.roles.flannel import CONFIG
from cluster.roles.kubernetes import DIRECTORY
from cluster.roles.master import API_SERVER
from cluster.settings import Cluster, Host


def told_of_members(cluster: Cluster, host: Host) -> dict[str, str]:
    """Shell conditions by the deploy that brings each about: what calls etcd on a host was started with its members."""
    conditions = {}
    for way in way_to_etcd(cluster) if host.is_master else ():
        same = f'[ "$(sha256sum < {way.path})" = "{way.digest}  -" ]'
        conditions[way.deploy] = f"{same} && {_started(ETCD_BALANCER, way.path)}"
    if host.is_master:
        path = f"{DIRECTORY}/apiserver"
        conditions["deploys/master.py"] = f"{_names(path, cluster.master_etcd_urls)} && {_started(API_SERVER, path)}"
    if host in cluster.leased:
        conditions["deploys/flannel.py"] = (
            f"{_names(CONFIG, cluster.etcd_client_urls)} && {_started('flanneld', CONFIG)}"
        )
    return conditions


def _names(path: str, urls: Iterable[str]) -> str:
    """A condition: a file names just these endpoints."""
    listed = ",".join(urls).replace(".", "[.]")
    return f"grep -Eq '[=\"]{listed}([ \"]|$)' {path}"


def _started(unit: str, path: str) -> str:
    """A condition: a service was started with a file as it is."""
    return f'grep -qxF "$(sha256sum {path})" {RECORD_DIRECTORY}/{unit}.inputs'
