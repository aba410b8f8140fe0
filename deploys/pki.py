"""Every host: the certificates of its roles."""

from operations import pki, preflight

preflight.begin()
pki.distribute(name="Certificates")
