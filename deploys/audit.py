"""Every host with a role: the account of the setting audit_account may audit it, and nothing else."""

from operations import audit, preflight

if preflight.has_role():
    preflight.begin()
    audit.account(name="Audit account")
