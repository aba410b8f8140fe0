"""How a check is written: a function that reads a draft and yields what is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.model import Settings
from cluster.problems import Problem
from cluster.topology import Host


@dataclass(frozen=True)
class Draft:
    """Settings and hosts as far as they could be read.

    `settings` holds the default where a value could not be read; its name is then in `failed`. `hosts` lacks those
    whose address could not be read; `names` and `groups` name every host. `without_digests`: the files that hosts
    fetch may be without.
    """

    settings: Settings
    hosts: tuple[Host, ...]
    names: tuple[str, ...]
    groups: Mapping[str, Sequence[str]]
    failed: frozenset[str] = frozenset()
    without_digests: bool = False

    def members(self, group: str) -> list[str]:
        """The names of a group's hosts, each once."""
        return list(dict.fromkeys(self.groups.get(group, ())))


Check = Callable[[Draft], Iterable[Problem]]
_checks: list[tuple[Check, frozenset[str]]] = []


def check(*needs: str) -> Callable[[Check], Check]:
    """Registers a check that runs when the settings it needs could be read."""

    def register(function: Check) -> Check:
        _checks.append((function, frozenset(needs)))
        return function

    return register


def run(draft: Draft) -> list[Problem]:
    """What all checks find wrong with a draft."""
    return [problem for function, needs in _checks if not needs & draft.failed for problem in function(draft)]
