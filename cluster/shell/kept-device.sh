# shellcheck shell=sh
# flannel's device has the same address after a boot. flanneld would give it another one, and tell etcd; a node whose
# own flanneld has just lost its etcd member, perhaps by the same boot, would not hear of that, nor ever ask.
# BACKEND: flannel's; DEVICE: its device; OPTIONS: what flanneld makes that by; HANDED: backend and MTU, as the settings
# have them
kept=/var/lib/container-cloud/flannel-device

# Once flanneld has made it.
remember() {
    [ "$BACKEND" = vxlan ] || { rm -f "$kept"; return 0; }
    now=$(ip -d -o link show dev "$DEVICE" | awk '{
        learning = " learning"
        for (i = 1; i < NF; i++) {
            if ($i == "link/ether") address = $(i + 1)
            else if ($i == "vxlan" && $(i + 1) == "id") in_vxlan = 1
            else if ($i == "nolearning") learning = " nolearning"
            else if ($i == "gbp") flags = " gbp"
            if (in_vxlan && $i ~ /^(id|local|dev|dstport)$/) said = said " " $i " " $(i + 1)
        }
        if (address && said) print "address " address " type vxlan" said learning flags
    }')
    [ "$(printf '%s\n' "$OPTIONS" "$now")" != "$(cat "$kept" 2>/dev/null)" ] || return 0
    mkdir -p "${kept%/*}"
    printf '%s\n' "$OPTIONS" "$now" >"$kept.new"
    mv -f "$kept.new" "$kept"
}

# Before flanneld makes it: it takes one that is there, if it is as it would make it.
remake() {
    [ "$BACKEND" = vxlan ] && [ "$(sed -n 1p "$kept" 2>/dev/null)" = "$OPTIONS" ] || return 0
    ! ip link show dev "$DEVICE" >/dev/null 2>&1 || return 0
    # shellcheck disable=SC2046 # several words
    ip link add "$DEVICE" $(sed -n 2p "$kept") || true
}

# Nor does it look at that one's MTU. What vxlan takes of a frame is 50 bytes.
resize() {
    mtu=${HANDED#"$BACKEND"}
    mtu=${mtu#:}
    [ -n "$mtu" ] || mtu=$(of_link "$(of_link "$DEVICE" dev)" mtu)
    [ -z "$mtu" ] || [ "$(of_link "$DEVICE" mtu)" = $((mtu - 50)) ] || ip link set dev "$DEVICE" mtu $((mtu - 50))
}

of_link() {  # DEVICE WORD: the one behind that word, of what ip tells of a device
    ip -d -o link show dev "$1" | awk -v word="$2" '{ for (i = 1; i < NF; i++) if ($i == word) { print $(i + 1); exit } }'
}
