"""What the settings must not be. Each check refuses one thing and says what to write instead."""

from cluster.checks import addons, arguments, certificates, hosts, networks, software, sources
from cluster.checks.registry import Draft, run

__all__ = ["Draft", "addons", "arguments", "certificates", "hosts", "networks", "run", "software", "sources"]
