"""Authorities, certificates and the service-account key, kept in one directory on the controlling machine.

A `Request` says what a certificate shall hold; `Store.ensure` returns the stored pair that fits it, or issues one.
Nothing here knows of hosts or of pyinfra.
"""

from pki.files import StoreError
from pki.requests import LONGEST_NAME, KeyPair, Permitted, Request, is_address
from pki.store import Entry, Store

__all__ = ["LONGEST_NAME", "Entry", "KeyPair", "Permitted", "Request", "Store", "StoreError", "is_address"]
