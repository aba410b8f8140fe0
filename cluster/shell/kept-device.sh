# shellcheck shell=sh
# flannel's device has the same address after a boot. flanneld would give it another one, and tell etcd; a node whose
# own flanneld has just lost its etcd member, perhaps by the same boot, would not hear of that, nor ever ask.
# BACKEND: flannel's; DEVICE: its device; OPTIONS: what flanneld makes that by
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
    mtu=$(printf '%s' "$HANDED" | sed -n 's/^vxlan:\([0-9]*\)$/\1/p')
    # shellcheck disable=SC2046 # several words
    ip link add "$DEVICE" ${mtu:+mtu $((mtu - 50))} $(sed -n 2p "$kept") || true
}
