"""What hosts and the store have of the key of Secrets: whether a run may go on, and in how many rounds it encrypts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.certificates import SECRETS_KEY
from cluster.releases import CURRENT
from cluster.roles.master import API_SERVER
from cluster.settings import Cluster, Settings


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
    left = [name for name in masters if name not in found]
    living = [n for n in keys if found[n].get("installed") and (not keys[n] or found[n]["secrets"] != "encrypted")]
    if _encrypts(cluster.settings) and living and left:
        return [
            f"{', '.join(living)}: Secrets shall be encrypted from now on, and {', '.join(left)} may not know the key: "
            "run without --limit"
        ]
    return []


def key_spreads(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an API server beside others does not know the key by which Secrets shall be encrypted.

    What is encrypted meanwhile would keep it from listing Secrets: first all must know the key. That of a former
    master, which serves until the others have been restarted, counts likewise while it runs, for its key and its
    configuration go before its unit; one that is yet to be made does not.

    Args:
        found: as for `problems`.
    """
    masters = {m.name for m in cluster.masters}
    units = {name: facts["units"].get(API_SERVER, {}) for name, facts in found.items() if facts}
    servers = {n: found[n]["secrets"] for n, u in units.items() if u.get("ours") and (n in masters or u["pid"])}
    several = len({*servers, *masters}) > 1
    return _encrypts(cluster.settings) and several and not all(servers.values())


def _encrypts(settings: Settings) -> bool:
    return settings.encrypt_secrets and settings.kubernetes_version in CURRENT
