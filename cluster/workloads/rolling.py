"""A rolling update of controllers by another: which step comes next, told from nothing but where they stand.

Never more than one pod above what is asked for, and never fewer available than asked for: a new pod is available
before an old one goes. A killed update, begun again, therefore goes on from where the cluster is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cluster.workloads.controllers import Controller


@dataclass(frozen=True)
class Scale:
    """Give a controller so many pods; `shrinks` when an old one loses a pod that may have served."""

    name: str
    now: int
    replicas: int
    shrinks: bool = False


@dataclass(frozen=True)
class Wait:
    """Wait until a controller has its pods, or until they are available."""

    name: str


@dataclass(frozen=True)
class Delete:
    """Delete an old controller, which has no pods any more."""

    name: str


Step = Scale | Wait | Delete


def next_step(new: Controller, old: Sequence[Controller], desired: int) -> Step | None:
    """What to do now.

    Args:
        new: the controller that shall have all pods in the end.
        old: those that shall have none.
        desired: pods in the end.

    Returns:
        the step; None when the update is done.
    """
    for controller in (*old, new):
        if not controller.settled:
            return Wait(controller.name)
    total = new.replicas + sum(controller.replicas for controller in old)
    room = total - desired - (new.replicas - new.available)
    for controller in old:
        # Pods that do not serve go first, but only where there are more than asked for: they may serve again.
        idle = min(room, controller.replicas - controller.available)
        if idle > 0:
            return Scale(controller.name, controller.replicas, controller.replicas - idle)
    serving = [controller for controller in old if controller.replicas]
    if not serving and new.replicas != desired:
        return Scale(new.name, new.replicas, desired)
    if new.available < new.replicas:
        return Wait(new.name)
    if not serving:
        return Delete(old[0].name) if old else None
    if total <= desired and new.replicas < desired:
        return Scale(new.name, new.replicas, new.replicas + 1)
    last = serving[0]
    return Scale(last.name, last.replicas, last.replicas - 1, shrinks=True)


def start(old: Sequence[Controller], desired: int) -> int:
    """How many pods a new controller is made with: one at first where others serve, all where none does."""
    return min(1, desired) if any(controller.replicas for controller in old) else desired


def steps(new: Controller, old: Sequence[Controller], desired: int) -> Iterator[Scale | Delete]:
    """The steps from here to the end, if every pod becomes available."""
    state = {controller.name: _served(controller) for controller in (*old, new)}
    while True:
        left = [state[controller.name] for controller in old if controller.name in state]
        step = next_step(state[new.name], left, desired)
        if step is None or isinstance(step, Wait):
            return
        yield step
        if isinstance(step, Delete):
            del state[step.name]
        else:
            scaled = replace(state[step.name], replicas=step.replicas)
            state[step.name] = _served(scaled)


def _served(controller: Controller) -> Controller:
    count = controller.replicas
    return replace(controller, current=count, updated=count, available=count, observed=True)
