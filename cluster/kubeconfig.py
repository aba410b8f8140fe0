"""The kubeconfig of the person at the controlling machine: everything in one file, and every way to the API servers."""

from base64 import b64encode
from typing import Any

from cluster.formats import yaml_file
from cluster.settings import Cluster
from pki import KeyPair


def servers(cluster: Cluster) -> dict[str, str]:
    """The URLs that people call, by the name of their cluster and context; the first is the one in use.

    That is `api_server_address` where it is set, else each master's own: the first's by the cluster's name, another's
    with the master's behind it.
    """
    settings = cluster.settings
    if settings.api_server_address:
        return {settings.cluster_name: cluster.outer_api_server_url}
    names = (settings.cluster_name, *(f"{settings.cluster_name}@{m.name}" for m in cluster.masters[1:]))
    return {name: cluster.own_api_server_url(m) for name, m in zip(names, cluster.masters, strict=True)}


def embedded(cluster: Cluster, authority: str, pair: KeyPair) -> str:
    """The file's content.

    Args:
        authority: the certificate of the authority that the API servers' are of, PEM.
        pair: the administrator's.
    """
    called = servers(cluster)
    user = f"administrator@{cluster.settings.cluster_name}"  # beside other clusters' in one KUBECONFIG
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"certificate-authority-data": _data(authority), "server": url}}
            for name, url in called.items()
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}} for name in called],
        "current-context": next(iter(called)),
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)},
            }
        ],
    }
    return yaml_file(content)


def _data(pem: str) -> str:
    return b64encode(pem.encode()).decode()
