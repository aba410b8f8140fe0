"""The hosts: systemd under systemd-nspawn, each on a disk laid over the base image and in a network of its own."""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cgroups, cleanup, machine, network, ssh
from lab.process import LabError, last_lines, run
from lab.state import DIRECTORY, Host

BOOT_SECONDS = 90
STOP_SECONDS = 90

# Directories that cannot lie on an overlay: Docker's overlay2 does not stack on one.
PLAIN_DIRECTORIES = {"docker": "/var/lib/docker", "kubelet": "/var/lib/kubelet", "containerd": "/var/lib/containerd"}


def is_running(host: Host) -> bool:
    """Whether the host's systemd-nspawn lives."""
    return cleanup.live_process(host.directory / "pid", "systemd-nspawn") is not None


def is_new(host: Host) -> bool:
    """Whether the host has no disk yet, or one that a killed `up` left half-made."""
    return not (host.directory / "furnished").exists()


def start(host: Host, base: Path) -> None:
    """Boot a host: new network, its disk (a bare one if it has none), a group of its own. Does not wait.

    Args:
        host: the host, not running.
        base: the base image's directory.

    Raises:
        LabError: the machine refused.
    """
    cleanup.clear_host(host)
    network.connect(host)
    new = is_new(host)
    root = _mount(host, base)
    if new:
        _furnish(host, root)
        (host.directory / "furnished").touch()
    groups = cgroups.create(host.name) if not machine.runs_systemd() else []
    # The shell puts itself into the host's groups and becomes systemd-nspawn, so nothing runs outside them.
    script = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'
    with (host.directory / "console.log").open("wb") as console:
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", *map(str, groups), "--", *_nspawn(host, root)],
            env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1", "SYSTEMD_NSPAWN_LOCK": "0"},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    cleanup.record_process(host.directory / "pid", process.pid)


def wait(host: Host, *, booted: bool) -> None:
    """Wait until a host answers over SSH.

    Args:
        host: a started host.
        booted: also until systemd has nothing left to start. Not for a host whose services wait for another host.

    Raises:
        LabError: it did not in BOOT_SECONDS, or it stopped; the message holds the end of its console.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    question = "systemctl is-system-running --wait" if booted else "echo running"
    while time.monotonic() < deadline:
        if not is_running(host):
            raise LabError(f"{host.name} stopped while booting: {_console(host)}")
        asked = subprocess.run(
            [*ssh.command(host, "-o", "ConnectTimeout=1"), question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if asked.stdout.strip() in ("running", "degraded"):
            if asked.stdout.strip() == "degraded":
                failed = run(*ssh.command(host), "systemctl list-units --failed --plain --no-legend")
                raise LabError(f"{host.name} booted with failed units: {last_lines(failed)}")
            return
        time.sleep(0.2)
    raise LabError(f"{host.name} does not answer over SSH after {BOOT_SECONDS} s: {_console(host)}")


def stop(host: Host) -> None:
    """Power a host off, as its own `systemctl poweroff` would; after STOP_SECONDS pull the plug."""
    pid = cleanup.live_process(host.directory / "pid", "systemd-nspawn")
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_running(host) and time.monotonic() < deadline:
            time.sleep(0.05)
    cleanup.clear_host(host)


def unplug(host: Host) -> None:
    """Take a host's power away: its cable first, or the kernel would still close a dead process's connections.

    What it wrote is on the disk all the same, synced or not: that is this machine's memory, which stays.
    """
    if network.is_connected(host):
        network.cut(host)
    cleanup.clear_host(host)


def each(action: Callable[[Host], object], hosts: list[Host]) -> None:
    """Do the same to several hosts at once.

    Raises:
        LabError: the first host's that failed, after all are done.
    """
    with ThreadPoolExecutor(max_workers=max(len(hosts), 1)) as pool:
        for done in [pool.submit(action, host) for host in hosts]:
            done.result()


def machine_id(host: Host) -> str:
    """The host's machine id: always the same, and no other host's."""
    return hashlib.sha256(f"{DIRECTORY}/{host.name}".encode()).hexdigest()[:32]


def _mount(host: Host, base: Path) -> Path:
    for name in ("upper", "work", "root", *PLAIN_DIRECTORIES):
        (host.directory / name).mkdir(parents=True, exist_ok=True)
    root = host.directory / "root"
    layers = f"lowerdir={base},upperdir={host.directory / 'upper'},workdir={host.directory / 'work'}"
    run("mount", "-t", "overlay", f"container-cloud-{host.namespace}", "-o", layers, root)
    return root


def _furnish(host: Host, root: Path) -> None:
    (root / "etc/hostname").write_text(f"{host.name}\n")
    (root / "etc/machine-id").write_text(f"{machine_id(host)}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1\tlocalhost\n127.0.1.1\t{host.name}\n")
    ssh.furnish(host, root)


def _nspawn(host: Host, root: Path) -> list[str]:
    command = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={root}",
        f"--machine={host.namespace}",
        f"--hostname={host.name}",
        f"--network-namespace-path={network.NAMED / host.namespace}",
        "--register=no",
        "--capability=all",
        "--system-call-filter=@known",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
    ]
    if not machine.runs_systemd():
        command.append("--keep-unit")  # there is no systemd to ask for a unit of its own
    command += [f"--bind={host.directory / name}:{path}" for name, path in PLAIN_DIRECTORIES.items()]
    command += [f"--bind={device}" for device in ("/dev/kmsg", "/dev/net/tun") if Path(device).exists()]
    if machine.has_modules():
        command.append("--bind-ro=/lib/modules")
    return command


def _console(host: Host) -> str:
    log = host.directory / "console.log"
    return f"{last_lines(log.read_text(errors='replace'))} ({log})"
