# shellcheck shell=sh
# clear: before flanneld starts: former-ways.sh
# publish: after flanneld has its lease, writes it down, and makes a CNI network of it; pods follow a lease that moved.
# HANDED: backend and MTU as the settings have them; CONFLIST: where containerd looks for pods' network, "" on a host
# without pods; BACKEND and DEVICE: ways.sh; remember: kept-device.sh; RECORD: former-ways.sh
set -eu

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
    old=$(cat "$RECORD" 2>/dev/null || true)
    [ -z "$CONFLIST" ] || put "$CONFLIST" "$(network)"
    put "$RECORD" "$new"
    # Which device its ways are on: device.sh
    put /run/flannel/device "$([ "$BACKEND" != vxlan ] || ip -o link show dev "$DEVICE" | cut -d: -f1)"
    [ -z "$CONFLIST" ] || [ -z "$old" ] || [ "$new" = "$old" ] || systemctl --no-block try-restart containerd.service
}

"$1"
