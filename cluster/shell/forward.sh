# shellcheck shell=sh
# check: true if FORWARD accepts the pod network's packets before any rule of it drops them.
# open: has it accept them before any other rule.
# NETWORK: the pod network
from="-s $NETWORK -j ACCEPT" to="-d $NETWORK -j ACCEPT"

# A rule that drops only some addresses, or broken connections, is somebody's own decision.
check() {
    iptables -w -S FORWARD | awk -v from="-A FORWARD $from" -v to="-A FORWARD $to" '
        $0 == from { accepted += 1 } $0 == to { accepted += 2 }
        accepted == 3 { exit }
        / -j (DROP|REJECT)/ && !/ -[sd] / && !/INVALID/ { accepted = 0; exit }
        END { exit accepted != 3 }'
}

# A rule above, then without the former ones below: at no moment is there none.
first() {
    iptables -w -I FORWARD 1 "$@" || exit 1
    while
        below=$(iptables -w -S FORWARD | grep '^-A' | grep -nxF -e "-A FORWARD $*" | sed 1d | tail -n 1 | cut -d: -f1)
        [ -n "$below" ]
    do
        iptables -w -D FORWARD "$below" || exit 1
    done
}

open() {
    # shellcheck disable=SC2086 # words of a rule
    first $to && first $from
}
