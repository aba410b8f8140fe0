"""Certificates: their life, and those a run would issue again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from audit.answers import Reading
from audit.areas.view import View
from audit.model import Certificate, Finding


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """Certificates whose end is near, or whose names or issuer are no longer those asked for."""
    name, days = reading.host.name, view.settings.pki_renew_days
    found = reading.fact("certificates").get("certificates", {})
    due = {f.path for r in reading.roles if r.name == "pki" for f in r.files if f.digest is None}
    for path, certificates in found.items():
        seen: set[str] = set()
        for one in certificates:
            if "error" in one or one["subject"] in seen:
                continue  # not the store's, which the role says; or replaced by the one before it, and kept to its end
            seen.add(one["subject"])
            left = one["days_left"]
            repair = "deploys/cluster.py"
            if one["authority"] and left <= days:
                yield Finding(
                    name, "pki", "warn", path, f"more than {days} days", f"{left} days left", "docs/certificates.md"
                )
            elif left < 0:
                yield Finding(name, "pki", "drift", path, "valid", f"expired {-left} days ago", repair)
            elif left <= days:
                yield Finding(name, "pki", "warn", path, f"more than {days} days", f"{left} days left", repair)
            elif path in due:
                why = "other names, another issuer or leave to sign, or not in the store"
                yield Finding(name, "pki", "drift", path, "as the settings ask for", why, repair)


def certificates(view: View, reading: Reading) -> Iterator[Certificate]:
    """Every certificate on a host, for the time line."""
    days = timedelta(days=view.settings.pki_renew_days)
    for path, found in reading.fact("certificates").get("certificates", {}).items():
        for one in found:
            if "error" not in one:
                end = _time(one["not_after"])
                yield Certificate(
                    reading.host.name, path, one["subject"], one["issuer"], _time(one["not_before"]), end, end - days
                )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
