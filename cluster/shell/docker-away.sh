# shellcheck shell=sh
# away: true if docker0 has no address that flannel may lease. leave: takes it away, and Docker, which would bring it back.
# FIRST, LAST: the first and the last address leased, as numbers
away() {
    before=''
    for word in $(ip -4 -o addr show dev docker0 2>/dev/null); do
        if [ "$before" = inet ]; then
            IFS=.
            # shellcheck disable=SC2086 # four numbers
            set -- ${word%/*}
            unset IFS
            at=$((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
            [ $at -lt "$FIRST" ] || [ $at -gt "$LAST" ] || return 1
        fi
        before=$word
    done
}

leave() {
    for unit in docker.socket docker.service; do
        systemctl stop $unit 2>/dev/null
        systemctl disable -q $unit 2>/dev/null
    done
    ! ip link show dev docker0 >/dev/null 2>&1 || ip link delete docker0
}
