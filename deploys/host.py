"""Every host: prepared, with the software its roles need."""

from operations import host, preflight

preflight.begin()
host.prepare(name="Prepare the host")
host.install(name="Install software")
