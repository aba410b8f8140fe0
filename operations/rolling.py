"""A rolling update as it is carried out: the state read, the next step taken, until there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gevent
from pyinfra import host, logger, state
from pyinfra.api import StringCommand

from cluster.problems import show
from cluster.workloads.controllers import Controller
from cluster.workloads.objects import Labels, Manifest, Object, label, selector_text, selects
from cluster.workloads.rolling import Delete, Wait, next_step, start, steps
from facts.workloads import Controllers, kubectl
from operations import intent, objects, pods
from operations.refusal import refuse, refuse_all
from operations.report import announce

_KIND = "ReplicationController"


@dataclass(frozen=True)
class Update:
    """A rolling update as it was asked for.

    + target: the controller that shall have all pods in the end
    + old: the name or the labels of those it replaces
    + written: the new controller's manifest
    + before: the objects of the deploy's lines so far
    """

    target: str
    old: str | Labels
    written: Object
    before: tuple[Object, ...]
    namespace: str
    update_period: int
    deadline: int
    rollback: bool

    @classmethod
    def of(
        cls, old: str | Labels, new: Manifest, namespace: str, update_period: int, deadline: int, rollback: bool
    ) -> "Update":
        """Check what was asked for; anything wrong ends the run."""
        told = [f"{o.where}: {o}: is no {_KIND}; apply it with manifest()" for o in new if o.kind != _KIND]
        told += [f"{new[1].where}: {new[1]}: a rolling update has one new controller"] if len(new) > 1 else []
        if new[0].name == old:
            told.append(f"{new[0].where}: {new[0]}: old and new have the same name; give the new one another")
        if deadline < 1:
            told.append(f"deadline = {deadline}: write how many seconds a pod may take to become available")
        if new[0].replicas is None:
            told.append(f"{new[0].where}: {new[0]}: has no spec.replicas: write how many pods there shall be")
        if rollback and not isinstance(old, str):
            told.append(f"old = {show(old)}: a rollback returns to one controller: write its name")
        if told:
            refuse_all(told, intent.NOTHING_APPLIED)
        target = str(old) if rollback else new[0].name
        return cls(target, old, new[0], intent.earlier(), namespace, update_period, deadline, rollback)

    @property
    def desired(self) -> int:
        """Pods in the end."""
        return self.written.replicas or 0

    def commands(self) -> Iterator[StringCommand]:
        """What is to be done, from where the cluster stands."""
        found = self._read()
        if found is None:
            yield from self._unanswered()
            return
        new = found.pop(self.target, None)
        old = [pods.controller(o) for o in found.values()]
        replicas = new["replicas"] if new else start(old, self.desired)
        applied = objects.compare(Manifest([self.written.with_replicas(replicas)]), self.namespace, self.before)
        reasons = applied.errors or self._obstacles(new, found) or self._scaled_meanwhile(applied)
        if reasons:
            yield refuse(*reasons, verdict=intent.NOTHING_APPLIED)
            return
        begin = pods.controller(new) if new else Controller(_KIND, self.target, replicas, 0, 0, 0, False)
        lines = [*([] if self.rollback else applied.lines), *self._lines(begin, old)]
        stale = self._stale(begin, applied)
        if stale:
            lines.insert(0, f"scale rc/{self.target} {begin.replicas} -> {begin.available} (pods of a former template)")
        if not lines:
            host.noop(f"{self.target} has {self.desired} pods, and replaces no other")
        else:
            announce(host, lines)
            self._warn(found.values())
            yield from self._begin(begin, applied.changed, stale=stale)
        if state.is_executing and (lines or next_step(begin, old, self.desired)):
            yield from self._roll()

    def _stale(self, new: Controller, applied: objects.Comparison) -> bool:
        """Whether the target has pods that do not serve and that its new template would never replace."""
        fields = applied.fields.get(self.target, [])
        changed = not self.rollback and any(f.startswith("spec.template") for f in fields)
        return changed and new.available < new.replicas

    def _begin(self, new: Controller, changed: Manifest, *, stale: bool) -> Iterator[StringCommand]:
        """What comes before the steps. The first command makes pyinfra count a change; a dry run sees no other."""
        if stale:
            yield pods.scale_command(f"rc/{new.name}", new.available, self.namespace, now=new.replicas)
            changed = Manifest(o.with_replicas(new.available) for o in changed)
        unchanged = self.rollback or not changed
        yield StringCommand("true") if unchanged else objects.apply(changed, self.namespace)

    def _scaled_meanwhile(self, applied: objects.Comparison) -> list[str]:
        """Why it is left alone: another run is at it, for its pods were counted a moment ago."""
        scaled = [f for f in applied.fields.get(self.target, []) if f.startswith("spec.replicas ")]
        return [f"{self.target} is being scaled by somebody else ({scaled[0]}): run it again"] if scaled else []

    def _unanswered(self) -> Iterator[StringCommand]:
        """Without an API server a run fails; a dry run takes it as one that is to come, with nothing on it."""
        if reasons := objects.without_server():
            yield refuse(*reasons, verdict=intent.NOTHING_APPLIED)
        else:
            announce(host, [f"roll back to rc/{self.target}" if self.rollback else f"create {self.written}"])
            yield StringCommand("true")

    def _read(self) -> dict[str, Any] | None:
        """The controllers concerned, by name, the target among them if it is there; None if there is no answer."""
        by_name = [self.target, self.written.name, *([self.old] if isinstance(self.old, str) else [])]
        labels = None if isinstance(self.old, str) else dict(self.old)
        names = [f"rc/{name}" for name in dict.fromkeys(by_name)]
        found = host.get_fact(Controllers, names=names, labels=labels, namespace=self.namespace)
        if not found.get("answers"):
            return None
        return {c["name"]: c for c in found["controllers"].values() if c["kind"] == _KIND}

    def _obstacles(self, new: Any, old: dict[str, Any]) -> list[str]:
        """Why it cannot be begun."""
        if self.rollback and not new:
            return [f"{self.target} is gone: roll to its manifest instead, with old={show(self.written.name)}"]
        if isinstance(self.old, str) and not new and not old:
            return [f"old = {show(self.old)}: there is no such {_KIND} in {self.namespace}, and no {self.target}"]
        mine, labels = (new["selector"], new["pod_labels"]) if new else (self.written.selector, self.written.pod_labels)
        return [
            f"{label(_KIND, self.target)} and {name} select each other's pods ({selector_text(other['selector'])}): "
            "give each a label of its own in selector and template, as version"
            for name, other in old.items()
            if selects(other["selector"], labels) or selects(mine or {}, other["pod_labels"])
        ]

    def _lines(self, new: Controller, old: list[Controller]) -> list[str]:
        planned = list(steps(new, old, self.desired))
        rolled = {o.name: o.replicas for o in old if o.replicas}
        lines = [
            f"roll {count} pod{'s' if count > 1 else ''} of {name} to {new.name}, {self.update_period} s apart"
            for name, count in rolled.items()
        ]
        if new.replicas > self.desired or (planned and not rolled and new.replicas != self.desired):
            lines.append(f"scale rc/{new.name} {new.replicas} -> {self.desired}")
        return [*lines, *(f"delete rc/{step.name}" for step in planned if isinstance(step, Delete))]

    def _warn(self, old: Any) -> None:
        hard = [o["name"] for o in old if o["replicas"] and not o["drains"]]
        if hard:
            logger.warning(
                f"warning: the pods of {', '.join(hard)} have no preStop hook: nodes may still send them requests "
                "while they end, and those fail"
            )
        if any(not c.get("readinessProbe") for c in self.written.pod_spec.get("containers", [])):
            logger.warning(f"warning: {self.written} has no readinessProbe: its pods count as ready before they serve")

    def _roll(self) -> Iterator[StringCommand]:
        """Step by step to the end; each step's numbers are those the server must still have."""
        patience, told = pods.Patience(self.deadline), None
        while True:
            found = self._read() or {}
            new = found.pop(self.target, None)
            rest = [pods.controller(o) for o in found.values()]
            # No answer is not the same as no controllers.
            step = next_step(pods.controller(new), rest, self.desired) if new else Wait(self.target)
            now = "; ".join(f"{c['name']}: {c['available']} of {c['replicas']} available" for c in _listed(new, found))
            if step is None:
                return
            if now != told:
                pods.progress(now)
                told = now
            if isinstance(step, Wait):
                over = patience.is_over(now)
                stuck = pods.stuck(
                    {label(_KIND, self.target): new} if new else {}, self.namespace, self.deadline, over=over
                )
                if stuck:
                    if serving := [f"{c.name} goes on with {c.available} pods" for c in rest if c.available]:
                        logger.error(f"{host.print_prefix}{'; '.join(serving)}")
                    yield stuck
                    return
            elif isinstance(step, Delete):
                k = kubectl(self.namespace)
                yield StringCommand(f"{k} delete rc/{step.name} --ignore-not-found --wait --timeout={self.deadline}s")
            else:
                yield pods.scale_command(f"rc/{step.name}", step.replicas, self.namespace, now=step.now)
                if step.shrinks and sum(c.replicas for c in rest) > 1:
                    gevent.sleep(self.update_period)


def _listed(new: dict[str, Any] | None, old: dict[str, Any]) -> list[dict[str, Any]]:
    return [*([new] if new else []), *old.values()]
