"""What the commands do: bring the lab up and down, and single hosts with it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from cluster.membership import RECORD
from lab import (
    base,
    cgroups,
    cleanup,
    hosts,
    images,
    kernel,
    machine,
    mirror,
    names,
    network,
    registry,
    sets,
    ssh,
    state,
)
from lab.process import LabError
from lab.progress import say, step
from lab.state import Host

DEFAULT_NODES = 3


def up(
    *,
    fresh: bool = False,
    nodes: int | None = None,
    masters: int | None = None,
    spares: int | None = None,
    flavour: str | None = None,
    line: str | None = None,
) -> list[Host]:
    """Bring the lab up, making first whatever is missing. Quick when everything stands.

    Args:
        fresh: begin again from bare hosts; network, mirror and registry stay.
        nodes: hosts for pods (default: as last time, or 3).
        masters: hosts for the control plane (default: as last time, or 1).
        spares: further hosts, which `lab/inventory.py` gives no role by itself (default: as last time, or none).
        flavour: "deb", "rpm" or "mixed" (default: as last time, or deb). Another than last time takes bare hosts.
        line: the Kubernetes line the hosts are for (default: as last time, or the flavour's own). So does another.

    Returns:
        the hosts, running and answering.

    Raises:
        LabError: it could not be done.
    """
    check_machine()
    with state.lock():
        known = state.load()
        last = state.flavour()
        asked = {"nodes": (nodes, DEFAULT_NODES), "masters": (masters, 1), "spares": (spares, 0)}
        numbers = {n: int(known.get(n, usual)) if now is None else now for n, (now, usual) in asked.items()}
        wanted = state.hosts_for(flavour=flavour or last, **numbers)
        flavour = flavour or last
        chosen = sets.chosen(line, flavour, last, state.line())
        if "nodes" in known and (flavour, chosen) != (last, state.line()):
            before = f"{last}, for Kubernetes {state.line()}"
            say(f"  these hosts are {before}: beginning again from bare ones, {flavour}, for {chosen}")
            fresh = True
        running = [] if fresh else [host for host in wanted if hosts.is_running(host) and network.is_connected(host)]
        cleanup.clear_leftovers(running)
        disks = {} if fresh else _kept_disks(known, wanted)
        if not disks:
            cleanup.clear_leftovers([])
            fresh, running = True, []
            disks = {each: base.prepare(each) for each in _flavours(wanted)}
        _discard_disks(keep=[] if fresh else wanted)
        if fresh:
            (state.PKI / RECORD).unlink(missing_ok=True)  # etcd's data went with the disks, as they shall
        base.remove_others(disks.values())
        mirror.prepare([chosen], yum="rpm" in disks)
        network.create()
        mirror.start()
        names.start()
        registry.start()
        brought = known.get("brought", []) if chosen == state.line() else []  # another line may have none of it
        for name in brought:
            _bring(name, chosen)
        ssh.make_keys(wanted)
        described = {each: str(path) for each, path in disks.items()}
        state.update(**numbers, flavour=flavour, line=chosen, images=described, brought=brought)
        kernel.remember()
        kernel.give_room()
        _boot([host for host in wanted if host not in running], disks)
        hosts.each(lambda host: hosts.wait(host, booted=False), [host for host in running if not network.is_cut(host)])
    return wanted


def bring(name: str) -> None:
    """Bring the image of a program that not every cluster has into the registry, built first if need be.

    Args:
        name: one of sets.BROUGHT.

    Raises:
        LabError: it could not be done.
    """
    with state.lock():
        line = state.line()
        if line is None or not network.exists():
            raise LabError("the lab is down: python -m lab up")
        _bring(name, line)
        state.update(brought=sorted({*state.load().get("brought", []), name}))


def down() -> None:
    """Power every host off and take the lab's network, mirror and registry away. Disks are kept.

    Raises:
        LabError: something would not go; the next `down` tries again.
    """
    with state.lock():
        known = state.hosts() if "nodes" in state.load() else []
        with step("powering the hosts off"):
            hosts.each(hosts.stop, known)
        registry.stop()
        names.stop()
        mirror.stop()
        cleanup.clear_leftovers([])
        network.delete_namespace(network.NAMESPACE)
        kernel.restore()


def reboot(chosen: list[Host]) -> None:
    """Power hosts off and on again, all at once, each with a network that remembers nothing."""
    with state.lock(), step(f"rebooting {_names(chosen)}"):
        hosts.each(hosts.stop, chosen)
        _start(chosen)


def stop(chosen: list[Host]) -> None:
    """Power hosts off."""
    with state.lock(), step(f"powering off {_names(chosen)}"):
        hosts.each(hosts.stop, chosen)


def unplug(chosen: list[Host]) -> None:
    """Take hosts' power away: nothing in them is told, and nobody outside."""
    with state.lock(), step(f"unplugging {_names(chosen)}"):
        hosts.each(hosts.unplug, chosen)


def start(chosen: list[Host]) -> None:
    """Power on those hosts that are off."""
    with state.lock(), step(f"starting {_names(chosen)}"):
        _start([host for host in chosen if not hosts.is_running(host)])


def cut(chosen: list[Host]) -> None:
    """Pull running hosts' network cables."""
    hosts.each(network.cut, _running(chosen))


def heal(chosen: list[Host]) -> None:
    """Plug running hosts' network cables in again."""
    hosts.each(network.heal, _running(chosen))


def status() -> list[tuple[str, str, str, str, str]]:
    """For every host its name, its address, its flavour, what it is doing, and how to log in."""
    rows = []
    for host in state.hosts():
        doing = _doing(host) if hosts.is_running(host) else "off"
        rows.append((host.name, host.address, host.flavour, doing, f"python -m lab ssh {host.name}"))
    return rows


def check_machine() -> None:
    """Install what the lab needs, or say what this machine lacks.

    Raises:
        LabError: one line about it.
    """
    machine.require_debian()
    machine.require_programs(machine.PROGRAMS)
    if not machine.runs_systemd():
        missing = cgroups.missing_controllers(cgroups.v1_hierarchies())
        if missing:
            raise LabError(
                "this machine runs no systemd, so hosts need cgroup v1 controllers mounted one by one, and it lacks: "
                + ", ".join(missing)
            )


def _bring(name: str, line: str) -> None:
    picture = images.of_program(name, sets.version(line, name))
    if picture.pushed and registry.push({picture.pushed: picture.file}):
        say(f"  pushed {picture.pushed} to the registry")


def _flavours(chosen: list[Host]) -> list[str]:
    return list(dict.fromkeys(host.flavour for host in chosen))


def _kept_disks(known: dict[str, Any], wanted: list[Host]) -> dict[str, Path]:
    """The base image by flavour that the hosts' disks are laid over; none at all if one has gone."""
    disks = {each: Path(path) for each, path in known.get("images", {}).items()}
    if not all(each in disks and disks[each].is_dir() for each in _flavours(wanted)):
        return {}
    if any(disk != base.directory(each) for each, disk in disks.items()):
        say("  the base image has changed since these hosts were made: up --fresh takes the new one")
    return disks


def _boot(chosen: list[Host], disks: dict[str, Path]) -> None:
    if not chosen:
        return
    new = [host for host in chosen if hosts.is_new(host)]
    with step(f"booting {_names(chosen)}"):
        hosts.each(lambda host: hosts.start(host, disks[host.flavour]), chosen)
        hosts.each(lambda host: hosts.wait(host, booted=host in new), chosen)


def _start(chosen: list[Host]) -> None:
    disks = _kept_disks(state.load(), chosen)
    if not network.exists() or not disks:
        raise LabError("the lab is down: python -m lab up")
    hosts.each(lambda host: hosts.start(host, disks[host.flavour]), chosen)
    hosts.each(lambda host: hosts.wait(host, booted=False), chosen)


def _running(chosen: list[Host]) -> list[Host]:
    off = [host for host in chosen if not hosts.is_running(host)]
    if off:
        raise LabError(f"not running: {_names(off)}")
    return chosen


def _discard_disks(keep: list[Host]) -> None:
    kept = {host.name for host in keep}
    discarded = state.DIRECTORY / "discarded"
    shutil.rmtree(discarded, ignore_errors=True)
    for directory in state.HOSTS.glob("*"):
        if directory.name not in kept:
            # Killed in the midst of this, the lab leaves no half of a disk for the next host of that name.
            directory.rename(discarded)
            shutil.rmtree(discarded)


def _doing(host: Host) -> str:
    if network.is_cut(host):
        return "cut off"
    asked = subprocess.run(
        [*ssh.command(host), "timeout 5 systemctl is-system-running"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return asked.stdout.strip() or "no answer over SSH"


def _names(chosen: list[Host]) -> str:
    return ", ".join(host.name for host in chosen)
