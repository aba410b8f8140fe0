"""What a host answered."""

from dataclasses import dataclass, field
from typing import Any

from cluster.desired import Role
from cluster.distributions import Distribution
from cluster.settings import Host
from facts.bundle import Unread


@dataclass
class Reading:
    """What a host answered.

    + trouble: why it could not be read; "" if it could
    + distribution: what it is taken for
    + roles: what it shall hold
    + facts: by name, each value, or `Unread`
    """

    host: Host
    trouble: str = ""
    distribution: Distribution | None = None
    roles: list[Role] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def fact(self, name: str) -> Any:
        """A fact's value; {} where it was not asked or could not be read: `knows` tells."""
        return self.facts[name] if self.knows(name) else {}

    def knows(self, name: str) -> bool:
        """Whether a fact could be read. What could not is said as such, and nothing is concluded from it."""
        return name in self.facts and not isinstance(self.facts[name], Unread)
