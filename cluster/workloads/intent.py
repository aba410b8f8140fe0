"""What the lines of one deploy ask of the cluster together. Where two contradict each other, each run would do both."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cluster.workloads.objects import Labels, Object, scaled_kind, selects


@dataclass(frozen=True)
class Scaled:
    """A controller that shall have so many pods."""

    controller: str
    replicas: int
    namespace: str

    def same(self, other: "Scaled") -> bool:
        """Whether both are about one controller."""
        return (*scaled_kind(self.controller), self.namespace) == (*scaled_kind(other.controller), other.namespace)

    def concerns(self, written: Object) -> bool:
        """Whether this object is that controller."""
        return (written.kind, written.name, written.place) == (*scaled_kind(self.controller), self.namespace)


@dataclass(frozen=True)
class Rolled:
    """A rolling update from the controllers named, or labelled so, to that of a manifest; or back."""

    old: str | Labels
    new: Object
    rollback: bool = False

    def removes(self, written: Object) -> bool:
        """Whether this object is a controller that the update deletes in the end."""
        same = (written.kind, written.place) == (self.new.kind, self.new.place)
        if not same or written is self.new:
            return False
        if self.rollback:
            return written.name == self.new.name
        named = written.name == self.old if isinstance(self.old, str) else selects(self.old, written.labels)
        return named and written.name != self.new.name


@dataclass
class Intent:
    """What was asked for so far, in the order of the deploy's lines."""

    written: list[Object] = field(default_factory=list)
    scaled: list[Scaled] = field(default_factory=list)
    rolled: list[Rolled] = field(default_factory=list)

    def contradictions(self) -> Iterator[str]:
        """What no number of runs would bring to rest."""
        for number, scaled in enumerate(self.scaled):
            for other in self.scaled[:number]:
                if scaled.same(other) and scaled.replicas != other.replicas:
                    counts = f"{other.replicas} and {scaled.replicas} replicas"
                    yield f"{scaled.controller} is scaled to {counts}: write one of them"
        for o in self.written:
            for scaled in self.scaled:
                if scaled.concerns(o) and o.replicas not in (None, scaled.replicas):
                    yield (
                        f"{o.where}: {o}: spec.replicas = {o.replicas}, and scale says {scaled.replicas}: each run "
                        "would do both; leave replicas out of the manifest"
                    )
            for rolled in self.rolled:
                if rolled.removes(o):
                    yield (
                        f"{o.where}: {o}: the rolling update to {rolled.new.name} deletes it, and each run would make "
                        "it again; leave it out"
                    )
