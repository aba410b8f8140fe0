"""Secrets as etcd holds them: encrypted by a key of the store, or not any more, and rewritten when that changes.

The API server takes the key only inside its configuration. What is written down has a mark in its place, so that the
key is in one file, which is handled as every other key; the unit puts the two together in /run when it starts.

An API server that does not know the key answers no list of Secrets in which one is encrypted. Where there are several,
all of them know it before the first encrypts by it: `known_first`, then `encrypting`. What was known once stays known,
so that whatever comes later takes one round.
"""

import hashlib
from dataclasses import dataclass, replace

from cluster.api import api
from cluster.certificates import SECRETS_KEY
from cluster.desired import File, Role, Step
from cluster.formats import yaml_file
from cluster.releases import CURRENT, MIGRATES_STORAGE
from cluster.settings import Settings
from cluster.shell import program

CONFIG = "/etc/kubernetes/encryption.yaml"
RUNTIME = "/run/kube-apiserver"
WHOLE = f"{RUNTIME}/encryption.yaml"
_MARK = "SECRETS_KEY"
_PATIENCE = 180  # seconds


@dataclass(frozen=True)
class AtRest:
    """How Secrets are stored: encrypted, or in the clear by a cluster that has the key to what it encrypted before."""

    encrypted: bool
    key: File

    def files(self) -> list[File]:
        """What says so, but for the key."""
        return [File(CONFIG, _configuration(encrypts=self.encrypted))]

    def unit_lines(self) -> tuple[str, ...]:
        """Lines of [Service] that put key and configuration together: for whom the API server runs as, nobody else."""
        # No "$": systemd and the shell would both have it be theirs.
        put = f"BEGIN {{ getline key <ARGV[1]; delete ARGV[1] }} {{ sub(/{_MARK}/, key) }} 1"
        join = f'awk "{put}" {SECRETS_KEY} {CONFIG} >{WHOLE}'
        return (
            f"RuntimeDirectory={RUNTIME.removeprefix('/run/')}",
            "RuntimeDirectoryMode=0700",
            f"ExecStartPre=/bin/sh -c 'umask 077; {join} && chown --reference={RUNTIME} {WHOLE}'",
        )

    def steps(self, settings: Settings, kubectl: str) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """What is done before anything is stored otherwise, and what once every API server does.

        What remembers it is an object in the cluster, which goes before anything is stored otherwise: a run that was
        killed leaves none that is not true.
        """
        way = "migrated" if settings.kubernetes_version in MIGRATES_STORAGE else "replaced"
        how = "encrypted" if self.encrypted else "in the clear"
        functions = api(program("secrets", KUBECTL=kubectl, RECORD=self._record(), PATIENCE=_PATIENCE)) + "\n"
        forget = Step("forget that Secrets are stored otherwise", f"{functions}! others", f"{functions}forget")
        rewrite = Step(
            f"rewrite Secrets, so that etcd holds them {how}",
            f"{functions}recorded",
            f"{functions}rewrite {way}",
            when="after",
        )
        return (forget,), (rewrite,)

    def _record(self) -> str:
        """What remembers it is called: after the way Secrets are stored, and the key. "": that is yet to be made."""
        if not self.key.digest:
            return ""
        state = f"{'encrypted' if self.encrypted else 'clear'} {self.key.digest}"
        return f"container-cloud-secrets-{hashlib.sha256(state.encode()).hexdigest()[:10]}"


def _configuration(*, encrypts: bool) -> str:
    """The key is known either way; the first provider writes."""
    box = {"secretbox": {"keys": [{"name": "store", "secret": _MARK}]}}
    clear: dict[str, object] = {"identity": {}}
    content = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [box, clear] if encrypts else [clear, box]}],
    }
    return yaml_file(content)


def known_first(role: Role) -> Role:
    """A master's role while an API server serves that does not know the key: nothing is encrypted by it yet."""
    known = _configuration(encrypts=False)
    return replace(role, files=tuple(replace(f, content=known) if f.path == CONFIG else f for f in role.files))


def encrypting(role: Role) -> Role:
    """What is left to do of a master's role once every API server knows the key."""
    return Role(
        name="encryption of Secrets",
        files=tuple(f for f in role.files if f.path == CONFIG),
        units=tuple(u for u in role.units if CONFIG in u.inputs),
    )


def at_rest(settings: Settings, certificates: tuple[File, ...]) -> AtRest | None:
    """How Secrets are stored on a master with these files; None: as ever, for nothing was ever encrypted."""
    if settings.kubernetes_version not in CURRENT:
        return None
    key = next((f for f in certificates if f.path == SECRETS_KEY), None)
    return AtRest(settings.encrypt_secrets, key) if key else None
