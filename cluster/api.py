"""Shell that asks the API server on a master, as its administrator: the same for roles and facts."""

from cluster.shell import program

KUBECONFIG = "/etc/kubernetes/kubeconfig"


def api(shell: str = "") -> str:
    """Shell in which `api SECONDS PATH` prints what the API server answers, and fails if it does not or refuses.

    Args:
        shell: what calls it.
    """
    return f"{program('api', KUBECONFIG=KUBECONFIG)}{shell}".rstrip()
