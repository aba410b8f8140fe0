"""Shell that asks a member with etcdctl, as its administrator: the same for roles and facts."""

from cluster.certificates import ETCD_PKI
from cluster.shell import program


def etcdctl(shell: str = "") -> str:
    """Shell in which `e` is etcdctl of the API v3 and `e2` that of v2, both asking the member on the host itself.

    Args:
        shell: what calls them.
    """
    return f"{program('etcdctl', PKI=ETCD_PKI)}{shell}".rstrip()
