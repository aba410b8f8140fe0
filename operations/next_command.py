"""What to type after a run."""

from operations.inventory import the_cluster


def next_command(failed: bool) -> str:
    """The command that follows this run.

    Args:
        failed: whether it ended before everything was done.
    """
    if failed:
        return "mend what is said above and run the same command again; it goes on from there"
    first = the_cluster().masters[0].name
    return f"ssh {first} kubectl --kubeconfig=/etc/kubernetes/kubeconfig get nodes"
