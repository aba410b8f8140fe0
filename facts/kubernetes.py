"""Kubernetes, asked on a master with the administrator's certificate."""

import json
import re
from collections.abc import Iterable
from typing import Any

from pyinfra.api.exceptions import FactProcessError

from cluster.api import KUBECONFIG, api
from cluster.workloads.draining import DRAINED
from facts.base import Fact
from facts.shell import PROGRAMS_PATH

KUBECTL = f"env {PROGRAMS_PATH} kubectl"


class ApiServer(Fact[dict[str, Any]]):
    """
    Whether the API server is ready, and which of its checks fail; {} where there is no kubectl.

    Source: /readyz and /version of the API server.

    .. code:: python

        {"ready": True, "failing": [], "version": "v1.20.2"}
    """

    default = dict
    program = "kubectl"

    def script(self) -> str:
        k = f"{KUBECTL} --kubeconfig={KUBECONFIG} --request-timeout=5s"
        return (
            f"{k} get --raw '/readyz?verbose' 2>&1 | sed 's/^/check /'; "
            f'{k} get --raw /version 2>/dev/null | sed -n \'s/.*"gitVersion": "\\(.*\\)".*/version \\1/p\'; true'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        checks = "\n".join(line[6:] for line in lines if line.startswith("check "))
        failing = re.findall(r"\[-\](\S+)", checks)  # kubectl quotes an answer that is an error in one line
        version = next((line[8:] for line in lines if line.startswith("version ")), "")
        return {"ready": "readyz check passed" in checks, "failing": failing, "version": version}


class Nodes(Fact[dict[str, Any]]):
    """
    The nodes the API server knows, by name; {} where it does not answer.

    + wait_for: names to wait for until each is Ready
    + seconds: how long to wait for them
    + ready: False: wait only until each is known

    Source: the API server's /api/v1/nodes. `drained` is since when a run has it drained, "" where none has.

    .. code:: python

        {"node1": {"ready": True, "reason": "KubeletReady", "message": "kubelet is posting ready status",
                   "schedulable": True, "drained": "", "version": "v1.20.2", "runtime": "docker://20.10.24",
                   "address": "10.1.10.102"}}
    """

    default = dict
    asks = "kube-apiserver"

    def script(self, wait_for: Iterable[str] = (), seconds: int = 0, ready: bool = True) -> str:
        names = list(wait_for)
        told = '"type":"Ready","status":"True"' if ready else '"kind":"Node"'
        count = f"api 5 '/api/v1/nodes/{{{','.join(names)}}}' | grep -c '{told}'"
        late = "[ $(date +%s) -ge $end ]"
        wait = (
            f'end=$(($(date +%s) + {seconds})); until [ "$({count})" = {len(names)} ] || {late}; do sleep 0.5; done; '
        )
        return api(f"{wait if names and seconds else ''}api 5 /api/v1/nodes || true")

    def read(self, lines: list[str]) -> dict[str, Any]:
        try:
            items = json.loads("\n".join(lines))["items"]
        except (ValueError, KeyError) as error:
            raise FactProcessError(f"/api/v1/nodes is not JSON: {error}") from error
        return {item["metadata"]["name"]: _node(item) for item in items}


class NodeMetrics(Fact[dict[str, Any]]):
    """
    What nodes use, by name, as metrics-server tells; {} where it tells nothing.

    + wait_for: names to wait for until each is among them
    + seconds: how long to wait for them

    Source: the API server's /apis/metrics.k8s.io/v1beta1/nodes.

    .. code:: python

        {"node1": {"cpu": "142385120n", "memory": "612456Ki"}}
    """

    default = dict

    def script(self, wait_for: Iterable[str] = (), seconds: int = 0) -> str:
        return api(
            f"end=$(($(date +%s) + {seconds})); while :; do "
            "m=$(api 5 /apis/metrics.k8s.io/v1beta1/nodes); left=; "
            f"for n in {' '.join(wait_for)}; do case $m in *'\"name\":\"'$n'\"'*) ;; *) left=$n;; esac; done; "
            '[ -n "$left" ] && [ $(date +%s) -lt $end ] || break; sleep 1; done; printf "%s\\n" "$m"'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        try:
            items = json.loads("\n".join(lines))["items"]
        except (ValueError, KeyError) as error:
            raise FactProcessError(f"what metrics-server tells is not JSON: {error}") from error
        return {item["metadata"]["name"]: item["usage"] for item in items}


def _node(item: dict[str, Any]) -> dict[str, Any]:
    status = item["status"]
    ready: dict[str, Any] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    addresses = {a["type"]: a["address"] for a in status.get("addresses", [])}
    return {
        "ready": ready.get("status") == "True",
        "reason": ready.get("reason", ""),
        "message": ready.get("message", ""),
        "schedulable": not item["spec"].get("unschedulable", False),
        "drained": item["metadata"].get("annotations", {}).get(DRAINED, ""),
        "version": status["nodeInfo"]["kubeletVersion"],
        "runtime": status["nodeInfo"]["containerRuntimeVersion"],
        "address": addresses.get("InternalIP", ""),
    }
