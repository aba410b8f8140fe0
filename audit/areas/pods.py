"""Pods: whether they can start on a node, and whether they reach those of other nodes."""

from collections import defaultdict
from collections.abc import Iterator

from audit.answers import Reading
from audit.areas import flannel, roles, runtime
from audit.areas.view import View
from audit.model import Finding
from cluster.reach import reason

_NO_POD = "no pod starts: "


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """What is in the way of a node's pods, unless another finding on the way says so already."""
    if not reading.host.is_node or not reading.knows("pods"):
        return
    name, found = reading.host.name, reading.fact("pods")
    troubles = found.get("troubles", [])
    yield from _starting(view, reading, [t.removeprefix(_NO_POD) for t in troubles if t.startswith(_NO_POD)])
    if view.runs_containers(reading) and not explained(view, reading):
        for trouble in troubles:
            if not trouble.startswith(_NO_POD):
                repair = "deploys/cluster.py; then ask again"
                yield Finding(name, "flannel", "error", "pods of other nodes", "asked", trouble, repair)
    lost = {
        asker: others
        for asker, others in _blamed(view).get(name, {}).items()
        if not explained(view, view.by_name[asker])
    }
    if lost and not explained(view, reading):
        told = {r.host.name: r.fact("pods") for _, r in view.nodes}
        small = all(answer == "small" for answer in lost.values())
        why = reason(view.settings, (name, *lost), told, small=small)
        packets = "packets of full size" if small else "packets"
        expected = f"exchange {packets} with those of {', '.join(lost)}"
        repair = "remove what is named there; deploys/check.py asks again"
        yield Finding(name, "flannel", "drift", "its pods", expected, why, repair)
    elif found.get("answers") and not explained(view, reading):
        yield Finding(name, "flannel", "ok", "its pods", *2 * (f"reach {', '.join(found['answers'])}",))


def _starting(view: View, reading: Reading, why: list[str]) -> Iterator[Finding]:
    if view.runs(reading, "kubelet"):
        told, repair = (
            "; ".join(why) or "start",
            "write that file, or name another by extra_args (kubelet: resolv-conf)",
        )
        yield Finding.judged(not why, reading.host.name, "kubernetes", "pods", "start", told, repair)


def _blamed(view: View) -> dict[str, dict[str, str]]:
    """Nodes whose pods do not reach each other: under the one it seems to be because of, the other and the answer.

    That is the one which found a cause on itself, else the one that more are cut off from.
    """
    asked = {n.name: r.fact("pods") for n, r in view.nodes if r.knows("pods") and "address" in r.fact("pods")}
    leases = {flannel.subnet_of(found["lease"]): name for name, found in asked.items()}
    lost: dict[frozenset[str], str] = {}
    for name, found in asked.items():
        for lease, answer in found.get("answers", {}).items():
            if answer != "yes" and leases.get(lease, name) != name:
                lost[frozenset((name, leases[lease]))] = answer
    count: dict[str, int] = defaultdict(int)
    for pair in lost:
        for name in pair:
            count[name] += 1
    blamed: dict[str, dict[str, str]] = defaultdict(dict)
    for pair, answer in lost.items():
        culprit, other = sorted(pair, key=lambda n: (not asked[n].get("causes"), -count[n], n))
        blamed[culprit][other] = answer
    return blamed


def cut_off(view: View) -> set[str]:
    """Nodes whose pods do not reach those of another, or are not reached by them."""
    blamed = _blamed(view)
    return {*blamed, *(other for others in blamed.values() for other in others)}


def explained(view: View, reading: Reading) -> bool:
    """Whether something else that is said of a node keeps its pods from being reached."""
    found = [*flannel.judge(view, reading), *runtime.judge(view, reading), *roles.judge(view, reading)]
    return any(f.status != "ok" and _on_the_way(view, f) for f in found)


def _on_the_way(view: View, finding: Finding) -> bool:
    return (
        finding.area in ("flannel", runtime.AREA)
        or (finding.area == "units" and finding.what in ("flanneld", view.settings.container_runtime))
        or finding.what in ("set kernel parameters", "socat")
    )
