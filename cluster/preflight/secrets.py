"""Whether what hosts and the store have of the key of Secrets lets a run go on: without it no Secret can be read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.certificates import SECRETS_KEY
from cluster.releases import CURRENT
from cluster.settings import Cluster


def problems(cluster: Cluster, found: Mapping[str, Mapping[str, Any]], known: str | None, store: Path) -> list[str]:
    """Every reason not to touch the masters, one line each.

    Args:
        found: what the preflight found, by host; masters that the run leaves out are not among them.
        known: the SHA-256 of the store's key, as hosts have it; None: it has none.
        store: the store's directory.
    """
    masters = [m.name for m in cluster.masters]
    keys = {name: facts.get("secrets_key", "") for name, facts in found.items() if name in masters}
    other = [name for name, key in keys.items() if key and key != known]
    if other:
        has = "another key" if known else "none"
        return [
            f"{name}: {SECRETS_KEY} encrypts the Secrets in etcd, and the store {store} has {has}; a run would make "
            "them unreadable: restore secrets.pem of the store from its backup"
            for name in other
        ]
    settings = cluster.settings
    begins = settings.encrypt_secrets and settings.kubernetes_version in CURRENT
    left = [name for name in masters if name not in found]
    living = [name for name, key in keys.items() if not key and found[name].get("installed")]
    if begins and living and left:
        return [
            f"{', '.join(living)}: Secrets shall be encrypted from now on, and {', '.join(left)} could not read them: "
            "run without --limit"
        ]
    return []
