"""Every host with a role: prepared, with the software its roles need."""

from operations import host, preflight

if preflight.has_role():
    preflight.begin()
    host.prepare(name="Prepare the host")
