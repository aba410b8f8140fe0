"""Fields of Kubernetes' configuration files, and which argument each stands for.

A field and its argument say the same. What a user's further arguments say is therefore left out of the kubelet's file,
which its arguments go before; kube-proxy ignores most of its arguments beside a file, so that there it goes into it.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A field of a configuration file.

    + path: where it is: "authentication.x509.clientCAFile"
    + value: as YAML has it
    + argument: the argument, without dashes, that says the same; None: there is none
    """

    path: str
    value: object
    argument: str | None = None


def _whole_number(text: str) -> int:
    return int(text)


def _truth(text: str) -> bool:
    """Without a value an argument is true."""
    lower = text.lower()
    if lower not in ("", "true", "t", "1", "false", "f", "0"):
        raise ValueError(text)
    return lower in ("", "true", "t", "1")


def _number(text: str) -> float:
    return float(text)


def _listed(text: str) -> list[str]:
    return [entry for entry in text.split(",") if entry]


def _gates(text: str) -> dict[str, bool]:
    pairs = (entry.partition("=") for entry in _listed(text))
    return {name: _truth(value if equals else "?") for name, equals, value in pairs}


_Reader = Callable[[str], object]
_TAKES: dict[_Reader, str] = {
    _whole_number: "a whole number",
    _truth: '"true" or "false"',
    _number: "a number",
    _gates: 'names with their values, as "Name=true,Other=false"',
}
# Of the arguments that kube-proxy ignores beside a file, the fields. {mode} is the section of its mode.
_PROXY: dict[str, tuple[str, _Reader]] = {
    "bind-address": ("bindAddress", str),
    "bind-address-hard-fail": ("bindAddressHardFail", _truth),
    "config-sync-period": ("configSyncPeriod", str),
    "conntrack-max-per-core": ("conntrack.maxPerCore", _whole_number),
    "conntrack-min": ("conntrack.min", _whole_number),
    "conntrack-tcp-be-liberal": ("conntrack.tcpBeLiberal", _truth),
    "conntrack-tcp-timeout-close-wait": ("conntrack.tcpCloseWaitTimeout", str),
    "conntrack-tcp-timeout-established": ("conntrack.tcpEstablishedTimeout", str),
    "conntrack-udp-timeout": ("conntrack.udpTimeout", str),
    "conntrack-udp-timeout-stream": ("conntrack.udpStreamTimeout", str),
    "detect-local-mode": ("detectLocalMode", str),
    "feature-gates": ("featureGates", _gates),
    "healthz-bind-address": ("healthzBindAddress", str),
    "iptables-localhost-nodeports": ("iptables.localhostNodePorts", _truth),
    "iptables-masquerade-bit": ("{mode}.masqueradeBit", _whole_number),
    "iptables-min-sync-period": ("{mode}.minSyncPeriod", str),
    "iptables-sync-period": ("{mode}.syncPeriod", str),
    "ipvs-exclude-cidrs": ("ipvs.excludeCIDRs", _listed),
    "ipvs-min-sync-period": ("ipvs.minSyncPeriod", str),
    "ipvs-scheduler": ("ipvs.scheduler", str),
    "ipvs-strict-arp": ("ipvs.strictARP", _truth),
    "ipvs-sync-period": ("ipvs.syncPeriod", str),
    "ipvs-tcp-timeout": ("ipvs.tcpTimeout", str),
    "ipvs-tcpfin-timeout": ("ipvs.tcpFinTimeout", str),
    "ipvs-udp-timeout": ("ipvs.udpTimeout", str),
    "kube-api-burst": ("clientConnection.burst", _whole_number),
    "kube-api-content-type": ("clientConnection.contentType", str),
    "kube-api-qps": ("clientConnection.qps", _number),
    "masquerade-all": ("{mode}.masqueradeAll", _truth),
    "metrics-bind-address": ("metricsBindAddress", str),
    "nodeport-addresses": ("nodePortAddresses", _listed),
    "oom-score-adj": ("oomScoreAdj", _whole_number),
    "pod-bridge-interface": ("detectLocal.bridgeInterface", str),
    "pod-interface-name-prefix": ("detectLocal.interfaceNamePrefix", str),
    "profiling": ("enableProfiling", _truth),
    "show-hidden-metrics-for-version": ("showHiddenMetricsForVersion", str),
}


# What the kubelet is told by arguments only, or, as its verbosity, as well.
_KUBELETS_OWN = frozenset(
    {
        *("bootstrap-kubeconfig", "cert-dir", "cloud-provider", "config", "config-dir", "exit-on-lock-contention"),
        *("hostname-override", "image-credential-provider-bin-dir", "image-credential-provider-config", "kubeconfig"),
        *("lock-file", "maximum-dead-containers", "maximum-dead-containers-per-container"),
        *("minimum-container-ttl-duration", "node-ip", "node-labels", "root-dir", "v", "vmodule"),
    }
)


def became_field(program: str, argument: str) -> str | None:
    """What becomes of an argument, without dashes, that a field of the program's file says by now; None: it is none."""
    if program == "kube-proxy" and argument in _PROXY:
        return "has become a field of kube-proxy's file, where it is written"
    if program == "kubelet" and argument not in _KUBELETS_OWN:
        return "has become a field of the kubelet's file; as an argument it still works, and wins over the file"
    return None


def proxy_field(argument: str, value: str, mode: str) -> Field | None:
    """The field of KubeProxyConfiguration that an argument, without dashes, stands for; None: it stays an argument.

    Raises ValueError, saying what to write, when the argument does not take such a value.
    """
    if argument not in _PROXY:
        return None
    path, read = _PROXY[argument]
    try:
        # In ipvs mode, too, it is iptables that masquerade.
        section = "nftables" if mode == "nftables" else "iptables"
        return Field(path.format(mode=section), read(value), argument)
    except ValueError:
        raise ValueError(f"is no value for it; write {_TAKES[read]}") from None
