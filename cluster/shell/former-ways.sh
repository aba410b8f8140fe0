# shellcheck shell=sh
# What other settings or a broken way left behind goes before flanneld starts.
# RECORD: where the lease is written down; BRIDGE: the pods'; what BACKEND, DEVICE and broken are, ways.sh says; remake
# and resize: kept-device.sh

clear() {
    if [ ! -e "$RECORD" ]; then
        remake
    elif ! grep -q "^FLANNEL_BACKEND=$BACKEND\(:.*\)\?$" "$RECORD"; then
        for link in flannel.1 flannel0 "$DEVICE"; do ip link delete "$link" 2>/dev/null || true; done
        . /run/flannel/subnet.env
        ip -4 route show root "$FLANNEL_NETWORK" | grep -v " dev $BRIDGE " | while read -r route; do
            ip route delete "${route%% *}" || true
        done
    fi
    [ "$BACKEND" = vxlan ] && ip link show dev "$DEVICE" >/dev/null 2>&1 || return 0
    resize
    for gateway in $(broken); do
        ip -4 route flush via "$gateway" dev "$DEVICE" || true
        ip -4 neigh delete "$gateway" dev "$DEVICE" 2>/dev/null || true
    done
}
