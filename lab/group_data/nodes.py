"""What only the lab's nodes have."""

# nf_conntrack_max belongs to the machine's first network namespace: no lab host may write it. 0: leave it as it is.
host_extra_args = {"kube-proxy": {"conntrack-max-per-core": "0"}}
