"""Hosts take turns at what interrupts something: in the inventory's order, and no further than the first that fails."""

import random
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from pyinfra.api import StringCommand
from pyinfra.api.operation import OperationMeta
from pyinfra.api.state import StateOperationHostData
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from operations.turns import _POLL, await_turn
from tests.unit.example import Run
from tests.unit.test_operations import begin, stores  # noqa: F401 fixtures

HOSTS = ("master", "node1", "node2", "node3")
OPERATION = "0f" * 20


@pytest.fixture
def this(begin: Any) -> Iterator[Run]:  # noqa: F811
    run: Run = begin()
    for there in run.inventory:
        run.state.ops[there][OPERATION] = StateOperationHostData(lambda: iter(()), {}, OperationMeta(OPERATION, None))
    with ctx_state.use(run.state), ctx_inventory.use(run.inventory):
        yield run


class Operation:
    """An operation as pyinfra runs it on all hosts: which were at it together, and what each came to."""

    def __init__(
        self,
        this: Run,
        at_once: int,
        *,
        idle: tuple[str, ...] = (),
        broken: tuple[str, ...] = (),
        queue: tuple[str, ...] | None = None,
    ) -> None:
        self.queue = queue
        self.this, self.at_once, self.idle, self.broken = this, at_once, idle, broken
        self.log: list[str] = []
        self.most = self._now = 0

    def run(self, *batch: str) -> None:
        gevent.joinall([gevent.spawn(self._on, name) for name in batch])

    def _on(self, name: str) -> None:
        there = self.this.inventory.get_host(name)
        with ctx_host.use(there):
            there.executing_op_hash = OPERATION
            try:
                succeeded = self._do(name)
            finally:
                there.executing_op_hash = None
            if succeeded is not None:
                meta = self.this.state.ops[there][OPERATION].operation_meta
                meta.set_complete(succeeded, [StringCommand("true")], CommandOutput([]))

    def _do(self, name: str) -> bool | None:
        gevent.sleep(random.random() / 20)  # it reads the host
        if name in self.idle:
            return True
        if failed := await_turn(self.at_once, self.queue):
            self.log.append(f"{name} left, for {failed}")
            return True
        self._now += 1
        self.most = max(self.most, self._now)
        gevent.sleep(3 * _POLL)  # longer than the next one takes to look whether it may begin
        self._now -= 1
        self.log.append(name)
        if name in self.broken:
            return None if "taken by surprise" in self.broken else False
        return True


def test_one_after_another_in_the_inventorys_order(this: Run) -> None:
    operation = Operation(this, 1)
    operation.run(*random.sample(HOSTS, 4))
    assert (operation.log, operation.most) == ([*HOSTS], 1)


def test_one_after_another_in_another_order(this: Run) -> None:
    operation = Operation(this, 1, idle=("node2",), queue=("node3", "master", "node1"))
    operation.run(*random.sample(HOSTS, 4))
    assert operation.log == ["node3", "master", "node1"]


def test_one_that_has_its_turn_may_ask_again(this: Run) -> None:
    there = this.inventory.get_host("node1")
    there.executing_op_hash = OPERATION
    with ctx_host.use(there), gevent.Timeout(5):
        assert (await_turn(1), await_turn(1)) == (None, None)


def test_no_more_than_so_many_at_once(this: Run) -> None:
    operation = Operation(this, 2)
    operation.run(*HOSTS)
    assert operation.most == 2 and sorted(operation.log) == [*HOSTS]


def test_who_has_nothing_to_do_holds_up_nobody(this: Run) -> None:
    operation = Operation(this, 1, idle=("master", "node2"))
    operation.run(*HOSTS)
    assert operation.log == ["node1", "node3"]


@pytest.mark.parametrize("how", [(), ("taken by surprise",)], ids=["failed", "taken by surprise"])
def test_the_first_that_fails_is_the_last(this: Run, how: tuple[str, ...]) -> None:
    operation = Operation(this, 1, broken=("node1", *how))
    operation.run(*HOSTS)
    assert sorted(operation.log) == ["master", "node1", "node2 left, for node1", "node3 left, for node1"]


def test_hosts_that_pyinfra_begins_with_later_are_not_waited_for(this: Run) -> None:
    """With more hosts than it handles at a time it goes by batches, in an order of its own."""
    operation = Operation(this, 1)
    operation.run("node3", "node1")
    operation.run("node2", "master")
    assert operation.log == ["node1", "node3", "master", "node2"]


def test_hosts_that_limit_leaves_out_take_no_part(this: Run) -> None:
    absent = this.inventory.get_host("master")
    this.state.active_hosts.remove(absent)
    del this.state.ops[absent]
    operation = Operation(this, 1)
    operation.run("node2", "node1")
    assert operation.log == ["node1", "node2"]
