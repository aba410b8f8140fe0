# shellcheck shell=sh
# clear: before flanneld starts: former-ways.sh
# publish: after flanneld has its lease, turns it into dockerd's options; a running Docker follows a lease that moved.
# HANDED: backend and MTU as the settings have them; remember: kept-device.sh; RECORD: former-ways.sh
set -eu

publish() {
    . /run/flannel/subnet.env
    remember
    new=$(printf '%s\n' "FLANNEL_BACKEND=$HANDED" \
        "DOCKER_NETWORK_OPTIONS=\"--bip=$FLANNEL_SUBNET --ip-masq=false --mtu=$FLANNEL_MTU\"")
    old=$(cat "$RECORD" 2>/dev/null || true)
    [ "$new" != "$old" ] || return 0
    printf '%s\n' "$new" > "$RECORD.new"
    mv -f "$RECORD.new" "$RECORD"
    [ -z "$old" ] || systemctl --no-block try-restart docker.service
}

"$1"
