"""A rolling update, step by step, over a cluster that is simulated: what holds from whatever state it begins."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from cluster.workloads.controllers import Controller
from cluster.workloads.rolling import Delete, Scale, Step, Wait, next_step, start, steps

MOST = range(5)
SOME = [(replicas, available) for replicas in MOST for available in range(replicas + 1)]  # replicas, those available
FEWER = [pair for pair in SOME if pair[0] < 4]


@dataclass
class Pods:
    """A controller's pods as the API server tells of them: a change is counted only after one has waited."""

    replicas: int
    available: int
    current: int = -1

    def __post_init__(self) -> None:
        self.current = self.replicas if self.current < 0 else self.current


class Simulated:
    """A cluster in which every new pod becomes available, one each time it is waited for, and no broken one mends."""

    def __init__(self, new: Pods | None, *old: Pods, desired: int) -> None:
        self.pods = {f"old{number}": pods for number, pods in enumerate(old)}
        self.target, self.desired = "new", desired
        self.pods["new"] = new or Pods(start(self.old(), desired), 0, current=0)
        self.taken: list[Step] = []

    def controller(self, name: str) -> Controller:
        p = self.pods[name]
        observed = p.current == p.replicas
        return Controller("ReplicationController", name, p.replicas, p.current, p.current, p.available, observed)

    def old(self) -> list[Controller]:
        return [self.controller(name) for name in self.pods if name != self.target]

    @property
    def available(self) -> int:
        return sum(p.available for p in self.pods.values())

    @property
    def total(self) -> int:
        """Pods there are, or are about to be."""
        return sum(max(p.replicas, p.current) for p in self.pods.values())

    def next(self) -> Step | None:
        return next_step(self.controller(self.target), self.old(), self.desired)

    def take(self, step: Step) -> None:
        pods = self.pods[step.name]
        if isinstance(step, Delete):
            assert step.name != self.target and pods.replicas == pods.current == 0
            del self.pods[step.name]
        elif isinstance(step, Scale):
            assert (step.now, pods.current) == (pods.replicas, pods.replicas), "scaled while something is under way"
            assert step.replicas != pods.replicas, "nothing would change"
            pods.replicas = step.replicas
        elif pods.current != pods.replicas:
            pods.current = pods.replicas
            pods.available = min(pods.available, pods.replicas)  # those not ready go first
        else:
            assert step.name == self.target and pods.available < pods.replicas, "waits for what will not come"
            pods.available += 1
        self.taken.append(step)

    def run(self, at_most: int = 300) -> Iterator[Step]:
        """Every step before it is taken, to the end, with what must hold at each."""
        stays = sum(min(p.available, p.replicas) for p in self.pods.values())  # a pod that is going is lost already
        least, most = min(stays, self.desired), max(self.desired, self.total) + 1
        for _ in range(at_most):
            assert self.available >= least, "fewer serve than need be"
            assert self.total <= most, "more pods than one above what is asked for"
            step = self.next()
            if step is None:
                return
            yield step
            self.take(step)
        raise AssertionError(f"no end: {self.taken[-8:]}")

    def finish(self) -> list[Step]:
        taken = list(self.run())
        done = self.pods[self.target]
        assert list(self.pods) == [self.target], "an old controller is left"
        assert (done.replicas, done.current, done.available) == (self.desired,) * 3
        assert self.next() is None
        return taken


def pods(pair: tuple[int, int] | None) -> Pods | None:
    return Pods(*pair) if pair else None


def changes(taken: Sequence[Step]) -> list[str]:
    """The steps that change something, as one would say them."""
    said = []
    for step in taken:
        if isinstance(step, Scale):
            said.append(f"{step.name} {step.now} -> {step.replicas}{' shrinks' if step.shrinks else ''}")
        elif isinstance(step, Delete):
            said.append(f"delete {step.name}")
    return said


# --- From every state -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("desired", MOST)
def test_one_old_controller_from_every_state(desired: int) -> None:
    for old, new in itertools.product(SOME, [None, *SOME]):
        Simulated(pods(new), Pods(*old), desired=desired).finish()


