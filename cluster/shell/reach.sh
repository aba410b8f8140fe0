# shellcheck shell=sh
# Asks others from a place among this node's pods, at once, and again until they answer.
# PID: a process in that place; PORT: where the others send back what they get; PATIENCE: seconds
# BACKEND, DEVICE, NETWORK: as in ways.sh; BRIDGE: what this node's pods are plugged into
# PODLESS: addresses of hosts that have a lease and no pods

enough=16384 # bytes: several packets of full size, whatever the MTU; TCP sends them undivided
full=$(printf "%0${enough}d" 0)

inside() { nsenter --net="/proc/$PID/ns/net" "$@"; }

# Whether what is sent there comes back whole.
echoed() {  # ADDRESS TEXT
    [ "$(printf %s "$2" | inside timeout 3 socat -t 2 - "TCP:$1:$PORT,connect-timeout=1" 2>/dev/null)" = "$2" ]
}

# A refusal has come the whole way, too.
knock() {
    why=$(inside socat -u OPEN:/dev/null "TCP:$1,connect-timeout=1" 2>&1) || case $why in *refused*) ;; *) return 1 ;; esac
}

# The last try at an address: yes; small: what is short comes back, what fills packets does not, nor now that the other
# is known to be there; nothing.
sized() {  # ADDRESS WHAT
    echoed "$1" 0 || return 1
    if echoed "$1" "$full"; then echo "yes $2"; else echo "small $2"; fi
}

ask() {
    until echoed "$1" "$full"; do
        [ "$(date +%s)" -lt "$end" ] || { sized "$1" "$1" || echo "no $1"; return; }
        sleep 0.1
    done
    echo "yes $1"
}

ask_at() {
    until knock "$1"; do
        [ "$(date +%s)" -lt "$end" ] || { echo "no ${1%:*}"; return; }
        sleep 0.1
    done
    echo "yes ${1%:*}"
}

# Whoever opened the places may not know where: the last addresses of a lease are tried.
ask_lease() {
    while :; do
        for last in 1 2 3; do
            echoed "$(from_the_end "$1" $last)" "$full" && echo "yes $1" && return
        done
        [ "$(date +%s)" -lt "$end" ] || break
    done
    for last in 1 2 3; do
        sized "$(from_the_end "$1" $last)" "$1" && return
    done
    echo "no $1"
}

# False if not everybody answers. $1: addresses of places; $2: addresses with ports of whoever listens there; $3: leases
ask_all() {
    end=$(($(date +%s) + PATIENCE))
    answers=$(
        for a in $1; do ask "$a" & done
        for a in $2; do ask_at "$a" & done
        for lease in $3; do ask_lease "$lease" & done
        wait
    )
    printf '%s\n' "$answers"
    case "$answers" in *no* | *small*)
        why "$answers"
        return 1
        ;;
    esac
}

# The other nodes' leases, as flanneld made routes of them. Of udp's there is one for all, which tells nothing.
leases() {
    ip -4 route show root "$NETWORK" | grep -v -e " dev $BRIDGE " -e "^$NETWORK " |
        sed -n 's|^\([0-9.]*/[0-9]*\) via \([^ ]*\) .*|\1 \2|p' | while read -r lease gateway; do
        case " $PODLESS " in *" $(behind "$gateway") "*) ;; *) echo "$lease" ;; esac
    done
}

# The host behind a way: with vxlan that of its gateway's device, else the gateway itself.
behind() {  # GATEWAY
    there=$(ip -4 neigh show "$1" dev "$DEVICE" 2>/dev/null | sed -n 's/.* lladdr \([^ ]*\).*/\1/p')
    host=$([ -z "$there" ] || bridge fdb show dev "$DEVICE" | sed -n "s/^$there dst \([^ ]*\).*/\1/p")
    echo "${host:-$1}"
}

# The others may ask this place for as long as this one did; then it goes.
# shellcheck disable=SC2016 # for the shell that waits
leave() {
    setsid sh -c 'sleep "$1"; ! grep -q timeout "/proc/$2/comm" || kill "$2"' sh $((PATIENCE + 2)) "$PID" \
        </dev/null >/dev/null 2>&1 &
}

# What of this host may lose packets.
why() {
    [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo "cause net.ipv4.ip_forward is 0"
    iptables -w -S FORWARD | awk -v from="-A FORWARD -s $NETWORK -j ACCEPT" -v to="-A FORWARD -d $NETWORK -j ACCEPT" '
        $0 == from { accepted += 1 } $0 == to { accepted += 2 }
        accepted == 3 { exit }
        / -j (DROP|REJECT)/ { print "cause FORWARD has, before it accepts the pod network: " $0 }
        END { if (accepted != 3) print "cause FORWARD does not accept the pod network" }'
    case $BACKEND in
    vxlan | udp) ip link show dev "$DEVICE" >/dev/null 2>&1 || echo "cause $DEVICE is not there" ;;
    esac
    missing && echo "cause its ways to other nodes are broken (ip route, ip neigh, bridge fdb show dev $DEVICE)"
    printf '%s\n' "$1" | sed -n 's/^[ns][a-z]* //p' | while read -r a; do
        [ -n "$(ip -4 route show root "$NETWORK" match "$a")" ] || echo "cause there is no route to $a"
    done
}
