"""A probe of a cluster, while in a block: begun in the lab's network, ended, and its history judged."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab import network, ssh, state
from tests.lab.history import Verdict, check

PROBE = Path(__file__).with_name("probe.py")
CREDENTIALS = {
    "ca": str(state.PKI / "authorities/cluster.pem"),
    "certificate": str(state.PKI / "certificates/client.pem"),
}
PATIENCE = 60  # seconds the probe has for its last requests and its final list


def api(host: str) -> str:
    """A master's own API server."""
    return f"https://{state.host(host).address}:6443"


@contextmanager
def forwarded(hosts: Mapping[str, int], first: int = 17443) -> Iterator[dict[str, str]]:
    """What listens on hosts' own 127.0.0.1, as addresses in the lab's network, while in the block.

    A connection that is refused there is opened here and then lost, for that is how SSH forwards.

    Args:
        hosts: host -> port.
        first: the port of the first of them here.

    Raises:
        AssertionError: a forwarding ended by itself; what was seen through it is SSH's failure, not the host's.
    """
    with ExitStack() as stack:
        running, found = {}, {}
        for here, (host, port) in enumerate(hosts.items(), first):
            options = ("-N", "-L", f"127.0.0.1:{here}:127.0.0.1:{port}", "-o", "ExitOnForwardFailure=yes")
            process = subprocess.Popen(ssh.command(state.host(host), *options), stdin=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            running[host], found[host] = process, f"https://127.0.0.1:{here}"
            _await_listener(process, here)
        yield found
        assert not (gone := [h for h, p in running.items() if p.poll() is not None]), f"forwarding ended: {gone}"


@contextmanager
def probing(
    endpoints: Mapping[str, str],
    directory: Path,
    *,
    services: tuple[str, ...] = (),
    final: str | None = None,
    kind: str = "configmaps",
) -> Iterator[Verdict]:
    """Write, read and watch through each endpoint, and ask each service, while in the block.

    Args:
        endpoints: name -> address.
        directory: where the history goes, as history.jsonl.
        services: addresses of services, asked on every one.
        final: the endpoint asked for what is there at the end (default: the first).
        kind: of the objects: "configmaps" or "secrets", which may be rewritten meanwhile.

    Returns:
        the verdict, empty until the block has ended.
    """
    every = {name: {"url": url, "kind": kind, **CREDENTIALS} for name, url in endpoints.items()}
    asked = {"run": f"probe{uuid.uuid4().hex[:6]}", "endpoints": every, "services": services}
    settings, history = directory / "probe.json", directory / "history.jsonl"
    settings.write_text(json.dumps({**asked, "final": every[final or next(iter(every))]}))
    verdict = Verdict()
    process = subprocess.Popen(
        [*network.enter(), sys.executable, "-I", PROBE, settings, history], stdin=subprocess.PIPE, text=True
    )
    try:
        yield verdict
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, f"the probe ended with {process.returncode}: see {history}"
    records = map(json.loads, history.read_text().splitlines())
    vars(verdict).update(vars(check(records, rewritten=kind == "secrets")))


def _await_listener(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until SSH listens, so that nothing finds it missing."""
    deadline = time.monotonic() + 20
    asked = [*network.enter(), "sh", "-c", f"ss -Hltn 'sport = :{port}' | grep -q ."]
    while subprocess.run(asked, check=False).returncode:
        assert process.poll() is None and time.monotonic() < deadline, f"SSH does not forward port {port}"
        time.sleep(0.1)
