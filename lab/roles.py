"""Which of the lab's hosts does what: by its name, or as somebody says."""

from collections.abc import Iterable

from lab.process import LabError

GROUPS = ("masters", "nodes", "etcd")


def of(names: Iterable[str], said: str) -> dict[str, list[str]]:
    """The hosts of each group.

    Args:
        names: the lab's hosts.
        said: "masters=master,master2 etcd=spare1 nodes=node1,node2": who does what, and nobody else anything. "": what
            their names say, and masters are etcd's members, too.

    Raises:
        LabError: there is no such group or host.
    """
    listed = list(names)
    if not said:
        masters = [n for n in listed if n.startswith("master")]
        return {"masters": masters, "nodes": [n for n in listed if n.startswith("node")], "etcd": masters}
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for part in said.split():
        group, _, members = part.partition("=")
        wanted = [n for n in members.split(",") if n]
        if group not in GROUPS:
            raise LabError(f"LAB_ROLES has {group!r}, which is none of {', '.join(GROUPS)}")
        if unknown := [n for n in wanted if n not in listed]:
            raise LabError(f"LAB_ROLES has {', '.join(unknown)}, but the lab has {', '.join(listed)}")
        found[group] = wanted
    return found
