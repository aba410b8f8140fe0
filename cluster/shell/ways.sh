# shellcheck shell=sh
# Whether this host's ways to the other nodes' leases are whole, by what flanneld itself left here.
# BACKEND: flannel's; DEVICE: its device; NETWORK: the pod network

# vxlan: a way is a route, the neighbour entry of its gateway, and the host behind that one's device. Prints gateways
# that lack one of the three.
broken() {
    {
        ip -4 route show root "$NETWORK"
        ip -4 neigh show dev "$DEVICE" nud permanent
        bridge fdb show dev "$DEVICE"
    } | awk -v device="$DEVICE" '
        $2 == "via" && $5 == device { routes[$3] } $2 == "lladdr" { devices[$1] = $3 } $2 == "dst" { known[$1] }
        END {
            for (g in routes) if (!(g in devices)) print g
            for (g in devices) if (!(g in routes) || !(devices[g] in known)) print g
        }'
}

# True if one is missing. host-gw's routes flanneld looks after itself.
missing() {
    case $BACKEND in
    vxlan)
        command -v bridge >/dev/null || return 1
        [ -e "/proc/sys/net/ipv4/conf/$DEVICE" ] || return 0
        # What flanneld is writing at this moment is whole a moment later.
        [ -n "$(broken)" ] && sleep 1 && [ -n "$(broken)" ]
        ;;
    udp) [ -z "$(ip -4 route show "$NETWORK" dev "$DEVICE" 2>/dev/null)" ] ;;
    *) return 1 ;;
    esac
}
