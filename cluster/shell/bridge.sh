# shellcheck shell=sh
# Pods' bridge, cni0: on_lease is true if it has flannel's lease and MTU, and what is plugged into it the same MTU.
# settle: while it has not, ends every pod that has a network of its own, and makes it anew. The kubelet starts such a
# pod again, then on the lease.
on_lease() {
    . /run/flannel/lease.env
    case $(ip -4 -o addr show dev cni0 2>/dev/null) in *" inet $FLANNEL_SUBNET "*) ;; *) return 1 ;; esac
    ! { ip -o link show dev cni0 && ip -o link show master cni0; } | grep -qv " mtu $FLANNEL_MTU "
}

# A pod is what its first container's process holds; containers that share the host's network need no lease.
end_pods() {
    host=$(readlink /proc/1/ns/net)
    sandboxes=" $(timeout 30 ctr -n k8s.io containers list -q 'labels."io.cri-containerd.kind"==sandbox' | tr '\n' ' ')"
    timeout 30 ctr -n k8s.io tasks list | while read -r id pid status; do
        case $status/$sandboxes in RUNNING/*" $id "*) ;; *) continue ;; esac
        [ "$(readlink "/proc/$pid/ns/net")" = "$host" ] || timeout 30 ctr -n k8s.io tasks kill -s SIGKILL "$id"
    done
}

# With a hardware address of its own: else it takes the least of what is plugged in, and pods lose it when that goes.
# The MTU by itself: one that a bridge is made with goes when the last pod does. The address last: before it has one,
# nobody takes this for done.
settle() {
    [ -r /run/flannel/lease.env ] && ! on_lease || return 0
    end_pods
    ! ip link show dev cni0 >/dev/null 2>&1 || ip link delete cni0
    ip link add cni0 type bridge && ip link set cni0 mtu "$FLANNEL_MTU" &&
        ip link set cni0 address "$(ip -o link show dev cni0 | sed -n 's|.* link/ether \([^ ]*\) .*|\1|p')" up &&
        ip addr add "$FLANNEL_SUBNET" brd + dev cni0
}
