"""Every host: the account of the setting audit_account may audit it, and nothing else."""

from operations import audit, preflight

preflight.begin()
audit.account(name="Audit account")
