"""Controllers and their pods: waiting for them, and saying what keeps them."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
from pyinfra import host, logger
from pyinfra.api import QuoteString, StringCommand

from cluster.workloads.controllers import Controller, describe, has_died, hopeless, unready
from facts.shell import words
from facts.workloads import Controllers, Pods, kubectl
from operations.refusal import refuse

_POLL = 0.5  # seconds between two looks at pods that are awaited
_STEADY = 3  # seconds in which a process that cannot run has ended, though its pod, with no probe, counted as ready
_FIELDS = tuple(Controller.__dataclass_fields__)


def controller(found: Mapping[str, Any]) -> Controller:
    """A controller as the fact tells of it."""
    return Controller(**{name: found[name] for name in _FIELDS})


class Patience:
    """How long something may make no progress."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self._seen: object = None
        self._until = 0.0

    def is_over(self, seen: object) -> bool:
        """Whether it has been the same for too long; otherwise waits a moment."""
        if seen != self._seen:
            self._seen, self._until = seen, time.monotonic() + self.seconds
        if time.monotonic() >= self._until:
            return True
        gevent.sleep(_POLL)
        return False


def settle(names: list[str], namespace: str, seconds: int) -> Iterator[StringCommand]:
    """Wait until controllers have all pods asked for; otherwise yield the command that fails and says why not.

    Args:
        names: as kubectl writes them: "rc/nginx-v1".
        namespace: where they are.
        seconds: how long there may be no progress.
    """
    patience, told, seen = Patience(seconds), "", False
    while True:
        found = host.get_fact(Controllers, names=names, namespace=namespace).get("controllers", {})
        pending = {key: c for key, c in found.items() if not controller(c).complete}
        if not pending and len(found) == len(names):
            if seen or all(c["probed"] for c in found.values()):
                return
            seen = True
            gevent.sleep(_STEADY)
            continue
        seen = False
        now = "; ".join(f"{key}: {c['available']} of {c['replicas']} available" for key, c in pending.items())
        if now != told:
            progress(now)
            told = now
        trouble = stuck(pending, namespace, seconds, over=patience.is_over(now))
        if trouble:
            yield trouble
            return


def progress(text: str) -> None:
    """Say how far a long operation is."""
    if text:
        logger.info(f"{host.print_prefix}{text}")


def stuck(pending: Mapping[str, Any], namespace: str, seconds: int, *, over: bool) -> StringCommand | None:
    """The command that fails and says why pods will never start, or have not in time; None while they still may."""
    since = f", no progress for {seconds} s" if over else ""
    for key, found in pending.items():
        there = host.get_fact(Pods, labels=found["pod_labels"], namespace=namespace)
        # Those of a former template are not what is waited for.
        own = {name: p for name, p in there.items() if p["images"] == found["images"]}
        name = hopeless(own) or (unready(own) if over else None)
        former = unready(there) if over and not name else None
        if name or former:
            reason = f"{key}: {found['available']} of {found['replicas']} pods available{since}: "
            reason += describe(str(name or former), there[str(name or former)])
            reason += f"; it was made from a former template: kubectl delete pod {former}" if former else ""
            return _refuse_with_log(reason, str(name or former), namespace, logs=bool(name and has_died(there[name])))
    if over:
        what = ", ".join(pending) or "the API server does not tell of what was applied"
        return refuse(f"{what}: no progress for {seconds} s (kubectl -n {namespace} get events may say why)")
    return None


def _refuse_with_log(reason: str, pod: str, namespace: str, *, logs: bool) -> StringCommand:
    k = kubectl(namespace)
    # One that has just begun again has said nothing yet: then what the one before it said. A log that was cleared away
    # comes as a line about that.
    read = "2>/dev/null | grep -v '^unable to retrieve container logs'"
    log = f"{k} logs --tail=15 {pod} {read} || {k} logs --tail=15 --previous {pod} {read};" if logs else ""
    return StringCommand("{ echo", QuoteString(reason), f"; {log} }} >&2; exit 1")


def scale_command(resource: str, replicas: int, namespace: str, *, now: int | None = None) -> StringCommand:
    """A command that scales a controller, provided it still has `now` replicas."""
    still = "" if now is None else f" --current-replicas={now}"
    return StringCommand(f"{kubectl(namespace)} scale {words([resource])} --replicas={replicas}{still}")