@pytest.mark.parametrize("desired", range(4))
def test_two_old_controllers_from_every_state(desired: int) -> None:
    for first, second, new in itertools.product(FEWER, FEWER, [None, *FEWER]):
        Simulated(pods(new), Pods(*first), Pods(*second), desired=desired).finish()


@pytest.mark.parametrize("desired", MOST)
def test_no_old_controller_from_every_state(desired: int) -> None:
    for new in [None, *SOME]:
        taken = Simulated(pods(new), desired=desired).finish()
        assert len(changes(taken)) <= 1, "all at once"


@pytest.mark.parametrize("desired", MOST)
def test_counts_that_lag_behind_are_waited_for(desired: int) -> None:
    """Killed right after it scaled, and begun again before the server has caught up."""
    for (old, current), new in itertools.product(itertools.product(MOST, MOST), SOME):
        Simulated(Pods(*new), Pods(old, min(old, current), current), desired=desired).finish()
        Simulated(Pods(old, min(old, current), current), Pods(*new), desired=desired).finish()


@pytest.mark.parametrize("desired", MOST)
def test_killed_at_any_step_and_begun_again_it_is_the_same_update(desired: int) -> None:
    for old in MOST:
        whole = Simulated(None, Pods(old, old), desired=desired).finish()
        for killed in range(len(whole)):
            first = Simulated(None, Pods(old, old), desired=desired)
            before = list(itertools.islice(first.run(), killed + 1))[:killed]
            again = Simulated(first.pods["new"], first.pods["old0"], desired=desired) if len(first.pods) > 1 else first
            assert before + again.finish() == whole


@pytest.mark.parametrize("desired", MOST)
def test_killed_at_any_step_and_begun_again_with_another_number(desired: int) -> None:
    for old, other in itertools.product(MOST, MOST):
        length = len(Simulated(None, Pods(old, old), desired=desired).finish())
        for killed in range(length):
            this = Simulated(None, Pods(old, old), desired=desired)
            for _ in itertools.islice(this.run(), killed):
                pass
            this.desired = other
            this.finish()


@pytest.mark.parametrize("desired", MOST)
def test_rolled_back_from_any_step(desired: int) -> None:
    """The same with the roles swapped."""
    for old in MOST:
        length = len(Simulated(None, Pods(old, old), desired=desired).finish())
        for turned in range(length):
            this = Simulated(None, Pods(old, old), desired=desired)
            for _ in itertools.islice(this.run(), turned):
                pass
            if "old0" not in this.pods:
                continue
            this.target = "old0"
            this.finish()


def test_a_rollback_is_an_update_with_the_roles_swapped() -> None:
    there, back = Simulated(Pods(1, 1), Pods(3, 3), desired=4), Simulated(Pods(3, 3), Pods(1, 1), desired=4)
    back.pods = {"new": back.pods["old0"], "old0": back.pods["new"]}
    back.target = "old0"
    assert changes(back.finish()) == ["old0 3 -> 4", "new 1 -> 0 shrinks", "delete new"]
    assert changes(there.finish())[-1] == "delete old0"


# --- The order of steps ---------------------------------------------------------------------------------------------


def test_the_whole_update_of_three_pods() -> None:
    taken = Simulated(None, Pods(3, 3), desired=3).finish()
    assert changes(taken) == [
        "old0 3 -> 2 shrinks",
        "new 1 -> 2",
        "old0 2 -> 1 shrinks",
        "new 2 -> 3",
        "old0 1 -> 0 shrinks",
        "delete old0",
    ]


@pytest.mark.parametrize("desired", range(1, 5))
def test_a_new_pod_serves_before_an_old_one_goes(desired: int) -> None:
    this = Simulated(None, Pods(desired, desired), desired=desired)
    shrinking = 0
    for step in this.run():
        if isinstance(step, Scale) and step.shrinks:
            shrinking += 1
            assert this.available == desired + 1
            assert step.replicas == step.now - 1
    assert shrinking == desired


