# shellcheck shell=sh
# clear: before flanneld starts, removes what other settings or a broken way left behind.
# publish: after flanneld has its lease, turns it into dockerd's options; a running Docker follows a lease that moved.
# HANDED: backend and MTU as the settings have them; what DEVICE and broken are, ways.sh says; remember and remake: kept-device.sh
set -eu
env=/run/flannel/docker.env

clear() {
    [ -e $env ] || { remake; return 0; }
    if ! grep -qx "FLANNEL_BACKEND=$HANDED" $env; then
        for link in flannel.1 flannel0 "$DEVICE"; do ip link delete "$link" 2>/dev/null || true; done
        . /run/flannel/subnet.env
        ip -4 route show root "$FLANNEL_NETWORK" | grep -v ' dev docker0 ' | while read -r route; do
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

publish() {
    . /run/flannel/subnet.env
    remember
    new=$(printf '%s\n' "FLANNEL_BACKEND=$HANDED" \
        "DOCKER_NETWORK_OPTIONS=\"--bip=$FLANNEL_SUBNET --ip-masq=false --mtu=$FLANNEL_MTU\"")
    old=$(cat $env 2>/dev/null || true)
    [ "$new" != "$old" ] || return 0
    printf '%s\n' "$new" > $env.new
    mv -f $env.new $env
    [ -z "$old" ] || systemctl --no-block try-restart docker.service
}

"$1"
