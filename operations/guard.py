"""A deploy's settings, and its certificate store, are checked before any host is contacted."""

from functools import partial, wraps

from pyinfra.api.state import State

from operations.command_line import typed
from operations.connections import Noticed
from operations.inventory import store, the_cluster
from operations.next_command import next_command
from operations.refusal import refuse_all
from operations.report import summarise_at_end


def guard(running: State) -> None:
    """Check a deploy's settings and certificate store after the inventory is read and before any host is contacted.

    pyinfra offers no hook between the two (handlers are dropped by `State.init`), so `init` is extended on this one
    state. A refusal ends the process with exit code 1 and every error on stderr.
    """
    initialise = running.init

    @wraps(initialise)
    def init(*args: object, **kwargs: object) -> None:
        initialise(*args, **kwargs)
        running.add_callback_handler(Noticed())
        command_line = typed()
        if command_line.runs_deploy:
            if command_line.orders:
                told = "hosts of a cluster wait for each other in each operation: leave it out"
                refuse_all([f"{order}: {told}" for order in command_line.orders], "no host was contacted")
            the_cluster()
            store()
            summarise_at_end(partial(next_command, command_line))

    running.init = init
