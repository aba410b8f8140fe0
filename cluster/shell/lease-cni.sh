# shellcheck shell=sh
# clear: before flanneld starts, removes what other settings or a broken way left behind.
# publish: after flanneld has its lease, writes it down, and makes a CNI network of it; pods follow a lease that moved.
# HANDED: backend and MTU as the settings have them; what BACKEND, DEVICE and broken are, ways.sh says; remember and remake: kept-device.sh
# CONFLIST: where containerd looks for pods' network; "" on a host without pods
set -eu
env=/run/flannel/lease.env

clear() {
    [ -e $env ] || { remake; return 0; }
    if ! grep -qx "FLANNEL_BACKEND=$HANDED" $env; then
        for link in flannel.1 flannel0 "$DEVICE"; do ip link delete "$link" 2>/dev/null || true; done
        . /run/flannel/subnet.env
        ip -4 route show root "$FLANNEL_NETWORK" | grep -v ' dev cni0 ' | while read -r route; do
            ip route delete "${route%% *}" || true
        done
    elif [ "$HANDED" = "${HANDED#vxlan}" ] || ! ip link show dev "$DEVICE" >/dev/null 2>&1; then
        return 0
    else
        for gateway in $(broken); do
            ip -4 route flush via "$gateway" dev "$DEVICE" || true
            ip -4 neigh delete "$gateway" dev "$DEVICE" 2>/dev/null || true
        done
    fi
}

# 192.168.13.0/24 of 192.168.13.1/24, which is the bridge's address.
network_of() {
    IFS=./
    # shellcheck disable=SC2086 # four numbers and a length
    set -- $1
    unset IFS
    at=$(((($1 << 24) + ($2 << 16) + ($3 << 8) + $4) & ~((1 << (32 - $5)) - 1)))
    echo "$((at >> 24)).$((at >> 16 & 255)).$((at >> 8 & 255)).$((at & 255))/$5"
}

# The addresses given out are noted in /run, too: after a boot none is. flanneld itself masquerades what leaves.
network() {
    cat <<END
{
  "cniVersion": "1.0.0",
  "name": "flannel",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isDefaultGateway": true,
      "hairpinMode": true,
      "ipMasq": false,
      "mtu": $FLANNEL_MTU,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/flannel/addresses",
        "ranges": [[{"subnet": "$(network_of "$FLANNEL_SUBNET")"}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
END
}

put() {  # PATH TEXT
    [ "$2" != "$(cat "$1" 2>/dev/null)" ] || return 0
    mkdir -p "${1%/*}"
    printf '%s\n' "$2" >"$1.new"
    mv -f "$1.new" "$1"
}

publish() {
    . /run/flannel/subnet.env
    remember
    new=$(printf '%s\n' "FLANNEL_BACKEND=$HANDED" "FLANNEL_SUBNET=$FLANNEL_SUBNET" "FLANNEL_MTU=$FLANNEL_MTU")
    old=$(cat $env 2>/dev/null || true)
    [ -z "$CONFLIST" ] || put "$CONFLIST" "$(network)"
    put $env "$new"
    # Which device its ways are on: device.sh
    put /run/flannel/device "$([ "$BACKEND" != vxlan ] || ip -o link show dev "$DEVICE" | cut -d: -f1)"
    [ -z "$CONFLIST" ] || [ -z "$old" ] || [ "$new" = "$old" ] || systemctl --no-block try-restart containerd.service
}

"$1"
