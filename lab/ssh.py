"""The lab's keys: its own to log in with, and one a host, known before the first connection."""

import shutil
from pathlib import Path

from lab import network
from lab.process import run
from lab.state import KNOWN_HOSTS, SSH, SSH_KEY, Host


def make_keys(hosts: list[Host]) -> None:
    """Make the keys that are missing, and write known_hosts for these hosts. They outlive the hosts' disks."""
    SSH.mkdir(parents=True, exist_ok=True)
    SSH.chmod(0o700)
    known = []
    for key, comment in [(SSH_KEY, "container-cloud lab"), *((host_key(host), host.name) for host in hosts)]:
        if not key.with_suffix(".pub").exists():
            key.unlink(missing_ok=True)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key)
    for host in hosts:
        kind, public = host_key(host).with_suffix(".pub").read_text().split()[:2]
        known.append(f"{host.name},{host.address} {kind} {public}\n")
    KNOWN_HOSTS.write_text("".join(known))


def host_key(host: Host) -> Path:
    """Where the host's own private key is kept between its lives."""
    return SSH / f"host-{host.name}"


def furnish(host: Host, root: Path) -> None:
    """Put the host's key, and the lab's as the one that may log in, on the host's disk."""
    for source, name in (
        (host_key(host), "ssh_host_ed25519_key"),
        (host_key(host).with_suffix(".pub"), "ssh_host_ed25519_key.pub"),
    ):
        shutil.copyfile(source, root / "etc/ssh" / name)
        (root / "etc/ssh" / name).chmod(0o600 if source.suffix != ".pub" else 0o644)
    directory = root / "root/.ssh"
    directory.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(SSH_KEY.with_suffix(".pub"), directory / "authorized_keys")


def command(host: Host, *options: str) -> list[str]:
    """The ssh command that logs in to a host, from anywhere on this machine."""
    settings = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(KNOWN_HOSTS),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "5",
        "LogLevel": "ERROR",
    }
    flags = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    return [*network.enter(), "ssh", "-F", "/dev/null", "-i", str(SSH_KEY), *flags, *options, f"root@{host.address}"]