def test_the_numbers_differ_by_one_pod_at_a_time() -> None:
    for old, desired in itertools.product(MOST, MOST):
        for step in Simulated(None, Pods(old, old), desired=desired).run():
            last = isinstance(step, Scale) and step.replicas == desired and step.name == "new"
            if isinstance(step, Scale) and not last:
                assert abs(step.replicas - step.now) == 1


@pytest.mark.parametrize("available", range(4))
def test_old_pods_that_do_not_serve_go_first(available: int) -> None:
    this = Simulated(Pods(1, 1), Pods(4, available), desired=4)
    assert next(this.run()) == Scale("old0", 4, 3), "loses nothing that served"


def test_old_pods_that_do_not_serve_just_now_are_kept_until_new_ones_do() -> None:
    """They may serve again; the new ones may never."""
    for new in (Pods(0, 0), Pods(1, 0)):
        step = next(Simulated(new, Pods(4, 0), desired=4).run())
        assert not (isinstance(step, Scale) and step.name == "old0"), step


def test_what_a_failed_update_left_goes_before_what_serves() -> None:
    this = Simulated(Pods(0, 0), Pods(4, 4), Pods(1, 0), desired=4)
    assert next(this.run()) == Scale("old1", 1, 0)


def test_two_old_controllers_go_one_after_the_other() -> None:
    taken = Simulated(Pods(1, 1), Pods(1, 1), Pods(2, 2), desired=3).finish()
    shrunk = [step.name for step in taken if isinstance(step, Scale) and step.shrinks]
    assert shrunk == ["old0", "old1", "old1"]
    assert changes(taken)[-2:] == ["delete old0", "delete old1"]


def test_none_is_deleted_before_the_new_ones_serve() -> None:
    for old, new, desired in itertools.product(SOME, SOME, MOST):
        this = Simulated(Pods(*new), Pods(*old), desired=desired)
        for step in this.run():
            if isinstance(step, Delete):
                assert this.pods["new"].available == this.pods["new"].replicas == desired


def test_a_new_pod_that_never_comes_stops_it_where_it_is() -> None:
    this = Simulated(None, Pods(3, 3), desired=3)
    waited = list(itertools.islice(this.run(), 1))
    this.pods["new"].current = 1  # made, and not available
    assert waited == [Wait("new")]
    for _ in range(3):
        assert this.next() == Wait("new")
    assert this.available == 3


def test_nothing_to_do() -> None:
    assert Simulated(Pods(3, 3), desired=3).finish() == []


def test_an_empty_old_controller_is_only_deleted() -> None:
    assert Simulated(Pods(3, 3), Pods(0, 0), desired=3).finish() == [Delete("old0")]


# --- How many at first, and what is announced -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "desired", "first"), [([], 3, 3), ([0], 3, 3), ([2], 3, 1), ([0, 1], 3, 1), ([3], 0, 0), ([], 0, 0)]
)
def test_the_first_pods_of_a_new_controller(old: list[int], desired: int, first: int) -> None:
    controllers = [Controller("ReplicationController", f"old{n}", r, r, r, r, True) for n, r in enumerate(old)]
    assert start(controllers, desired) == first


def test_the_steps_announced_are_the_steps_taken() -> None:
    for first, second, new, desired in itertools.product(range(4), range(4), range(4), range(4)):
        this = Simulated(Pods(new, new), Pods(first, first), Pods(second, second), desired=desired)
        announced = list(steps(this.controller("new"), this.old(), desired))
        assert announced == [step for step in this.finish() if not isinstance(step, Wait)]


def test_steps_are_told_of_what_is_not_there_yet() -> None:
    """A dry run asks before the new controller is made."""
    new = Controller("ReplicationController", "new", 1, 0, 0, 0, False)
    old = Controller("ReplicationController", "old", 1, 1, 1, 1, True)
    assert list(steps(new, [old], 1)) == [Scale("old", 1, 0, shrinks=True), Delete("old")]
