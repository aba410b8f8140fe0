"""What only the lab's nodes have."""

host_extra_args = {
    # nf_conntrack_max belongs to the machine's first network namespace: no lab host may write it. 0: leave it as it is.
    "kube-proxy": {"conntrack-max-per-core": "0"},
    # The disk is the machine's: how full it is says nothing of the lab's pods and images, and none of them goes for it.
    "kubelet": {
        "eviction-hard": "memory.available<100Mi,nodefs.available<1%,imagefs.available<1%",
        "image-gc-high-threshold": "100",
    },
}
