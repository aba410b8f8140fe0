"""Closing checks: the API server and nodes are ready, containers reach each other, a service answers.

They wait, and change nothing.
"""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.roles.master import API_SERVER, api_server_ready
from facts.flannel import SubnetEnv
from facts.kubernetes import Nodes
from facts.network import Answers, Reachable
from operations.inventory import the_cluster, this_host
from operations.refusal import refuse
from operations.role import answer
from operations.survey import survey


@operation()
def api_server_answers() -> Iterator[StringCommand]:
    """Wait, for `start_timeout` seconds at most, until this master's API server is ready and reads its objects."""
    if not state.is_executing:
        return host.noop("checked after a run")
    seconds = the_cluster().settings.start_timeout
    if answer({API_SERVER: api_server_ready(the_cluster(), this_host(host.name))}, seconds):
        host.noop("the API server answers")
    else:
        yield refuse(
            f"the API server is not ready after {seconds} s: does etcd answer it (facts.kubernetes.ApiServer tells "
            "which of its checks fail; journalctl -u kube-apiserver)?"
        )


@operation()
def nodes_ready() -> Iterator[StringCommand]:
    """Wait, for `start_timeout` seconds at most, until the API server calls every node Ready."""
    if not state.is_executing:
        return host.noop("checked after a run")
    cluster = the_cluster()
    names = [n.name for n in cluster.nodes]
    found = host.get_fact(Nodes, wait_for=names, seconds=cluster.settings.start_timeout)
    waiting = [n for n in names if not found.get(n, {}).get("ready")]
    if waiting:
        told = "; ".join(f"{n}: {found[n]['message'] if n in found else 'never registered'}" for n in waiting)
        yield refuse(f"not Ready after {cluster.settings.start_timeout} s: {told} (journalctl -u kubelet there)")
    else:
        host.noop(f"{len(names)} nodes are Ready")


@operation()
def pods_reach_each_other() -> Iterator[StringCommand]:
    """Ping every other node's docker0 from this node's own, the way packets of containers go."""
    if not state.is_executing:
        return host.noop("checked after a run")
    leases = survey(SubnetEnv, groups=("nodes",))
    subnets = {name: lease["FLANNEL_SUBNET"].split("/")[0] for name, lease in leases.items() if lease}
    without = [name for name in leases if name not in subnets]
    others = {name: address for name, address in subnets.items() if name != host.name}
    answers = host.get_fact(Reachable, addresses=list(others.values())) if others else {}
    silent = [f"{name} ({address})" for name, address in others.items() if not answers.get(address)]
    if without or silent:
        backend = the_cluster().settings.flannel_backend
        lost = f"cannot reach {', '.join(silent)} over the pod network ({backend})" if silent else ""
        none = f"no lease on {', '.join(without)}" if without else ""
        yield refuse("; ".join(part for part in (lost, none) if part))
    else:
        host.noop(f"reaches {len(others)} other nodes over the pod network")


@operation()
def nodes_answer(port: int) -> Iterator[StringCommand]:
    """Ask every node over HTTP at the port of a NodePort service, from this host."""
    if not state.is_executing:
        return host.noop("checked after a run")
    urls = {f"http://{n.address}:{port}/": n for n in the_cluster().nodes}
    answers = host.get_fact(Answers, urls=list(urls))
    silent = [f"{node.name} ({url})" for url, node in urls.items() if not answers.get(url)]
    if silent:
        yield refuse(
            f"no answer from {', '.join(silent)}: does kube-proxy run there (systemctl status kube-proxy), and do its "
            "containers reach those of other nodes (deploys/check.py)?"
        )
    else:
        host.noop(f"{len(urls)} nodes answer on port {port}")
