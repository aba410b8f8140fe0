"""Every host with a role: the certificates of its roles."""

from operations import pki, preflight

if preflight.has_role():
    preflight.begin()
    pki.distribute(name="Certificates")
