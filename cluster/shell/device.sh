# shellcheck shell=sh
# flannel's device. Others reach this host's pods by its address.
# DEVICE: flannel's

# True if it is another than the one that flanneld had when it wrote its lease down. flanneld makes one in place of one
# that is gone, but no ways on it.
anew() {
    had=''
    [ ! -r /run/flannel/device ] || read -r had </run/flannel/device
    [ -n "$had" ] || return 1
    now=$(ip -o link show dev "$DEVICE" 2>/dev/null)
    [ "${now%%:*}" != "$had" ]
}
