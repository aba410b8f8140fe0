"""What a deploy asks of the cluster, read and checked while the deploy is read, before any host is changed."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pyinfra import state

from cluster.problems import show
from cluster.workloads.documents import BadManifest
from cluster.workloads.intent import Intent, Rolled, Scaled
from cluster.workloads.manifests import Source, read, taken_node_ports
from cluster.workloads.objects import Labels, Manifest, Object, parse_resource, paths, scaled_kind
from operations.inventory import the_cluster
from operations.refusal import refuse_all

NOTHING_APPLIED = "nothing was applied"
_intent = Intent()  # of this run's deploy, as far as it has been read


def written(sources: Source | Iterable[Source], values: Mapping[str, Any] | None, namespace: str | None) -> Manifest:
    """Read manifests when the deploy is read, before any operation; a bad one ends the run."""
    try:
        manifest = read(sources if isinstance(sources, str | Path | Mapping) else list(sources), values, namespace)
    except BadManifest as bad:
        refuse_all(bad.problems, NOTHING_APPLIED)
    if taken := list(taken_node_ports(manifest, the_cluster().settings)):
        refuse_all(taken, NOTHING_APPLIED)
    _intent.written.extend(manifest)
    agree()
    return manifest


def rolled(old: str | Labels, new: Object, *, rollback: bool) -> None:
    """Note a rolling update."""
    _intent.rolled.append(Rolled(old, new, rollback))
    agree()


def scaled(controller: str, replicas: int, namespace: str) -> None:
    """Note that a controller is scaled; the name of what cannot be scaled ends the run."""
    _read_all(scaled_kind, controller)
    _intent.scaled.append(Scaled(controller, replicas, namespace))
    agree()


def agree() -> None:
    """End the run if what was asked for contradicts itself."""
    if told := list(_intent.contradictions()):
        refuse_all(told, NOTHING_APPLIED)


def earlier() -> tuple[Object, ...]:
    """The objects of the manifests in the deploy's lines so far."""
    return tuple(_intent.written)


def check(**numbers: object) -> None:
    """End the run over arguments that are no whole numbers, 0 or more."""
    bad = {n: v for n, v in numbers.items() if not isinstance(v, int) or isinstance(v, bool) or v < 0}
    if bad:
        told = [f"{name} = {show(value)}: write a whole number, 0 or more" for name, value in bad.items()]
        refuse_all(told, NOTHING_APPLIED)


def resources(texts: Iterable[str]) -> tuple[str, ...]:
    """Objects named as kubectl names them; a bad name ends the run."""
    listed = tuple(texts)
    _read_all(parse_resource, *listed)
    return listed


def whose(listed: Iterable[str], namespace: str) -> None:
    """End the run over objects of which it cannot be told who applied them."""
    _read_all(lambda resource: paths(resource, namespace), *listed)


def coming(controller: str, before: Iterable[Object], namespace: str) -> int | None:
    """The replicas of a controller that a dry run does not find because an earlier operation is to make it."""
    made = [o for o in before if Scaled(controller, 0, namespace).concerns(o)]
    if state.is_executing or not made:
        return None
    return 1 if made[-1].replicas is None else made[-1].replicas  # the server's default is 1


def _read_all(parse: Callable[[str], object], *texts: str) -> None:
    """Read each text; those that cannot be read end the run."""
    told = []
    for text in texts:
        try:
            parse(text)
        except ValueError as error:
            told.append(str(error))
    if told:
        refuse_all(told, NOTHING_APPLIED)
